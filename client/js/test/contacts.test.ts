import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import type { Call } from "../src/commands.js";
import { ContactList } from "../src/contacts.js";
import * as im from "../src/gen/im_pb.js";
import { person } from "../src/model.js";

const id = (number: number): string => number.toString(16).padStart(32, "0");

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
