// A mini-program: `wx` is a stand-in of its API over a real WebSocket and real HTTP, the platform is
// the real one. As on devices, there is no TextEncoder, no crypto, no WebSocket and no fetch.
import assert from "node:assert/strict";
import http from "node:http";
import WebSocket from "ws";
import { fields, load, next } from "./kit.mjs";

const sockets = new Set();
const statusListeners = new Set();

const wx = {
  connectSocket({ url, fail }) {
    const socket = new WebSocket(url);
    socket.binaryType = "arraybuffer";
    sockets.add(socket);
    const task = {
      send: ({ data, fail: failed }) => {
        assert.ok(data instanceof ArrayBuffer, "wx takes nothing else");
        if (socket.readyState === WebSocket.OPEN) socket.send(data);
        else failed?.({ errMsg: "sendSocketMessage:fail not connected" });
      },
      close: ({ code }) => socket.close(code),
      onOpen: (listener) => socket.on("open", () => listener({ header: {} })),
      onMessage: (listener) => socket.on("message", (data) => listener({ data })),
      onClose: (listener) => socket.on("close", (code) => listener({ code, reason: "" })),
      onError: (listener) => socket.on("error", () => listener({ errMsg: "connect fail" })),
    };
    socket.on("error", () => fail?.({ errMsg: "connectSocket:fail" }));
    return task;
  },
  request({ url, method, header, data, responseType, success, fail }) {
    assert.equal(responseType, "arraybuffer");
    assert.ok(data instanceof ArrayBuffer);
    const failed = (error) => fail({ errMsg: `request:fail ${error}` });
    const call = http.request(url, { method, headers: header }, (answer) => {
      const parts = [];
      answer.on("data", (part) => parts.push(part));
      answer.on("error", failed);
      answer.on("end", () => {
        const body = Uint8Array.from(Buffer.concat(parts)).buffer;
        success({ statusCode: answer.statusCode, data: body });
      });
    });
    call.on("error", failed);
    call.end(Buffer.from(data));
    return { abort: () => call.destroy() };
  },
  onNetworkStatusChange: (listener) => statusListeners.add(listener),
  offNetworkStatusChange: (listener) => statusListeners.delete(listener),
};
const status = (isConnected) => {
  for (const listener of statusListeners) listener({ isConnected, networkType: "wifi" });
};

for (const name of ["TextEncoder", "TextDecoder", "WebSocket", "fetch", "crypto", "EventSource"]) {
  delete globalThis[name];
}
const { IMClient, person, textOf, wxAdapter } = await load();
assert.equal(typeof globalThis.TextEncoder, "undefined");

const { url, alice, bob } = fields;
const open = ({ user, token }, transports, backoffMs = [50, 500]) => {
  const adapter = wxAdapter(wx);
  return new IMClient({ user, token: () => token, url, adapter, transports, backoffMs });
};
const mini = open(alice, undefined);
const comet = open(bob, ["comet"]);
mini.start();
comet.start();
await Promise.all([mini.ready(), comet.ready()]);

// Both ways, in texts of every width.
const text = "hé 三國 🙂 \u07ff\u0800\uffff";
mini.send(person(bob.user), text);
assert.equal(textOf((await next(comet, "message")).message.content), text);
comet.send(person(alice.user), `${text}!`);
const { message } = await next(mini, "message", ({ own }) => !own);
assert.equal(textOf(message.content), `${text}!`);

// Cut while something is on its way: it arrives, once.
const got = [];
comet.on("message", ({ message: one, own }) => own || got.push(textOf(one.content)));
for (const socket of sockets) socket.terminate();
mini.send(person(bob.user), "after the cut");
mini.send(person(bob.user), "and another");
await next(comet, "message", ({ message: one }) => textOf(one.content) === "and another");
await mini.ready();
assert.deepEqual(got, ["after the cut", "and another"]);
assert.deepEqual(mini.pending, []);

// The device says that the network went: told at once, and nothing is tried by itself for an hour.
mini.stop();
assert.equal(statusListeners.size, 1, "who has stopped does not listen");
const patient = open(alice, undefined, [7_200_000, 7_200_000]);
patient.start();
await patient.ready();
const gone = next(patient, "state");
status(false);
assert.equal((await gone).state, "offline");
assert.ok((await gone).retryMs >= 3_600_000);

// When it says that the network is back, so is the client
const back = next(patient, "state", ({ state }) => state === "online");
status(true);
assert.equal((await back).transport, "websocket");

patient.stop();
comet.stop();
assert.equal(statusListeners.size, 0);
console.log("done");
setTimeout(() => process.exit(0), 50);
