import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import type { Call } from "../src/commands.js";
import { ContactList } from "../src/contacts.js";
import { closed, IMError } from "../src/errors.js";
import * as im from "../src/gen/im_pb.js";
import { person } from "../src/model.js";
import { id, until } from "./server.js";

test("a message that crossed one of ours is asked about: ids of two people have no order", async () => {
  // Given a list whose newest message is our own
  const asked: string[] = [];
  const last = create(im.MessageSchema, { id: id(5), sender: "alice", receiver: "bob" });
  const answer = create(im.ContactsResponseSchema, { contacts: [{ peer: "bob", last }] });
  const call = ((name: string) => {
    asked.push(name);
    return Promise.resolve(answer);
  }) as unknown as Call;
  const list = new ContactList(call, "alice", () => undefined);
  await list.refresh();

  // When one of the other comes that was stored before it
  const message = create(im.MessageSchema, { id: id(4), sender: "bob", receiver: "alice" });
  list.message({ conversation: person("bob"), message, own: false, recalled: false });
  answer.contacts[0]!.unread = 1;

  // Then the server says whether it counts
  while (asked.length < 2) await new Promise((done) => setTimeout(done, 10));
  while (!list.get(person("bob"))?.unread) await new Promise((done) => setTimeout(done, 10));
  assert.equal(list.get(person("bob"))?.last?.id, id(5));
});

test("a list that is refused stays wanted, and so does what was deleted", { timeout: 20_000 }, async () => {
  // Given a list with a conversation that was deleted while it went on, and a server that refuses
  const message = (number: number): im.Message =>
    create(im.MessageSchema, { id: id(number), sender: "bob", receiver: "alice" });
  const take = (last: im.Message): void =>
    list.message({ conversation: person("bob"), message: last, own: false, recalled: false });
  let refuses = false;
  let asked = 0;
  let went = (): void => undefined;
  let entry = { peer: "bob", last: message(1), unread: 1 };
  const call = (async () => {
    asked++;
    if (refuses) throw new IMError("BUSY", "", true);
    const answer = create(im.ContactsResponseSchema, { contacts: [entry] });
    went();
    return answer;
  }) as unknown as Call;
  const list = new ContactList(call, "alice", () => undefined);
  await list.refresh();
  refuses = true;
  list.deleted(create(im.ConversationsPushSchema, { peer: "bob" }));
  list.groups();
  await until(() => asked === 2);

  // When it answers, but an older state than what comes meanwhile
  went = () => {
    went = () => undefined;
    take(message(2));
    entry = { peer: "bob", last: message(2), unread: 1 };
  };
  refuses = false;

  // Then it was asked again, and once more for what was counted on top of what is deleted
  await until(() => list.get(person("bob"))?.unread === 1 && asked === 4);
  list.end();
});

test("a list is not asked for again without a link", async (t) => {
  // Given a list, and a link that is gone
  const real = globalThis.setTimeout;
  let timers = 0;
  globalThis.setTimeout = ((act: () => void, ms: number) => {
    timers++;
    return real(act, ms);
  }) as never;
  t.after(() => (globalThis.setTimeout = real));
  let reject: ((error: Error) => void) | undefined;
  const call = (() => new Promise((_, no) => (reject = no))) as unknown as Call;
  const list = new ContactList(call, "alice", () => undefined);

  // When its reading ends with the link, then there is no other one
  list.groups();
  assert.equal(timers, 1);
  while (!reject) await new Promise((done) => real(done, 5));
  reject(closed("gone"));
  await new Promise((done) => setImmediate(done));
  assert.equal(timers, 1);
});

test("a conversation that was read before it is listed is asked about", { timeout: 20_000 }, async () => {
  // Given a list on its way that is older than what is said of it meanwhile
  let asked = 0;
  let went = (): void => undefined;
  let peerRead = "";
  const last = create(im.MessageSchema, { id: id(1), sender: "alice", receiver: "bob" });
  const call = (async () => {
    asked++;
    await new Promise((done) => setImmediate(done));
    const answer = create(im.ContactsResponseSchema, { contacts: [{ peer: "bob", last, peerRead }] });
    went();
    return answer;
  }) as unknown as Call;
  const list = new ContactList(call, "alice", () => undefined);
  went = () => {
    went = () => undefined;
    list.read(person("bob"), "bob", id(1), 0);
    peerRead = id(1);
  };

  // When it is here, then it is read again
  await list.refresh();
  await until(() => list.get(person("bob"))?.peerRead === id(1));
  assert.equal(asked, 2);
});
