import assert from "node:assert/strict";
import { test } from "node:test";
import { create, fromBinary, toBinary, toJson } from "@bufbuild/protobuf";
import { Backoff } from "../src/backoff.js";
import { endpointsOf, readEndpoints, urlsOf } from "../src/endpoints.js";
import * as im from "../src/gen/im_pb.js";
import { groupsVersion } from "../src/groupsversion.js";
import { readJSON } from "../src/json.js";
import { decodeUtf8, encodeUtf8 } from "../src/utf8.js";

// Computed by proto/groupsversion.py.
const SUMS: [Record<string, bigint>, bigint][] = [
  [{  }, 0n],
  [{ "g1": 1n }, 985395110n],
  [{ "g1": 1n, "g2": 9223372036854775808n }, 9223372040586571205n],
  [{ "群组-é🙂": 12345678901234567890n, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx": 18446744073709551615n }, 12345678903826219842n],
];

test("the sum of all groups is the server's, beyond 2^53 and 2^64 too", () => {
  for (const [cursors, sum] of SUMS) assert.equal(groupsVersion(Object.entries(cursors)), sum);
});

test("64-bit numbers survive protobuf and JSON", () => {
  for (const version of [0n, 2n ** 53n + 1n, 2n ** 64n - 1n]) {
    const message = create(im.MessageSchema, { version, sendTime: 9007199254740993n });
    const again = fromBinary(im.MessageSchema, toBinary(im.MessageSchema, message));
    assert.equal(again.version, version);
    const json = toJson(im.MessageSchema, message, { useProtoFieldName: true });
    const read = readJSON(im.MessageSchema, json as Record<string, unknown>);
    assert.equal(read.version, version);
    assert.equal(read.sendTime, 9007199254740993n);
  }
});

test("JSON is read as the library reads it: oneofs, enums, bytes, lists, optionals", () => {
  const contents: Parameters<typeof create<typeof im.ContentSchema>>[1][] = [
    { body: { case: "text", value: { text: "héllo 三 🙂" } }, mentions: ["a", "b"] },
    { body: { case: "custom", value: { type: "t", data: Uint8Array.of(0, 255, 7) } } },
    { body: { case: "location", value: { latitude: -1.5, longitude: 0 } } },
    {
      body: {
        case: "system",
        value: { kind: im.SystemKind.EDITED, name: "", muteAll: false, role: im.GroupRole.OWNER },
      },
    },
  ];
  for (const init of contents) {
    const content = create(im.ContentSchema, init);
    const push = create(im.MessagesPushSchema, {
      previous: 5n,
      messages: [{ id: "1", content, type: im.ConversationType.GROUP }, { id: "2" }],
    });
    const json = toJson(im.MessagesPushSchema, push, { useProtoFieldName: true });
    const read = readJSON(im.MessagesPushSchema, JSON.parse(JSON.stringify(json)));
    assert.deepEqual(toBinary(im.MessagesPushSchema, read), toBinary(im.MessagesPushSchema, push));
  }
});

test("what a later server says is passed over", () => {
  const read = readJSON(im.ReadPushSchema, { reader: "a", type: "CHANNEL", later: { x: 1 } });
  assert.equal(read.reader, "a");
  assert.equal(read.type, im.ConversationType.PERSON);
});

test("UTF-8 by hand is UTF-8", () => {
  for (const text of ["", "plain", "é ß", "三國", "🙂👩‍👩‍👧", "\u0000\u007f\u0080\u07ff\u0800\uffff"]) {
    assert.deepEqual([...encodeUtf8(text)], [...new TextEncoder().encode(text)]);
    assert.equal(decodeUtf8(new TextEncoder().encode(text)), text);
  }
  assert.deepEqual([...encodeUtf8("a\ud800b")], [...new TextEncoder().encode("a\ufffdb")]);
});

test("delays grow, are spread, and stop growing", () => {
  const backoff = new Backoff(1000, 8000);
  const seen = Array.from({ length: 8 }, () => backoff.next());
  [1000, 2000, 4000, 8000, 8000, 8000, 8000, 8000].forEach((most, index) => {
    assert.ok(seen[index]! >= most / 2 && seen[index]! <= most, `${index}: ${seen[index]}`);
  });
  backoff.reset();
  assert.ok(backoff.next() <= 1000);
});

test("URLs name transports", () => {
  const adapter = { openSocket: () => assert.fail(), post: () => assert.fail() };
  const all = ["websocket", "events", "comet"] as const;
  const urls = ["tcp://h:8002", ...endpointsOf("https://im.example/")];
  assert.deepEqual(readEndpoints(urls, adapter, all), [
    { transport: "websocket", url: "wss://im.example/ws" },
    { transport: "comet", url: "https://im.example" }, // it has no event streams
  ]);
  const address = (scheme: string, host: string, port: number): im.Address =>
    create(im.AddressSchema, { scheme, host, port });
  assert.deepEqual(
    urlsOf(
      [address("tcp", "", 1), address("wss", "", 443), address("https", "b.example", 8443)],
      "wss://im.example/ws",
    ),
    ["wss://im.example:443/ws", "https://b.example:8443"],
  );
});
