import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeFrame, encodeFrame } from "../src/frame.js";

const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replace(/ /g, ""), "hex"));
const text = (body: string): Uint8Array => new TextEncoder().encode(body);

// Made by Mars' own packer.
const IDENTIFY = "00000014 000000c8 00000002 fffffffe 00000009 0a0774657374746f6b";
const PUSH = "00000014 000000c8 00002711 00000000 0000000e 0a0130120268691a05616c696365";

test("frames are what Mars makes of them", () => {
  assert.deepEqual(encodeFrame(2, 0xfffffffe, text("\n\x07testtok")), bytes(IDENTIFY));
});

test("frames are read back, from the middle of a buffer too", () => {
  const padded = new Uint8Array([1, 2, 3, ...bytes(PUSH)]).subarray(3);
  const frame = decodeFrame(padded);
  assert.equal(frame?.cmd, 10001);
  assert.equal(frame?.seq, 0);
  assert.deepEqual([...(frame?.body ?? [])], [...bytes(PUSH).subarray(20)]);
});

test("an extension of the head is passed over", () => {
  const frame = decodeFrame(bytes("00000018 000000c8 00000003 00000001 00000001 aabbccdd 07"));
  assert.deepEqual([...(frame?.body ?? [])], [7]);
});

test("what is no frame is none", () => {
  for (const hex of ["", "00", "00000013 000000c8 00000002 00000001 00000000"]) {
    assert.equal(decodeFrame(bytes(hex)), undefined);
  }
  assert.equal(decodeFrame(bytes(PUSH).subarray(0, 30)), undefined);
  assert.equal(decodeFrame(new Uint8Array([...bytes(PUSH), 0])), undefined);
});
