/** Mini-programs: `wx.connectSocket` and `wx.request` (WeChat, and others with the same shape). */
import type { Adapter, HttpAnswer, HttpExchange, Socket, SocketHandlers } from "./adapter.js";

interface SocketTask {
  send(options: { data: ArrayBuffer; fail?: (error: { errMsg: string }) => void }): void;
  close(options: { code?: number; reason?: string }): void;
  onOpen(listener: () => void): void;
  onMessage(listener: (event: { data: string | ArrayBuffer }) => void): void;
  onClose(listener: (event: { code: number; reason: string }) => void): void;
  onError(listener: (event: { errMsg: string }) => void): void;
}

/** The part of a mini-program's `wx` that is used. */
export interface WxLike {
  connectSocket(options: { url: string; fail?: (error: { errMsg: string }) => void }): SocketTask;
  request?(options: {
    url: string;
    method: "POST";
    header: Record<string, string>;
    data: ArrayBuffer;
    responseType: "arraybuffer";
    success(answer: { statusCode: number; data: ArrayBuffer }): void;
    fail(error: { errMsg: string }): void;
  }): { abort(): void };
  onNetworkStatusChange?(listener: (status: { isConnected: boolean }) => void): void;
  offNetworkStatusChange?(listener: (status: { isConnected: boolean }) => void): void;
}

/** An adapter over a mini-program's `wx`: WebSocket, and Comet where it has `request`. */
export function wxAdapter(wx: WxLike): Adapter {
  const adapter: Adapter = { openSocket: (url, handlers) => openSocket(wx, url, handlers) };
  if (wx.request) adapter.post = (url, headers, body) => post(wx, url, headers, body);
  if (wx.onNetworkStatusChange) {
    adapter.onNetwork = (changed) => {
      const listener = (status: { isConnected: boolean }): void => changed(status.isConnected);
      wx.onNetworkStatusChange?.(listener);
      return () => wx.offNetworkStatusChange?.(listener);
    };
  }
  return adapter;
}

/** The bytes as a buffer of exactly their length, as `wx` wants them. */
function exact(data: Uint8Array): ArrayBuffer {
  return data.slice().buffer as ArrayBuffer;
}

function openSocket(wx: WxLike, url: string, handlers: SocketHandlers): Socket {
  let over = false;
  const end = (code: number, reason: string): void => {
    if (over) return; // devices report an error, a close, or both
    over = true;
    handlers.onClose(code, reason);
  };
  const task = wx.connectSocket({ url, fail: (error) => end(1006, error.errMsg) });
  task.onOpen(() => handlers.onOpen());
  task.onMessage((event) => {
    if (typeof event.data !== "string") handlers.onMessage(new Uint8Array(event.data));
  });
  task.onClose((event) => end(event.code, event.reason));
  task.onError((event) => end(1006, event.errMsg));
  return {
    send: (data) =>
      task.send({ data: exact(data), fail: (error) => end(1006, error.errMsg) }),
    close: () => task.close({ code: 1000 }),
  };
}

function post(
  wx: WxLike,
  url: string,
  header: Record<string, string>,
  body: Uint8Array,
): HttpExchange {
  let abort = (): void => undefined;
  const answer = new Promise<HttpAnswer>((resolve, reject) => {
    const task = wx.request?.({
      url,
      method: "POST",
      header,
      data: exact(body),
      responseType: "arraybuffer",
      success: ({ statusCode, data }) =>
        resolve({ status: statusCode, body: new Uint8Array(data) }),
      fail: (error) => reject(new Error(error.errMsg)),
    });
    abort = () => task?.abort();
  });
  return { answer, abort: () => abort() };
}
