import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import type { Call } from "../src/commands.js";
import type { ContactList } from "../src/contacts.js";
import { IMError } from "../src/errors.js";
import * as im from "../src/gen/im_pb.js";
import { type Conversation, person } from "../src/model.js";
import { Timelines } from "../src/timelines.js";
import { id, until } from "./server.js";

const BOB = person("bob");
const CAROL = person("carol");

/** Two conversations of a message each, and what is asked of them. */
class Scene {
  changes = 0;
  asked: string[] = [];
  answers = (_peer: string): Promise<im.Message[]> => Promise.resolve([]);
  readonly timelines = new Timelines(
    (async (_: string, { peer }: { peer: string }) => {
      this.asked.push(peer);
      return create(im.HistoryResponseSchema, { messages: await this.answers(peer) });
    }) as unknown as Call,
    () => this.changes++,
  );

  constructor() {
    for (const conversation of [BOB, CAROL]) {
      this.timelines.of(conversation);
      this.timelines.take(conversation, create(im.MessageSchema, { id: id(1) }));
    }
  }

  shown(conversation: Conversation): number {
    return this.timelines.of(conversation).messages.length;
  }
}

test("a deletion that is told of while others are looked for is not overlooked", async () => {
  // Given a list that vouches for one conversation, while the other one is asked about
  const scene = new Scene();
  const { timelines } = scene;
  let answer = (): void => undefined;
  const held = new Promise<im.Message[]>((resolve) => (answer = () => resolve([])));
  scene.answers = () => Promise.resolve([create(im.MessageSchema, { id: id(1) })]);
  timelines.doubt();
  await timelines.recheck(); // both are as they were
  timelines.doubt();
  const lastOf = ({ id: user }: Conversation) => ({ last: { id: id(user === "carol" ? 1 : 2) } });
  timelines.vouch({ get: lastOf } as unknown as ContactList);
  scene.answers = () => held;
  scene.asked = [];
  const done = timelines.recheck();
  await until(() => scene.asked.includes("bob"));

  // When it is told that the first one is deleted now
  timelines.deleted(create(im.ConversationsPushSchema, { peer: "carol" }));
  answer();
  await done;

  // Then neither is shown any more
  assert.deepEqual([scene.shown(BOB), scene.shown(CAROL)], [0, 0]);
});

test("what was left out is told, though another conversation is refused", async () => {
  // Given two conversations that were deleted
  const scene = new Scene();
  scene.timelines.deleted(create(im.ConversationsPushSchema, { all: true }));
  const busy = new IMError("BUSY", "", true);
  scene.answers = (peer) => (peer === "carol" ? Promise.reject(busy) : Promise.resolve([]));

  // When only one of them can be asked about, then that one is told of
  await assert.rejects(scene.timelines.recheck());
  assert.deepEqual([scene.shown(BOB), scene.shown(CAROL), scene.changes], [0, 1, 1]);

  // When the other one can be, too, then that one is as well
  scene.answers = () => Promise.resolve([]);
  await scene.timelines.recheck();
  assert.deepEqual([scene.shown(CAROL), scene.changes], [0, 2]);
});
