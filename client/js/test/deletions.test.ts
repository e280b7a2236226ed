import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import type { Adapter, HttpAnswer } from "../src/adapter.js";
import { IMClient } from "../src/client.js";
import { COMMANDS, type CommandName } from "../src/commands.js";
import * as im from "../src/gen/im_pb.js";
import { person } from "../src/model.js";

type Poll = MessageInitShape<typeof im.CometResponseSchema>;

const id = (number: number): string => number.toString(16).padStart(32, "0");
const BOB = person("bob");

/** What a server that is only reached by POST says: one mailbox, and polls that are told what to answer. */
class Server {
  messages: im.Message[] = [];
  unread = 0;
  asked: string[] = [];
  private answerPoll: ((poll: Poll) => void) | undefined;

  readonly adapter: Adapter = {
    post: (url, _headers, body) => {
      let abort = (): void => undefined;
      const aborted = new Promise<never>((_, reject) => (abort = () => reject(new Error("aborted"))));
      const answer = Promise.race([this.answer(new URL(url).pathname, body), aborted]);
      return { answer, abort: () => abort() };
    },
  };

  say(number: number): im.Message {
    const version = BigInt(number);
    const message = create(im.MessageSchema, { id: id(number), sender: "bob", receiver: "alice", version });
    this.messages.push(message);
    return message;
  }

  /** Answers the poll that waits, and waits for the next one. */
  async poll(poll: Poll): Promise<void> {
    await until(() => this.answerPoll !== undefined);
    const { answerPoll } = this;
    this.answerPoll = undefined;
    answerPoll!(poll);
    await until(() => this.answerPoll !== undefined);
  }

  private async answer(path: string, body: Uint8Array): Promise<HttpAnswer> {
    const name = path.replace("/im/", "");
    this.asked.push(name);
    if (path === "/comet") {
      const poll = await new Promise<Poll>((resolve) => (this.answerPoll = resolve));
      return { status: 200, body: toBinary(im.CometResponseSchema, create(im.CometResponseSchema, poll)) };
    }
    const schema = COMMANDS[name as CommandName].answer;
    return { status: 200, body: toBinary(schema, create(schema, this.said(name, body) as never)) };
  }

  private said(name: string, body: Uint8Array): object {
    const last = this.messages.at(-1);
    if (name === "history") {
      const { before, limit } = fromBinary(im.HistoryRequestSchema, body);
      const older = this.messages.filter(({ id }) => !before || id < before).reverse();
      return { messages: older.slice(0, limit), more: older.length > limit };
    }
    if (name === "contacts") return { contacts: last ? [{ peer: "bob", last, unread: this.unread }] : [] };
    return {};
  }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((done) => setTimeout(done, 5));
}

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
  const { length } = server.asked.filter((name) => name === "contacts");
  await server.poll({ since: 1n });
  await server.poll({ since: 1n });
  assert.equal(server.asked.filter((name) => name === "contacts").length, length);

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
