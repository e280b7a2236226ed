/** Where to connect: URLs in order of preference, and the transports each can carry. */
import type { Adapter } from "./adapter.js";
import type { Address } from "./gen/im_pb.js";
import type { TransportName } from "./link.js";

export interface Endpoint {
  transport: TransportName;
  url: string;
}

/** How long an endpoint that failed while another answered is tried last. */
const AVOIDED_MS = 300_000;

/** `https://host` for a WebSocket to it, event streams and Comet, in this order. */
export function endpointsOf(base: string): string[] {
  const url = base.replace(/\/+$/, "");
  return [`${url.replace(/^http/, "ws")}/ws`, url];
}

/** The endpoints of these URLs that the adapter has the means for. */
export function readEndpoints(
  urls: readonly string[],
  adapter: Adapter,
  wanted: readonly TransportName[],
): Endpoint[] {
  const usable = (transport: TransportName): boolean =>
    wanted.includes(transport) &&
    (transport === "websocket"
      ? Boolean(adapter.openSocket)
      : Boolean(adapter.post && (transport === "comet" || adapter.openEvents)));
  return urls.flatMap((url) => {
    const kinds: TransportName[] = /^wss?:/.test(url)
      ? ["websocket"]
      : /^https?:/.test(url)
        ? ["events", "comet"]
        : []; // TCP is for others
    return kinds
      .filter(usable)
      .map((transport) => ({ transport, url: url.replace(/\/+$/, "") }));
  });
}

/** The URLs of an address list; an address without a host is where we are connected already. */
export function urlsOf(addresses: readonly Address[], current: string): string[] {
  const here = /^\w+:\/\/(\[[^\]]*\]|[^:/?#]*)/.exec(current)?.[1] ?? "";
  return addresses.flatMap(({ scheme, host, port }) => {
    const name = host.includes(":") ? `[${host}]` : host || here;
    if (scheme === "ws" || scheme === "wss") return [`${scheme}://${name}:${port}/ws`];
    return scheme === "http" || scheme === "https" ? [`${scheme}://${name}:${port}`] : [];
  });
}

/** Endpoints in the order in which they are to be tried now. */
export class Candidates {
  private readonly avoided = new Map<string, number>();
  private preferred: readonly Endpoint[] = [];

  constructor(private readonly given: readonly Endpoint[]) {}

  /** Try these before the given ones. */
  prefer(endpoints: readonly Endpoint[]): void {
    this.preferred = endpoints;
  }

  order(): Endpoint[] {
    const now = Date.now();
    const isAvoided = (endpoint: Endpoint): boolean =>
      (this.avoided.get(keyOf(endpoint)) ?? 0) > now;
    const { all } = this;
    return [...all.filter((endpoint) => !isAvoided(endpoint)), ...all.filter(isAvoided)];
  }

  /** Those that would be better than this one. */
  before(endpoint: Endpoint): Endpoint[] {
    const names = this.all.map(keyOf);
    return this.all.slice(0, Math.max(0, names.indexOf(keyOf(endpoint))));
  }

  /** It answers again. */
  forgive(endpoint: Endpoint): void {
    this.avoided.delete(keyOf(endpoint));
  }

  /** One answered; those that failed before it are tried last for a while. */
  answered(failed: readonly Endpoint[]): void {
    for (const endpoint of failed) this.avoided.set(keyOf(endpoint), Date.now() + AVOIDED_MS);
  }

  private get all(): Endpoint[] {
    return [...this.preferred, ...this.given];
  }
}

const keyOf = ({ transport, url }: Endpoint): string => `${transport} ${url}`;
