/** WebSocket: one binary message is one Mars frame. */
import { fromBinary } from "@bufbuild/protobuf";
import type { Adapter, Socket } from "./adapter.js";
import { within } from "./backoff.js";
import { type Call, COMMANDS, type Push, PUSHES } from "./commands.js";
import { closed, IMError, timedOut } from "./errors.js";
import { decodeFrame, encodeFrame, PUSH_SEQ, REQUEST_SEQ_MAX } from "./frame.js";
import {
  decodeAnswer,
  encodeRequest,
  type Link,
  type LinkHandlers,
  type LinkOptions,
  type Opening,
} from "./link.js";

/** The server refuses us and must not be asked again with this token. */
const CLOSE_REFUSED = 4401;
/** The server stops, and told us when to come back. */
const CLOSE_GOING = 1012;

const PUSH_NAMES = new Map(
  Object.entries(PUSHES).map(([name, { number }]) => [number, name as keyof typeof PUSHES]),
);

interface Waiting {
  resolve(body: Uint8Array): void;
  reject(error: IMError): void;
}

/** Connects and authenticates; rejects with the refusal, or `CLOSED` when nobody answers. */
export async function openWebSocket(
  adapter: Adapter,
  options: LinkOptions,
  handlers: LinkHandlers,
): Promise<[Link, Opening]> {
  const link = new WebSocketLink(options.timeoutMs, handlers);
  try {
    await within(link.open(adapter, options.url), options.timeoutMs, () => closed("no connection"));
    const { token, platform, device } = options;
    const auth = await link.call("auth", { token, platform, device });
    link.isOpen = true;
    return [
      link,
      {
        version: auth.version,
        groupsVersion: auth.groupsVersion,
        user: auth.user,
        serverTimeMs: Number(auth.serverTime),
        heartbeatS: auth.heartbeatS,
      },
    ];
  } catch (error) {
    link.close();
    throw error;
  }
}

class WebSocketLink implements Link {
  readonly transport = "websocket";
  isOpen = false;
  private socket: Socket | undefined;
  private seq = 0;
  private ended = false;
  private readonly waiting = new Map<number, Waiting>();

  constructor(
    private readonly timeoutMs: number,
    private readonly handlers: LinkHandlers,
  ) {}

  open(adapter: Adapter, url: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.socket = adapter.openSocket!(url, {
        onOpen: resolve,
        onMessage: (data) => this.take(data),
        onClose: (code, reason) => {
          const error = explain(code, reason);
          reject(error);
          this.end(error);
        },
      });
    });
  }

  readonly call: Call = async (name, request) => {
    const socket = this.socket;
    if (this.ended || !socket) throw closed("not connected");
    const body = encodeRequest(name, request);
    this.seq = this.seq >= REQUEST_SEQ_MAX ? 1 : this.seq + 1;
    const seq = this.seq;
    const answered = new Promise<Uint8Array>((resolve, reject) => {
      this.waiting.set(seq, { resolve, reject });
    });
    try {
      socket.send(encodeFrame(COMMANDS[name].number, seq, body));
      return decodeAnswer(name, await within(answered, this.timeoutMs, () => timedOut(name)));
    } finally {
      this.waiting.delete(seq);
    }
  };

  close(): void {
    this.isOpen = false;
    this.end(closed("hung up"));
    this.socket?.close();
  }

  private take(data: Uint8Array): void {
    if (this.ended) return;
    const frame = decodeFrame(data);
    if (!frame) return this.fail("not a frame");
    if (frame.seq !== PUSH_SEQ) {
      this.waiting.get(frame.seq)?.resolve(frame.body);
      return;
    }
    const name = PUSH_NAMES.get(frame.cmd);
    if (!name) return; // of a later version of the protocol
    this.handlers.push({ name, body: fromBinary(PUSHES[name].body, frame.body) } as Push);
  }

  private fail(why: string): void {
    this.end(closed(why));
    this.socket?.close();
  }

  private end(error: IMError): void {
    if (this.ended) return;
    this.ended = true;
    for (const { reject } of this.waiting.values()) reject(error);
    if (this.isOpen) this.handlers.closed(error);
  }
}

function explain(code: number, reason: string): IMError {
  if (code === CLOSE_REFUSED) return new IMError(reason || "UNAUTHENTICATED", reason, false);
  return closed(code === CLOSE_GOING ? "the server stops" : `closed (${code}) ${reason}`);
}
