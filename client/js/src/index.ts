import "./utf8-setup.js"; // first: what follows needs it
export { create } from "@bufbuild/protobuf";
export type { Adapter, EventHandlers, HttpAnswer, HttpExchange } from "./adapter.js";
export type { Socket, SocketHandlers } from "./adapter.js";
export { IMClient } from "./client.js";
export { COMMANDS, type AnswerOf, type CommandName, type RequestOf } from "./commands.js";
export type { ContactList, Entry } from "./contacts.js";
export { endpointsOf, urlsOf } from "./endpoints.js";
export { IMError } from "./errors.js";
export * from "./gen/im_pb.js";
export { groupsVersion } from "./groupsversion.js";
export { randomId } from "./ids.js";
export type { TransportName } from "./link.js";
export {
  type Conversation,
  type Events,
  group,
  homeOf,
  isMentioned,
  isRecalled,
  keyOf,
  type MessageEvent,
  person,
  type State,
  textOf,
} from "./model.js";
export type { ClientOptions } from "./options.js";
export { type ContentInit, messageOf, type Pending } from "./outbox.js";
export type { Timeline } from "./timeline.js";
export { webAdapter, type WebParts, type WebSocketLike } from "./web-adapter.js";
export { wxAdapter, type WxLike } from "./wx-adapter.js";
