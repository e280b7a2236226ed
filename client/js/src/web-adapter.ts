/** Browsers, and Node with a WebSocket of its choice. */
import type { Adapter, EventHandlers, HttpExchange, Socket, SocketHandlers } from "./adapter.js";

/** The part of the browser's WebSocket that is used; the npm package `ws` has it too. */
export interface WebSocketLike {
  binaryType: string;
  onopen: unknown;
  onmessage: unknown;
  onclose: unknown;
  onerror: unknown;
  send(data: Uint8Array): void;
  close(): void;
}

export interface WebParts {
  WebSocket?: new (url: string) => WebSocketLike;
  fetch?: typeof fetch;
  /** `null`: read event streams through `fetch`, as where there is no EventSource. */
  EventSource?: typeof EventSource | null;
}

/** An adapter from the environment's own parts, or the given ones. */
export function webAdapter(parts: WebParts = {}): Adapter {
  const scope = globalThis as unknown as WebParts;
  const WebSocketClass = parts.WebSocket ?? scope.WebSocket;
  const EventSourceClass =
    parts.EventSource === null ? undefined : (parts.EventSource ?? scope.EventSource);
  const fetchCall = parts.fetch ?? scope.fetch?.bind(globalThis);
  const adapter: Adapter = {};
  if (WebSocketClass) {
    adapter.openSocket = (url, handlers) => openSocket(WebSocketClass, url, handlers);
  }
  if (fetchCall) {
    adapter.post = (url, headers, body) => post(fetchCall, url, headers, body);
    adapter.openEvents = (url, handlers) =>
      EventSourceClass
        ? openEventSource(EventSourceClass, url, handlers)
        : readEvents(fetchCall, url, handlers);
  }
  if (typeof window === "object" && typeof window.addEventListener === "function") {
    adapter.onNetwork = watchNetwork;
  }
  return adapter;
}

function openSocket(
  Class: new (url: string) => WebSocketLike,
  url: string,
  handlers: SocketHandlers,
): Socket {
  const socket = new Class(url);
  socket.binaryType = "arraybuffer";
  socket.onopen = () => handlers.onOpen();
  socket.onmessage = (event: { data: unknown }) => {
    if (event.data instanceof ArrayBuffer) handlers.onMessage(new Uint8Array(event.data));
  };
  socket.onclose = (event: { code: number; reason: string }) =>
    handlers.onClose(event.code, event.reason);
  socket.onerror = () => undefined; // a close follows, and says all there is to say
  return { send: (data) => socket.send(data), close: () => socket.close() };
}

function post(
  fetchCall: typeof fetch,
  url: string,
  headers: Record<string, string>,
  body: Uint8Array,
): HttpExchange {
  const abort = new AbortController();
  const answer = fetchCall(url, {
    method: "POST",
    headers,
    body: body as Uint8Array<ArrayBuffer>,
    cache: "no-store",
    credentials: "omit",
    signal: abort.signal,
  }).then(async (response) => ({
    status: response.status,
    body: new Uint8Array(await response.arrayBuffer()),
  }));
  return { answer, abort: () => abort.abort() };
}

function openEventSource(
  Class: typeof EventSource,
  url: string,
  handlers: EventHandlers,
): { close(): void } {
  const source = new Class(url);
  source.onmessage = (event: MessageEvent<string>) => handlers.onData(event.data);
  source.onerror = () => {
    source.close(); // its own reconnect would come with a ticket that is used up
    handlers.onClose("the stream ended");
  };
  return { close: () => source.close() };
}

/** The HTML standard's parsing of event streams, as far as our server uses it: `data` lines. */
function readEvents(
  fetchCall: typeof fetch,
  url: string,
  handlers: EventHandlers,
): { close(): void } {
  const abort = new AbortController();
  const read = async (): Promise<void> => {
    const response = await fetchCall(url, { cache: "no-store", signal: abort.signal });
    if (!response.ok || !response.body) throw new Error(`status ${response.status}`);
    const reader = response.body.getReader();
    const decoder = new TextDecoder();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) throw new Error("the stream ended");
      const lines = (rest + decoder.decode(value, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) if (line.startsWith("data: ")) handlers.onData(line.slice(6));
    }
  };
  read().catch((error: unknown) => handlers.onClose(String(error)));
  return { close: () => abort.abort() };
}

function watchNetwork(changed: (online: boolean) => void): () => void {
  const came = (): void => changed(true);
  const went = (): void => changed(false);
  window.addEventListener("online", came);
  window.addEventListener("offline", went);
  return () => {
    window.removeEventListener("online", came);
    window.removeEventListener("offline", went);
  };
}
