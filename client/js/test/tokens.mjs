// Tokens that are refused, that end while connected, and that are taken back.
import assert from "node:assert/strict";
import WebSocket from "ws";
import { fields, load, next } from "./kit.mjs";

const { IMClient, webAdapter } = await load();
const { url, user, transport, nonsense, short, long } = fields;
const adapter = webAdapter({ WebSocket, EventSource: null });
const common = { user, url, adapter, transports: [transport], backoffMs: [50, 500] };

// Given tokens of which the first is nonsense and the second soon ends
const tokens = [nonsense, short, long];
const refused = [];
const client = new IMClient({
  ...common,
  device: "tokens",
  token(bad) {
    if (bad !== undefined && refused.at(-1) !== bad) {
      refused.push(bad);
      tokens.shift();
    }
    return tokens[0];
  },
});
client.start();
await client.ready();

// Then each is tried once, and the client is back with the next
assert.deepEqual(refused, [nonsense]);
await next(client, "state", ({ state }) => state === "offline");
await client.ready();
assert.deepEqual(refused, [nonsense, short]);

// When the device is logged out, it stays away
const away = next(client, "kicked");
for (let gone = false; !gone; ) {
  // Until its first poll with this token is known, another one is logged out, or none.
  await client.call("log_out", { device: "tokens" }).catch(() => undefined);
  gone = await Promise.race([away, new Promise((done) => setTimeout(done, 200))]);
}
assert.equal((await away).error.code, "TOKEN_REVOKED");
assert.equal(client.state, "closed");

// And whoever has only a refused token asks once and stays away
let asked = 0;
const hopeless = new IMClient({
  ...common,
  token() {
    asked++;
    return nonsense;
  },
});
hopeless.start();
await assert.rejects(hopeless.ready(), { code: "UNAUTHENTICATED" });
assert.equal(asked, 2);
assert.equal(hopeless.state, "closed");
console.log("done");
setTimeout(() => process.exit(0), 50);
