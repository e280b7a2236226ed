/** What a server says that is only reached by POST: one mailbox, one conversation, and polls. */
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import type { Adapter, HttpAnswer } from "../src/adapter.js";
import { COMMANDS, type CommandName } from "../src/commands.js";
import * as im from "../src/gen/im_pb.js";

type Poll = MessageInitShape<typeof im.CometResponseSchema>;

export const id = (number: number): string => number.toString(16).padStart(32, "0");
export class Server {
  messages: im.Message[] = [];
  unread = 0;
  asked: string[] = [];
  /** What a command is answered with in place of what is so, once for each error. */
  readonly refusals = new Map<string, MessageInitShape<typeof im.ErrorSchema>[]>();
  /** Tells the client whether there is a network. */
  network: (online: boolean) => void = () => undefined;
  private answerPoll: ((poll: Poll) => void) | undefined;

  readonly adapter: Adapter = {
    onNetwork: (listener) => {
      this.network = listener;
      return () => undefined;
    },
    post: (url, _headers, body) => {
      let abort = (): void => undefined;
      const aborted = new Promise<never>((_, reject) => (abort = () => reject(new Error("aborted"))));
      const answer = Promise.race([this.answer(new URL(url).pathname, body), aborted]);
      return { answer, abort: () => abort() };
    },
  };

  count(name: string): number {
    return this.asked.filter((one) => one === name).length;
  }

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
    const error = this.refusals.get(name)?.shift();
    if (error) return { error };
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

export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((done) => setTimeout(done, 5));
}

