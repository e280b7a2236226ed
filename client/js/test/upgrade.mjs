// A WebSocket that cannot be had at first: the client is back on it when it can, and nothing is lost.
import assert from "node:assert/strict";
import WebSocket from "ws";
import { fields, load, next } from "./kit.mjs";

const { IMClient, person, textOf, webAdapter } = await load();
const { url, alice, bob } = fields;
let blocked = true;
let tries = 0;

class Blockable {
  constructor(to) {
    tries++;
    if (!blocked) return new WebSocket(to);
    setTimeout(() => this.onclose({ code: 1006, reason: "blocked" }));
  }

  close() {}
}

const open = ({ user, token }, parts, more) => {
  const adapter = webAdapter({ EventSource: null, ...parts });
  return new IMClient({ user, token: () => token, url, adapter, backoffMs: [50, 500], ...more });
};

// Given a client that got an event stream because its WebSocket failed
const states = [];
const client = open(alice, { WebSocket: Blockable }, { lookMs: [50, 200] });
client.on("state", ({ state, transport = "" }) => states.push(`${state} ${transport}`.trim()));
const other = open(bob, { WebSocket });
client.start();
other.start();
await Promise.all([client.ready(), other.ready()]);
assert.deepEqual(states, ["connecting", "online events"]);

// When looking for a better one is in vain, then it stays where it is
const before = tries;
while (tries < before + 3) await new Promise((done) => setTimeout(done, 10));
assert.deepEqual(states, ["connecting", "online events"]);

// When it would not be, then it moves there, without an outage, and with all that is said meanwhile
const texts = [];
other.on("message", ({ message, own }) => own || texts.push(textOf(message.content)));
const moved = next(client, "state", ({ state, transport }) => {
  return state === "online" && transport === "websocket";
});
blocked = false;
let count = 0;
for (let waiting = true; waiting; ) {
  client.send(person(bob.user), `number ${count++}`);
  waiting = await Promise.race([
    moved.then(() => false),
    new Promise((done) => setTimeout(() => done(true), 20)),
  ]);
}
client.send(person(bob.user), `number ${count++}`);
while (texts.length < count) await next(other, "message");
assert.deepEqual(texts, Array.from({ length: count }, (_, number) => `number ${number}`));
assert.deepEqual(states, ["connecting", "online events", "connecting", "online websocket"]);

// And looks no further
const after = tries;
await new Promise((done) => setTimeout(done, 500));
assert.equal(tries, after);

client.stop();
other.stop();
console.log("done");
setTimeout(() => process.exit(0), 50);
