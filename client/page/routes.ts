/** The open conversation in the address' fragment, so that "back" and a refresh do what they should. */
import { type Conversation, group, person } from "../js/src/index.js";

export const routeOf = ({ type, id }: Conversation): string =>
  `#/${type}/${encodeURIComponent(id)}`;

export function parseRoute(hash: string): Conversation | undefined {
  const match = /^#\/(person|group)\/([^/]+)$/.exec(hash);
  if (!match) return undefined;
  try {
    const id = decodeURIComponent(match[2]!);
    return match[1] === "group" ? group(id) : person(id);
  } catch {
    return undefined; // not an address of ours
  }
}
