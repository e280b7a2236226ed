/** What an application chooses, and what holds where it does not. */
import type { Adapter } from "./adapter.js";
import type { ConnectionOptions } from "./connection.js";
import { endpointsOf, readEndpoints } from "./endpoints.js";
import { randomId } from "./ids.js";
import type { TransportName } from "./link.js";

export const TRANSPORTS: readonly TransportName[] = ["websocket", "events", "comet"];

export interface ClientOptions {
  /** Who logged in at the user centre. */
  user: string;
  /**
   * Gets a token from the user centre. `refused` is one the server did not take: give another, or
   * the same again when there is none, and the client stays away.
   */
  token(refused: string | undefined): Promise<string> | string;
  adapter: Adapter;
  /** Where the platform is, as `https://host`; or, one by one in order of preference, `endpoints`. */
  url?: string;
  /** `ws://host/ws` for WebSocket, `http://host` for event streams and Comet. */
  endpoints?: readonly string[];
  transports?: readonly TransportName[];
  /** `web` unless given; it decides how many devices may be connected, and how often they ping. */
  platform?: string;
  /** The installation's own id, where it has one that lasts. */
  device?: string;
  /** How long an answer may take; 10 s. */
  timeoutMs?: number;
  /** Least and most time between attempts to connect; 1 s and 60 s. */
  backoffMs?: readonly [number, number];
  /**
   * Least and most time between looks for a better endpoint than the one in use; 1 min and 10 min.
   */
  lookMs?: readonly [number, number];
  /** Whether to connect where a server that goes away says. */
  followAddresses?: boolean;
  /** The wall clock, which may be wrong; `serverNow` corrects it. */
  now?: () => number;
}

export function connectionOptions(options: ClientOptions): ConnectionOptions {
  const { adapter, url, token, user } = options;
  const urls = options.endpoints ?? (url ? endpointsOf(url) : []);
  return {
    adapter,
    endpoints: readEndpoints(urls, adapter, options.transports ?? TRANSPORTS),
    token,
    user,
    platform: options.platform ?? "web",
    device: options.device ?? randomId(),
    timeoutMs: options.timeoutMs ?? 10_000,
    backoffMs: options.backoffMs ?? [1000, 60_000],
    lookMs: options.lookMs ?? [60_000, 600_000],
    followAddresses: options.followAddresses ?? false,
  };
}
