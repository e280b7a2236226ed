/**
 * Mars long-link framing: five unsigned 32-bit big-endian words (head_length, client_version,
 * cmdid, seq, body_length), an extension nobody uses, and the body. One WebSocket message holds
 * exactly one frame.
 */

const HEAD_BYTES = 20;
const CLIENT_VERSION = 200;

/** seq of downlinks; requests count from 1. */
export const PUSH_SEQ = 0;
export const REQUEST_SEQ_MAX = 0xffffffef;

export interface Frame {
  cmd: number;
  seq: number;
  body: Uint8Array;
}

/** The bytes of one frame. */
export function encodeFrame(cmd: number, seq: number, body: Uint8Array): Uint8Array {
  const data = new Uint8Array(HEAD_BYTES + body.length);
  const view = new DataView(data.buffer);
  [HEAD_BYTES, CLIENT_VERSION, cmd, seq, body.length].forEach((word, index) => {
    view.setUint32(4 * index, word);
  });
  data.set(body, HEAD_BYTES);
  return data;
}

/** Reads a message that is exactly one frame; undefined for anything else. */
export function decodeFrame(data: Uint8Array): Frame | undefined {
  if (data.length < HEAD_BYTES) return undefined;
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  const head = view.getUint32(0);
  if (head < HEAD_BYTES || head + view.getUint32(16) !== data.length) return undefined;
  return { cmd: view.getUint32(8), seq: view.getUint32(12), body: data.subarray(head) };
}
