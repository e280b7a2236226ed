// News of the network that come while a connection is being dialled are not lost.
import assert from "node:assert/strict";
import WebSocket from "ws";
import { fields, load, next } from "./kit.mjs";

const { IMClient, webAdapter } = await load();
const { url, alice } = fields;
const silent = []; // sockets nobody answers
let answers = 0;
const network = new Set();

class Dead {
  constructor(to) {
    if (answers-- > 0) return new WebSocket(to);
    silent.push(this);
  }

  close() {
    this.closed = true;
  }
}

const adapter = {
  ...webAdapter({ WebSocket: Dead }),
  onNetwork(listener) {
    network.add(listener);
    return () => network.delete(listener);
  },
};
const open = () => {
  const token = () => alice.token;
  const forever = 3_600_000; // what is waited for here never comes
  return new IMClient({
    user: alice.user,
    token,
    url,
    adapter,
    transports: ["websocket"],
    timeoutMs: forever,
    backoffMs: [forever, forever],
  });
};
const came = () => network.forEach((listener) => listener(true));
const lost = async (client) => {
  const told = next(client, "state", ({ state }) => state === "offline");
  network.forEach((listener) => listener(false));
  await told;
};
const dialling = async () => {
  while (!silent.length) await new Promise((done) => setTimeout(done, 5));
  return silent.pop();
};

// Given a client that dials into the void
const first = open();
first.start();
const abandoned = await dialling();

// When the network comes, then it dials anew; and what was given up is not used if it answers late
answers = 1;
came();
await first.ready();
abandoned.onopen?.();
assert.equal(first.state, "online");

// When the network goes, it is told at once, and again when it comes
await lost(first);
answers = 1;
came();
await first.ready();
first.stop();
assert.equal(network.size, 0);

// Given another one that dials into the void
const second = open();
second.start();
const socket = await dialling();

// When it is asked to check, then it dials again as soon as that has failed
await second.check();
answers = 1;
socket.onclose({ code: 1006, reason: "nobody" });
await second.ready();

// When somebody stops it while it dials, it is over at once
answers = 0;
await lost(second);
came();
await dialling();
const ended = next(second, "state", ({ state }) => state === "closed");
second.stop();
await ended;
console.log("done");
setTimeout(() => process.exit(0), 50);
