/** What the transports have in common: a link carries requests up and downlinks down. */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { type AnswerOf, type Call, COMMANDS, type CommandName, type Push } from "./commands.js";
import type { RequestOf } from "./commands.js";
import { errorOf, type IMError, misused, tooLarge } from "./errors.js";
import type { Error as WireError } from "./gen/im_pb.js";

/** With a frame's head the 64 KiB a server takes unless it is told otherwise. */
const BODY_BYTES_MAX = 65_516;

export type TransportName = "websocket" | "events" | "comet";

export interface Link {
  readonly transport: TransportName;
  call: Call;
  /** Hangs up; `closed` is not called for it. */
  close(): void;
}

/** What the server said when it let us in. */
export interface Opening {
  version: bigint;
  groupsVersion: bigint;
  /** Undefined where the transport does not say. */
  user?: string;
  serverTimeMs?: number;
  /** 0: the transport keeps itself alive. */
  heartbeatS: number;
}

export interface LinkHandlers {
  push(push: Push): void;
  /** The mailbox holds nothing more up to this version. */
  reached(version: bigint): void;
  /** What a poll says of all groups; in place of a ping's answer. */
  groupsVersion(version: bigint): void;
  /** The link is over: once, and only after it was open. */
  closed(error: IMError): void;
}

export interface LinkOptions {
  url: string;
  token: string;
  platform: string;
  device: string;
  timeoutMs: number;
  /** The client's cursor of its mailbox; undefined before the first connection. */
  cursor(): bigint | undefined;
  groupsVersion(): bigint | undefined;
}

export function encodeRequest<K extends CommandName>(
  name: K,
  request: RequestOf<K>,
): Uint8Array {
  const schema = COMMANDS[name].request;
  let body: Uint8Array;
  try {
    body = toBinary(schema, create(schema, request as never));
  } catch (error) {
    throw misused(`not a request of ${name}: ${String(error)}`);
  }
  // The server would cut the connection, and again when it is sent again.
  if (body.length > BODY_BYTES_MAX) throw tooLarge(body.length);
  return body;
}

/** The answer of these bytes; throws the error it carries. */
export function decodeAnswer<K extends CommandName>(name: K, body: Uint8Array): AnswerOf<K> {
  const answer = fromBinary(COMMANDS[name].answer, body) as { error?: WireError };
  const error = errorOf(answer.error);
  if (error) throw error;
  return answer as unknown as AnswerOf<K>;
}
