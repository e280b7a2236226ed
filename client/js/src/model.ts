/** What applications see: conversations, messages, and the events about them. */
import type { Content, Message } from "./gen/im_pb.js";
import { ConversationType } from "./gen/im_pb.js";
import type { IMError } from "./errors.js";
import type { TransportName } from "./link.js";
import type { Pending } from "./outbox.js";

export interface Conversation {
  type: "person" | "group";
  /** The other user, or the group. */
  id: string;
}

export const person = (id: string): Conversation => ({ type: "person", id });
export const group = (id: string): Conversation => ({ type: "group", id });

/** One text for a conversation, to be compared and used as a key. */
export const keyOf = ({ type, id }: Conversation): string => `${type}:${id}`;

export const wireType = ({ type }: Conversation): ConversationType =>
  type === "group" ? ConversationType.GROUP : ConversationType.PERSON;

export const conversationOf = (type: ConversationType, id: string): Conversation =>
  type === ConversationType.GROUP ? group(id) : person(id);

/** Where a message belongs, as `user` sees it. */
export function homeOf(message: Message, user: string): Conversation {
  if (message.type === ConversationType.GROUP) return group(message.receiver);
  return person(message.sender === user ? message.receiver : message.sender);
}

export const isRecalled = (message: Message): boolean => message.withdrawTime > 0n;

/** The text of a text message; empty for everything else. */
export function textOf(content: Content | undefined): string {
  return content?.body.case === "text" ? content.body.value.text : "";
}

/** Whether a message of a conversation is for this user in particular. */
export function isMentioned(content: Content | undefined, user: string): boolean {
  return Boolean(content && (content.mentionAll || content.mentions.includes(user)));
}

export type State = "connecting" | "online" | "offline" | "closed";

export interface MessageEvent {
  conversation: Conversation;
  message: Message;
  recalled: boolean;
  /** Sent by this user, from whatever device. */
  own: boolean;
}

export interface Events {
  /** Once for each message, and once more when it is recalled; in the order of its log. */
  message: MessageEvent;
  /** A send was stored. */
  acked: { key: string; conversation: Conversation; id: string; sendTimeMs: number };
  /** A send was refused for good. */
  failed: { key: string; conversation: Conversation; error: IMError; pending: Pending };
  /** `reader` has read up to a message: this user elsewhere, or the other one. */
  read: { conversation: Conversation; reader: string; id: string; unread: number };
  typing: { conversation: Conversation; user: string; stopped: boolean };
  /** The contact list changed. */
  contacts: undefined;
  groups: { joined: string } | { left: string } | { requests: string };
  presence: { user: string; online: boolean; lastSeenMs: number };
  /** `retryMs`: when offline, the time until the next attempt. */
  state: { state: State; transport?: TransportName; error?: IMError; retryMs?: number };
  /** Sent away for good: by another device, or because the token was taken back. */
  kicked: { error: IMError };
}
