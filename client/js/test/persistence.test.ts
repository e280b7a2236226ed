import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import type { Adapter } from "../src/adapter.js";
import type { Call } from "../src/commands.js";
import { Candidates, type Endpoint } from "../src/endpoints.js";
import { IMError } from "../src/errors.js";
import * as im from "../src/gen/im_pb.js";
import { groupsVersion } from "../src/groupsversion.js";
import { person } from "../src/model.js";
import { Sync } from "../src/sync.js";
import { Timeline } from "../src/timeline.js";
import { Upgrade } from "../src/upgrade.js";

test("a socket that cannot even be made ends no looks for a better endpoint", async () => {
  // Given an endpoint that failed, and an adapter that throws when a socket is to be made
  const endpoints: Endpoint[] = [
    { transport: "websocket", url: "ws://better" },
    { transport: "comet", url: "http://worse" },
  ];
  const candidates = new Candidates(endpoints);
  candidates.answered([endpoints[0]!]);
  let looks = 0;
  let moved = false;
  const adapter: Adapter = {
    openSocket: (_url, handlers) => {
      if (++looks < 3) throw new Error("not to such an address");
      setTimeout(() => handlers.onOpen());
      return { send: () => undefined, close: () => undefined };
    },
  };
  const upgrade = new Upgrade({
    adapter,
    candidates,
    timeoutMs: 1000,
    lookMs: [1, 2],
    isIdle: () => true,
    move: () => (moved = true),
  });

  // When the worse one is in use, then looks go on until one succeeds
  upgrade.begin(endpoints[1]!);
  while (!moved) await new Promise((done) => setTimeout(done, 5));
  upgrade.end();
  assert.equal(looks, 3);
});

test("a group that was left while groups are read is passed over", async () => {
  // Given two groups that are not listed, one of which is not found any more
  const asked: string[] = [];
  const call = ((name: string, request: { group?: string; cursors?: { group: string }[] }) => {
    asked.push(name);
    if (name === "groups") return Promise.resolve(create(im.GroupsResponseSchema));
    if (name === "group_sync") {
      const joined = request.cursors!.length ? [] : ["left", "kept"];
      return Promise.resolve(create(im.GroupSyncResponseSchema, { joined }));
    }
    if (request.group === "left") return Promise.reject(new IMError("NOT_FOUND", "", false));
    const group = { group: "kept", version: 7n };
    return Promise.resolve(create(im.GroupResponseSchema, { group }));
  }) as unknown as Call;
  const ignore = (): void => undefined;
  const sync = new Sync({ call, linkId: () => 1, message: ignore, groups: ignore });

  // When groups are read for the first time, then the other one is known, and nothing read again
  await sync.begin(0n, 1n);
  assert.equal(sync.groupsVersion(), groupsVersion([["kept", 7n]]));
  assert.deepEqual(asked, ["groups", "group_sync", "group_info", "group_info", "group_sync"]);
});

test("the messages of a timeline are sorted when they changed, and only then", () => {
  const timeline = new Timeline(person("bob"), (() => Promise.reject()) as unknown as Call);
  const message = (id: string, withdrawTime = 0n): im.Message =>
    create(im.MessageSchema, { id, withdrawTime });
  timeline.take(message("2"));
  timeline.take(message("1"));
  const { messages } = timeline;
  assert.deepEqual(messages.map(({ id }) => id), ["1", "2"]);
  assert.equal(timeline.take(message("1")), false);
  assert.equal(timeline.messages, messages);
  timeline.take(message("1", 5n));
  assert.equal(timeline.messages[0]?.withdrawTime, 5n);
});
