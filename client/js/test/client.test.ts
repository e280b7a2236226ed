import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { create } from "@bufbuild/protobuf";
import { IMClient } from "../src/client.js";
import * as im from "../src/gen/im_pb.js";
import { person } from "../src/model.js";
import { id, Server, until } from "./server.js";

const BOB = person("bob");

/** Alice's client, connected, with the conversation on its screen. */
async function open(t: TestContext, server: Server): Promise<IMClient> {
  const client = new IMClient({ user: "alice", token: () => "t", url: "http://im", adapter: server.adapter });
  t.after(() => client.stop());
  client.start();
  await client.ready();
  await client.timeline(BOB).older();
  return client;
}

const shown = (client: IMClient): string[] => client.timeline(BOB).messages.map(({ id }) => id);

/** As if so much time had passed. */
function pass(t: TestContext, seconds: number): void {
  const now = Date.now;
  Date.now = () => now() + seconds * 1000;
  t.after(() => (Date.now = now));
}

test("a deletion takes what was there before it, and not what came with it", async (t) => {
  // Given a conversation on the screen
  const server = new Server();
  server.say(1);
  const client = await open(t, server);
  assert.deepEqual(shown(client), [id(1)]);

  // When one answer tells that it was deleted, and of a message that was said after that
  server.messages = [];
  server.unread = 1;
  const message = server.say(2);
  const conversations = create(im.ConversationsPushSchema, { peer: "bob" });
  const events = [{ body: { case: "conversations" as const, value: conversations } }];
  await server.poll({ messages: [message], since: 2n, events });

  // Then that one is shown, and counted
  await until(() => shown(client)[0] === id(2));
  assert.deepEqual(shown(client), [id(2)]);
  await until(() => client.contacts.get(BOB)?.unread === 1);
  assert.equal(client.contacts.get(BOB)?.last?.id, id(2));
});

test("what was deleted or read between two polls is found out soon", async (t) => {
  // Given a conversation on the screen, with something unread
  const server = new Server();
  server.unread = 1;
  server.say(1);
  const client = await open(t, server);
  assert.equal(client.contacts.get(BOB)?.unread, 1);

  // When it is read elsewhere and no poll says so, then it counts as read after some polls
  server.unread = 0;
  pass(t, 25);
  await server.poll({ since: 1n });
  await until(() => client.contacts.get(BOB)?.unread === 0);

  // And polls that end soon do not ask each time
  const before = server.count("contacts");
  await server.poll({ since: 1n });
  await server.poll({ since: 1n });
  assert.equal(server.count("contacts"), before);

  // When it is deleted and goes on between two polls, then it is shown as it goes on
  server.messages = [];
  const message = server.say(2);
  await server.poll({ messages: [message], since: 2n });
  assert.deepEqual(shown(client), [id(1), id(2)]);
  pass(t, 25);
  await server.poll({ since: 2n });
  await until(() => shown(client)[0] === id(2));
  assert.deepEqual(shown(client), [id(2)]);
});

test("a list that is refused is asked for again when the server says", async (t) => {
  // Given a server that refuses the contact list, and says for how long
  const server = new Server();
  const error = { code: 1, name: "BUSY", retryable: true, retryAfterMs: 777_000 };
  server.refusals.set("contacts", [error]);
  const waits: number[] = [];
  const real = globalThis.setTimeout;
  globalThis.setTimeout = ((act: () => void, ms = 0) => {
    waits.push(ms);
    return real(act, ms > 700_000 ? 0 : ms);
  }) as never;
  t.after(() => (globalThis.setTimeout = real));

  // When somebody connects, then the list is asked for again after that time
  await open(t, server);
  assert.equal(server.count("contacts"), 2);
  assert.ok(waits.includes(777_000));
});

/** Waits of more than ten minutes end when this is called, with how many there were. */
function holdWaits(t: TestContext): () => number {
  let held: (() => void)[] = [];
  const real = globalThis.setTimeout;
  globalThis.setTimeout = ((act: () => void, ms = 0) => {
    if (ms < 600_000) return real(act, ms);
    held.push(act);
    return undefined;
  }) as never;
  t.after(() => (globalThis.setTimeout = real));
  return () => {
    const ended = held;
    held = [];
    for (const end of ended) end();
    return ended.length;
  };
}
const BUSY = { code: 1, name: "BUSY", retryable: true, retryAfterMs: 777_000 };

test("however often a refused list is told to have changed, it is asked for once", async (t) => {
  // Given a client that is connected to a server that begins to refuse the list
  const server = new Server();
  const client = await open(t, server);
  const before = server.count("contacts");
  const endWaits = holdWaits(t);
  server.refusals.set("contacts", [BUSY, BUSY]);

  // When it is told again and again that something changed, then it asked and waits once
  const value = create(im.ConversationsPushSchema, { changed: true });
  const events = [{ body: { case: "conversations" as const, value } }];
  for (let times = 0; times < 5; times++) await server.poll({ events });
  assert.equal(server.count("contacts"), before + 1);
  assert.equal(endWaits(), 1);
  await until(() => server.count("contacts") === before + 2);

  // When the server answers again, then the list is what it is now
  server.unread = 3;
  server.say(1);
  await until(() => endWaits() === 1);
  await until(() => client.contacts.get(BOB)?.unread === 3);
  assert.equal(server.count("contacts"), before + 3);
});

test("what one link was refused, the next one asks for at once", { timeout: 20_000 }, async (t) => {
  // Given a client whose lists were refused for long
  const server = new Server();
  const client = await open(t, server);
  const endWaits = holdWaits(t);
  server.refusals.set("contacts", [BUSY]);
  server.refusals.set("group_sync", [BUSY]);
  const lists = server.count("contacts");
  const syncs = server.count("group_sync");
  await server.poll({ events: [{ body: { case: "resync", value: {} } }] });
  await until(() => server.count("contacts") > lists && server.count("group_sync") > syncs);

  // When it connects anew, then it does not wait for that
  server.network(false);
  await until(() => client.state === "offline");
  server.network(true);
  await client.ready();
  assert.equal(server.count("contacts"), lists + 2);
  await until(() => server.count("group_sync") === syncs + 2);
  endWaits();
});

test("a ping that is refused for now hangs nothing up; a refused token does", async (t) => {
  // Given a client that is connected
  const server = new Server();
  const client = await open(t, server);

  // When its ping is refused because the server is busy, then it stays connected
  server.refusals.set("ping", [{ code: 1, name: "BUSY", retryable: true }]);
  await client.check();
  assert.equal(client.state, "online");

  // When it is because of its token, then it does not
  server.refusals.set("ping", [{ code: 2, name: "UNAUTHENTICATED" }]);
  await client.check();
  await until(() => client.state !== "online");
});
