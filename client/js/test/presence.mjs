// Whose presence is watched is told, whatever the transport.
import assert from "node:assert/strict";
import WebSocket from "ws";
import { Network } from "../conformance/network.mjs";
import { fields, load, next } from "./kit.mjs";

const { IMClient, webAdapter } = await load();
const { url, alice, bob } = fields;
const network = new Network();
const open = ({ user, token }, transport) => {
  const parts = { WebSocket: network.sockets(), fetch: network.fetch, EventSource: null };
  const adapter = { ...webAdapter(parts), onNetwork: network.onNetwork };
  const transports = [transport];
  return new IMClient({ user, token: () => token, url, adapter, transports, backoffMs: [50, 500] });
};
const told = (client, online) =>
  next(client, "presence", (event) => event.user === bob.user && event.online === online);
const watchers = ["websocket", "events", "comet"].map((transport) => open(alice, transport));

// Given somebody who is not there, and clients that asked for them before they were connected
const away = watchers.map((client) => told(client, false));
for (const client of watchers) {
  client.watch([bob.user]);
  client.start();
}
await Promise.all(away);

// When they come
const came = watchers.map((client) => told(client, true));
const device = new IMClient({
  user: bob.user,
  token: () => bob.token,
  url,
  adapter: webAdapter({ WebSocket }),
});
device.start();

// Then every client is told, and of when they were last there when they go
await Promise.all(came);
network.down = true;
network.down = false;
await Promise.all(watchers.map((client) => client.ready()));
const went = watchers.map((client) => told(client, false));
device.stop();
for (const { lastSeenMs } of await Promise.all(went)) {
  assert.ok(Math.abs(Date.now() - lastSeenMs) < 120_000, `${lastSeenMs}`);
}

// When nobody watches any more, nothing is told
let more = 0;
for (const client of watchers) {
  client.watch([]);
  client.on("presence", () => more++);
}
await watchers[0].check();
device.start();
await device.ready();
await watchers[0].check();
assert.equal(more, 0);

for (const client of [...watchers, device]) client.stop();
console.log("done");
setTimeout(() => process.exit(0), 50);
