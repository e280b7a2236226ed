/** What a conversation shows: stored messages, refused ones where they were written, waiting ones. */
import { type IMError, type Message, messageOf, type Pending, type Timeline } from "../js/src/index.js";
import type { Unsent } from "./unsent.js";

/** A message, stored or on its way; `sendKey` names one that is not stored. */
export interface Item {
  key: string;
  message: Message;
  progress: "stored" | "sending" | IMError;
  sendKey?: string;
}

export function itemsOf(timeline: Timeline, unsent: Unsent, user: string): Item[] {
  const { conversation } = timeline;
  const itemOf = (pending: Pending, progress: Item["progress"]): Item => {
    const { ms } = unsent.writtenOf(pending.key);
    const message = messageOf(pending, user, ms);
    return { key: keyOfSend(user, pending.sequence), message, progress, sendKey: pending.key };
  };
  const items: Item[] = timeline.messages.map((message) => ({
    key: message.sender && message.sequence ? keyOfSend(message.sender, message.sequence) : message.id,
    message,
    progress: "stored",
  }));
  const stored = new Set(items.map(({ key }) => key));
  const waiting = unsent.waitingIn(conversation).map((pending) => itemOf(pending, "sending"));
  items.push(...waiting.filter(({ key }) => !stored.has(key)));
  for (const { pending, error } of unsent.refusedIn(conversation)) {
    const { ms, after } = unsent.writtenOf(pending.key);
    items.splice(placeOf(items, ms, after), 0, itemOf(pending, error));
  }
  return items;
}

const keyOfSend = (sender: string, sequence: string): string => `${sender} ${sequence}`;

/** Behind the item it was written behind, or, where that is not there, by its time. */
function placeOf(items: readonly Item[], ms: number, after: string): number {
  let place = items.findIndex(({ key }) => key === after);
  for (let at = items.length - 1; place < 0 && at >= 0; at--) {
    if (Number(items[at]!.message.sendTime) <= ms) place = at;
  }
  return place + 1;
}
