/** Server-sent events down, short calls up; a one-use ticket stands for the token in the URL. */
import type { Adapter } from "./adapter.js";
import { within } from "./backoff.js";
import { type Push, PUSHES } from "./commands.js";
import { closed, errorOf, type IMError } from "./errors.js";
import { type AuthResponse, AuthResponseSchema } from "./gen/im_pb.js";
import { readJSON } from "./json.js";
import type { Link, LinkHandlers, LinkOptions, Opening } from "./link.js";
import { ShortLink } from "./shortlink.js";

interface Event {
  cmd: string;
  body: Record<string, unknown>;
}

/** Opens a stream; rejects with the refusal, or `CLOSED` when nobody answers. */
export async function openEventStream(
  adapter: Adapter,
  options: LinkOptions,
  handlers: LinkHandlers,
): Promise<[Link, Opening]> {
  const short = new ShortLink(adapter, options.url, options.token, options.timeoutMs);
  const { ticket } = await short.call("ticket", {});
  let stream: { close(): void } | undefined;
  let state: "opening" | "open" | "over" = "opening";
  const hangUp = (): void => {
    state = "over";
    stream?.close();
    short.close();
  };
  const opened = new Promise<AuthResponse>((resolve, reject) => {
    const end = (error: IMError): void => {
      const was = state;
      if (was === "over") return;
      hangUp();
      if (was === "open") handlers.closed(error);
      else reject(error);
    };
    stream = adapter.openEvents!(`${options.url}/events?${query(options, ticket)}`, {
      onData: (data) => {
        if (state === "over") return;
        const { cmd, body } = JSON.parse(data) as Event;
        if (cmd === "auth") {
          const auth = readJSON(AuthResponseSchema, body);
          const error = errorOf(auth.error);
          if (error) return end(error);
          state = "open";
          return resolve(auth);
        }
        const schema = PUSHES[cmd as keyof typeof PUSHES]?.body;
        if (schema) handlers.push({ name: cmd, body: readJSON(schema, body) } as Push);
      },
      onClose: (reason) => end(closed(reason)),
    });
  });
  try {
    const auth = await within(opened, options.timeoutMs, () => closed("no stream"));
    return [
      { transport: "events", call: short.call, close: hangUp },
      {
        version: auth.version,
        groupsVersion: auth.groupsVersion,
        user: auth.user,
        serverTimeMs: Number(auth.serverTime),
        heartbeatS: auth.heartbeatS,
      },
    ];
  } catch (error) {
    hangUp();
    throw error;
  }
}

function query(options: LinkOptions, ticket: string): string {
  const since = options.cursor();
  return Object.entries({
    ticket,
    platform: options.platform,
    device: options.device,
    ...(since === undefined ? {} : { since: String(since) }),
  })
    .map(([name, value]) => `${name}=${encodeURIComponent(value)}`)
    .join("&");
}
