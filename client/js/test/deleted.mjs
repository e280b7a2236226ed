// Conversations deleted on another device while this one was away.
import assert from "node:assert/strict";
import WebSocket from "ws";
import { Network } from "../conformance/network.mjs";
import { fields, load, next } from "./kit.mjs";

const { group, IMClient, person, randomId, textOf, webAdapter } = await load();
const { url, alice, bob, transport } = fields;
const network = new Network();

const open = ({ user, token }, adapter, more) => {
  const options = { user, token: () => token, url, adapter, backoffMs: [50, 500], ...more };
  const client = new IMClient(options);
  client.start();
  return client;
};
const parts = { WebSocket: network.sockets(), fetch: network.fetch, EventSource: null };
const cuttable = { ...webAdapter(parts), onNetwork: network.onNetwork };
const away = open(bob, cuttable, { transports: [transport] });
const elsewhere = open(bob, webAdapter({ WebSocket }));
const other = open(alice, webAdapter({ WebSocket }));
await Promise.all([away.ready(), elsewhere.ready(), other.ready()]);
const { group: made } = await other.call("group_create", {
  sequence: randomId(),
  name: "a group",
  users: [bob.user],
});
const PEER = person(alice.user);
const GROUP = group(made.group);

/** Alice says these; until his other device has them, and so a deletion there is of them, too. */
async function say(conversation, texts) {
  for (const text of texts) {
    const came = next(elsewhere, "message", ({ message }) => textOf(message.content) === text);
    other.send(conversation, text);
    await came;
  }
}
const numbers = (from, to) => Array.from({ length: to - from }, (_, index) => `${from + index}`);
const shown = (conversation) =>
  away
    .timeline(conversation)
    .messages.map(({ content }) => textOf(content))
    .filter(Boolean);
async function until(condition) {
  while (!condition()) await new Promise((done) => setTimeout(done, 10));
}
async function whileAway(act) {
  network.down = true;
  await act();
  network.down = false;
  await away.ready();
}
const forget = ({ type, id: peer }) =>
  elsewhere.call("delete_conversation", { type: type === "group" ? 1 : 0, peer });

for (const [conversation, mine] of [
  [PEER, person(bob.user)],
  [GROUP, GROUP],
]) {
  // Given a conversation of more than a page, looked at to its beginning
  await say(mine, numbers(0, 45));
  await away.timeline(conversation).older();
  while (away.timeline(conversation).hasMore) await away.timeline(conversation).older();
  await until(() => shown(conversation).length === 45);

  // When things are said while it is away, then what was read stays
  await whileAway(() => say(mine, ["45"]));
  await until(() => shown(conversation).length === 46);
  assert.deepEqual(shown(conversation), numbers(0, 46));

  // When it is deleted elsewhere meanwhile and goes on, then it shows what it goes on with
  await whileAway(async () => {
    await say(mine, ["deleted, too"]);
    await forget(conversation);
    await say(mine, ["new"]);
  });
  await until(() => shown(conversation)[0] === "new");
  assert.deepEqual(shown(conversation), ["new"]);
  assert.equal(away.contacts.get(conversation).last.content.body.value.text, "new");

  // When it goes on by more than a page, then a page of that, and the rest on demand
  await whileAway(async () => {
    await forget(conversation);
    await say(mine, numbers(0, 45));
  });
  await until(() => shown(conversation)[0] !== "new" && shown(conversation).includes("44"));
  while (away.timeline(conversation).hasMore) await away.timeline(conversation).older();
  assert.deepEqual(shown(conversation), numbers(0, 45));

  // When it is deleted and nothing follows, then it is empty
  await whileAway(() => forget(conversation));
  await until(() => !shown(conversation).length);
  assert.equal(away.contacts.get(conversation), undefined);
  await say(mine, ["again"]);
  await until(() => shown(conversation).length);
  assert.deepEqual(shown(conversation), ["again"]);
}

for (const client of [away, elsewhere, other]) client.stop();
console.log("done");
setTimeout(() => process.exit(0), 50);
