// Plays one device for the conformance scenarios: requests as JSON lines on stdin, answers and
// events as JSON lines on stdout. Nothing is kept on disk: `store` is ignored.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { fromJson, toJson } from "@bufbuild/protobuf";
import { ensureBuilt } from "../scripts/build.mjs";
import { Network } from "./network.mjs";

const im = await import(await ensureBuilt());
const TRANSPORTS = process.env.IM_DRIVER_TRANSPORTS; // those to try, where not all
const network = new Network();
let client;
let keys = new Map(); // of a send: what became of it

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const place = ({ type, id }) => (type === "group" ? { group: id } : { peer: id });
const conversationOf = ({ peer, to, group }) => (group ? im.group(group) : im.person(peer ?? to));

function shown(message) {
  return {
    id: message.id,
    from: message.sender,
    text: im.textOf(message.content),
    recalled: im.isRecalled(message),
  };
}

function outcome(key) {
  if (!keys.has(key)) {
    let settle;
    const promise = new Promise((resolve) => (settle = resolve));
    keys.set(key, { promise, settle });
  }
  return keys.get(key);
}

function within(promise, seconds, what) {
  let timer;
  const late = new Promise((_, reject) => {
    const error = new im.IMError("TIMEOUT", `${what} took longer than ${seconds} s`, true);
    timer = setTimeout(() => reject(error), 1000 * seconds);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

function report() {
  client.on("message", ({ conversation, message, recalled, own }) =>
    say({
      event: "message",
      conversation,
      ...shown(message),
      recalled,
      version: Number(message.version),
      own,
    }),
  );
  client.on("acked", ({ key, id }) => {
    say({ event: "acked", key, message_id: id });
    outcome(key).settle({ id });
  });
  client.on("failed", ({ key, error }) => {
    say({ event: "failed", key, error: error.code });
    outcome(key).settle({ error });
  });
  client.on("read", ({ conversation, reader, id, unread }) =>
    say({ event: "read", ...place(conversation), reader, message_id: id, unread }),
  );
  client.on("typing", ({ user, stopped }) => {
    if (!stopped) say({ event: "typing", peer: user });
  });
  client.on("contacts", () => say({ event: "contacts" }));
  client.on("groups", (change) => {
    if (!change.requests) say({ event: "groups", ...change });
  });
  client.on("state", ({ state, transport = "" }) => say({ event: "state", state, transport }));
  client.on("kicked", ({ error }) => say({ event: "kicked", error: error.code }));
}

function bodyOf(command, body) {
  return fromJson(im.COMMANDS[command].request, body, { ignoreUnknownFields: true });
}

async function ask(command, body) {
  if (!(command in im.COMMANDS)) throw new im.IMError("CLIENT", `no command ${command}`, false);
  const answer = await client.call(command, bodyOf(command, body));
  return toJson(im.COMMANDS[command].answer, answer, { useProtoFieldName: true });
}

const OPS = {
  open({ user, token, device, platform, endpoints, ca, clock_offset_s = 0, backoff_s }) {
    client?.stop();
    keys = new Map();
    const parts = {
      WebSocket: network.sockets(ca ? readFileSync(ca) : undefined),
      fetch: network.fetch,
      EventSource: null,
    };
    client = new im.IMClient({
      user,
      token: () => token,
      device,
      platform,
      endpoints,
      adapter: { ...im.webAdapter(parts), onNetwork: network.onNetwork },
      ...(TRANSPORTS && { transports: TRANSPORTS.split(",") }),
      timeoutMs: 6000,
      now: () => Date.now() + 1000 * clock_offset_s,
      ...(backoff_s && { backoffMs: backoff_s.map((seconds) => 1000 * seconds) }),
    });
    report();
    client.start();
  },
  async wait_ready({ timeout_s }) {
    await within(client.ready(), timeout_s, "getting ready");
  },
  send({ key, text, mentions = [], reply_to = "", ...to }) {
    const body = { case: "text", value: { text } };
    client.send(conversationOf(to), { body, mentions, replyTo: reply_to }, { key });
  },
  async wait_acked({ key, timeout_s }) {
    const { id, error } = await within(outcome(key).promise, timeout_s, `sending ${key}`);
    if (error) throw error;
    return { message_id: id };
  },
  async recall({ message_id }) {
    await client.recall(message_id);
  },
  async read({ message_id, ...where }) {
    return { unread: await client.read(conversationOf(where), message_id) };
  },
  async messages({ limit = 100, ...where }) {
    const timeline = client.timeline(conversationOf(where));
    while (timeline.messages.length < limit && timeline.hasMore) await timeline.older(limit);
    return {
      messages: timeline.messages
        .slice(-limit)
        .map((message) => ({ ...shown(message), time_ms: Number(message.sendTime) })),
    };
  },
  async contacts() {
    await client.contacts.refresh();
    return {
      contacts: client.contacts.list.map(({ conversation, unread, mentions, last }) => ({
        ...conversation,
        unread,
        mentions,
        last_text: im.textOf(last?.content),
        last_id: last?.id ?? "",
      })),
    };
  },
  async group({ action, id: _id, op: _op, ...fields }) {
    if (action === "create") fields.sequence ??= im.randomId();
    const body = await ask(`group_${action}`, fields);
    return { group: body.group?.group ?? fields.group, body };
  },
  async call({ command, body = {} }) {
    return { body: await ask(command, body) };
  },
  drop_link() {
    network.drop();
  },
  offline() {
    network.down = true;
  },
  online() {
    network.down = false;
  },
  close() {
    client?.stop();
  },
};

async function answer(line) {
  const request = JSON.parse(line);
  try {
    const op = OPS[request.op];
    if (!op) throw new im.IMError("CLIENT", `no operation ${request.op}`, false);
    say({ id: request.id, ok: true, ...(await op(request)) });
  } catch (error) {
    const { code = "CLIENT", retryable = false, message = String(error) } = error;
    say({ id: request.id, ok: false, error: String(code), retryable, message });
  }
}

const lines = createInterface({ input: process.stdin });
lines.on("line", (line) => void answer(line));
lines.on("close", () => {
  client?.stop();
  setTimeout(() => process.exit(0), 50); // the close is on its way
});
