/** Tries the endpoints in turn until one lets us in. */
import type { Adapter } from "./adapter.js";
import { openComet } from "./comet.js";
import type { Push } from "./commands.js";
import type { Candidates, Endpoint } from "./endpoints.js";
import { asError, closed, misused } from "./errors.js";
import { openEventStream } from "./events.js";
import type { Link, LinkHandlers, LinkOptions, Opening } from "./link.js";
import { openWebSocket } from "./websocket.js";

const OPENERS = { websocket: openWebSocket, events: openEventStream, comet: openComet };

/** What one endpoint says while it is being dialled waits in `early`. */
export interface Attempt {
  handlers: LinkHandlers;
  early: Push[];
}

export interface Dialled<A extends Attempt> {
  endpoint: Endpoint;
  link: Link;
  opening: Opening;
  attempt: A;
}

/**
 * The first link there is; rejects with a refusal as soon as somebody answers with one, or with the
 * last failure. A link that is there when nobody wants it any more is hung up.
 */
export async function dial<A extends Attempt>(
  adapter: Adapter,
  candidates: Candidates,
  options: Omit<LinkOptions, "url">,
  begin: () => A,
  isWanted: () => boolean,
): Promise<Dialled<A>> {
  const failed: Endpoint[] = [];
  let last = misused("no endpoint that this environment can reach");
  for (const endpoint of candidates.order()) {
    if (!isWanted()) throw closed("given up");
    try {
      const attempt = begin();
      const open = OPENERS[endpoint.transport];
      const where = { ...options, url: endpoint.url };
      const [link, opening] = await open(adapter, where, attempt.handlers);
      if (!isWanted()) {
        link.close();
        throw closed("given up");
      }
      candidates.answered(failed);
      return { endpoint, link, opening, attempt };
    } catch (thrown) {
      last = asError(thrown);
      if (!last.local) throw last; // somebody answered
      failed.push(endpoint);
    }
  }
  throw last;
}
