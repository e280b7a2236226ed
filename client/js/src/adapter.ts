/**
 * What an environment must offer: a WebSocket, a POST, an event stream. Each may be missing; the
 * client uses the transports it has the means for.
 */

export interface SocketHandlers {
  onOpen(): void;
  onMessage(data: Uint8Array): void;
  /** Called once, for whatever reason, also when it never opened. */
  onClose(code: number, reason: string): void;
}

export interface Socket {
  send(data: Uint8Array): void;
  close(): void;
}

export interface HttpAnswer {
  status: number;
  body: Uint8Array;
}

export interface HttpExchange {
  /** Rejects when there was no answer. */
  answer: Promise<HttpAnswer>;
  abort(): void;
}

export interface EventHandlers {
  onData(data: string): void;
  /** Called once: the stream ended, or never began. */
  onClose(reason: string): void;
}

export interface Adapter {
  openSocket?(url: string, handlers: SocketHandlers): Socket;
  post?(url: string, headers: Record<string, string>, body: Uint8Array): HttpExchange;
  openEvents?(url: string, handlers: EventHandlers): { close(): void };
  /** Calls back when the environment learns that the network came or went. */
  onNetwork?(changed: (online: boolean) => void): () => void;
}
