/** The client: one user on one device, from log-in to typed events. */
import type { Adapter } from "./adapter.js";
import type { AnswerOf, Call, Push } from "./commands.js";
import { Connection } from "./connection.js";
import { ContactList } from "./contacts.js";
import { Emitter } from "./emitter.js";
import { closed, type IMError, misused } from "./errors.js";
import type { Message } from "./gen/im_pb.js";
import type { Opening } from "./link.js";
import {
  type Conversation,
  conversationOf,
  type Events,
  homeOf,
  isRecalled,
  person,
  type State,
  wireType,
} from "./model.js";
import { type ClientOptions, connectionOptions } from "./options.js";
import { type ContentInit, messageOf, Outbox, type Pending } from "./outbox.js";
import { Reader, Sync } from "./sync.js";
import type { Timeline } from "./timeline.js";
import { Timelines } from "./timelines.js";
import { Watch } from "./watch.js";

export class IMClient {
  readonly user: string;
  readonly contacts: ContactList;
  state: State = "closed";
  private readonly emitter = new Emitter<Events>();
  private readonly connection: Connection;
  private readonly sync: Sync;
  private readonly outbox: Outbox;
  private readonly listReader: Reader;
  private readonly rechecks: Reader;
  private readonly timelines: Timelines;
  private readonly watched: Watch;
  private readonly now: () => number;
  private readonly adapter: Adapter;
  private links = 0;
  private clockOffsetMs = 0;
  private endedBy: IMError | undefined;
  private unwatch: (() => void) | undefined;

  constructor(options: ClientOptions) {
    const { adapter, user } = options;
    this.user = user;
    this.adapter = adapter;
    this.now = options.now ?? Date.now;
    const linkId = (): number => (this.connection.link ? this.links : 0);
    this.sync = new Sync({
      call: this.call,
      linkId,
      message: (message) => this.message(message),
      groups: (change) => {
        this.contacts.groups();
        this.emitter.emit("groups", change);
      },
    });
    this.outbox = new Outbox({
      call: this.call,
      isConnected: () => Boolean(this.connection.link),
      acked: (pending, id, sendTimeMs) => this.acked(pending, id, sendTimeMs),
      failed: (pending, error) => {
        const { key, conversation } = pending;
        this.emitter.emit("failed", { key, conversation, error, pending });
      },
    });
    const contactsChanged = (): void => this.emitter.emit("contacts", undefined);
    this.contacts = new ContactList(this.call, user, contactsChanged);
    this.timelines = new Timelines(this.call, contactsChanged);
    this.listReader = new Reader({ linkId }, async () => {
      this.timelines.doubt();
      await this.contacts.renew();
      this.timelines.vouch(this.contacts);
    });
    this.rechecks = new Reader({ linkId }, () => this.timelines.recheck());
    this.watched = new Watch({
      call: this.call,
      transport: () => this.connection.link?.transport,
      presence: ({ user, online, lastSeen }) =>
        this.emitter.emit("presence", { user, online, lastSeenMs: Number(lastSeen) }),
    });
    this.connection = new Connection(connectionOptions(options), {
      cursor: () => this.sync.cursor,
      groupsVersion: () => this.sync.groupsVersion(),
      connecting: () => this.show("connecting"),
      opened: (opening) => void this.opened(opening),
      push: (push) => this.push(push),
      reached: (version) => this.sync.reached(version),
      versions: (version, groups) => this.sync.versions(version, groups),
      lost: (error, retryMs) => this.show("offline", error, retryMs),
      ended: (error) => this.ended(error),
    });
  }

  on<K extends keyof Events>(name: K, listener: (event: Events[K]) => void): () => void {
    return this.emitter.on(name, listener);
  }

  /** Connects, and stays connected until `stop`, or until it is sent away. */
  start(): void {
    this.endedBy = undefined;
    this.unwatch ??= this.adapter.onNetwork?.((online) => this.connection.network(online));
    this.connection.start();
  }

  stop(): void {
    this.connection.stop();
  }

  /** Resolves when connected and caught up, but for deletions; rejects when it ends before. */
  ready(): Promise<void> {
    if (this.state === "online") return Promise.resolve();
    if (this.endedBy) return Promise.reject(this.endedBy);
    return new Promise((resolve, reject) => {
      const off = this.on("state", ({ state, error }) => {
        if (state !== "online" && state !== "closed") return;
        off();
        if (state === "online") resolve();
        else reject(error ?? closed("stopped"));
      });
    });
  }

  /** Whether the link still works; for when a device wakes up, or a page is looked at again. */
  check(): Promise<void> {
    return this.connection.check();
  }

  /** Asks the server any command; rejects with an `IMError`. Sends go through `send`. */
  readonly call: Call = (name, request) => this.connection.call(name, request);

  /**
   * Queues a message and returns its key, by which `acked` or `failed` will name it. It is sent
   * until the server has stored or refused it.
   */
  send(
    conversation: Conversation,
    content: ContentInit | string,
    options: { key?: string; sequence?: string } = {},
  ): string {
    if (!conversation.id) throw misused("to whom?");
    const whole: ContentInit =
      typeof content === "string"
        ? { body: { case: "text", value: { text: content } } }
        : content;
    return this.outbox.add(conversation, whole, options.sequence, options.key);
  }

  /** Sends that wait for their acknowledgement. */
  get pending(): Pending[] {
    return this.outbox.all();
  }

  recall(id: string): Promise<AnswerOf<"recall">> {
    return this.call("recall", { id });
  }

  /** Marks a conversation read up to a message; how many are left unread. */
  async read(conversation: Conversation, id: string): Promise<number> {
    const request = { type: wireType(conversation), peer: conversation.id, id };
    const { unread } = await this.call("read", request);
    this.contacts.read(conversation, this.user, id, unread);
    return unread;
  }

  /** Shows the other one that this user types; never stored, and nobody minds when it is lost. */
  typing(conversation: Conversation, stopped = false): void {
    const request = { type: wireType(conversation), receiver: conversation.id, stopped };
    this.call("typing", request).catch(() => undefined);
  }

  /** The messages of a conversation, kept up to date while the client lives. */
  timeline(conversation: Conversation): Timeline {
    return this.timelines.of(conversation);
  }

  /**
   * Whose presence is told from now on, in place of those given before: at once, at each change, and
   * after each reconnect. 200 users at most.
   */
  watch(users: readonly string[]): void {
    this.watched.set(users);
  }

  /** Milliseconds since the epoch as the server counts them, whatever this device's clock says. */
  serverNow(): number {
    return this.now() + this.clockOffsetMs;
  }

  private async opened({ version, groupsVersion, serverTimeMs }: Opening): Promise<void> {
    const link = ++this.links;
    if (serverTimeMs) this.clockOffsetMs = serverTimeMs - this.now();
    this.outbox.wake();
    this.watched.begin();
    this.listReader.hurry();
    this.rechecks.hurry();
    await this.catchUp(this.sync.begin(version, groupsVersion));
    if (link === this.links && this.connection.link) this.show("online");
  }

  /** Reads what is in no log as well: contacts and, behind them, what was deleted. */
  private async catchUp(synced?: Promise<void>): Promise<void> {
    await Promise.all([synced, this.listReader.read()]);
    void this.rechecks.read();
  }

  private show(state: State, error?: IMError, retryMs?: number): void {
    this.state = state;
    if (state !== "online") {
      this.watched.end();
      this.contacts.end();
    }
    const transport = this.connection.link?.transport;
    this.emitter.emit("state", {
      state,
      ...(transport && { transport }),
      ...(error && { error }),
      ...(retryMs !== undefined && { retryMs }),
    });
  }

  private ended(error: IMError | undefined): void {
    this.unwatch?.();
    this.unwatch = undefined;
    this.endedBy = error;
    this.show("closed", error);
    if (error) this.emitter.emit("kicked", { error });
  }

  /** Our own copy comes by push too, perhaps later. */
  private acked(pending: Pending, id: string, sendTimeMs: number): void {
    const { key, conversation } = pending;
    this.timelines.take(conversation, messageOf(pending, this.user, sendTimeMs, id));
    this.emitter.emit("acked", { key, conversation, id, sendTimeMs });
  }

  private message(message: Message): void {
    const conversation = homeOf(message, this.user);
    const own = message.sender === this.user;
    const recalled = isRecalled(message);
    if (own) this.outbox.stored(message.sequence, message.id, Number(message.sendTime));
    this.timelines.take(conversation, message);
    const event = { conversation, message, recalled, own };
    this.contacts.message(event);
    this.emitter.emit("message", event);
  }

  private push(push: Push): void {
    switch (push.name) {
      case "push_messages":
        return this.sync.pushed(push.body);
      case "push_groups":
        this.sync.groupsPushed(push.body);
        if (push.body.requests) this.emitter.emit("groups", { requests: push.body.requests });
        return;
      case "push_resync":
        return void this.catchUp(this.sync.resync());
      case "push_conversations":
        if (!push.body.changed) {
          this.timelines.deleted(push.body);
          this.contacts.deleted(push.body);
        }
        return void this.catchUp();
      case "push_read": {
        const { type, reader, peer, id, unread } = push.body;
        const home = conversationOf(type, peer);
        const conversation =
          home.type === "group" || reader === this.user ? home : person(reader);
        this.contacts.read(conversation, reader, id, unread);
        return this.emitter.emit("read", { conversation, reader, id, unread });
      }
      case "push_typing": {
        const { sender, stopped } = push.body;
        const event = { conversation: person(sender), user: sender, stopped };
        return this.emitter.emit("typing", event);
      }
      case "push_presence":
        return this.watched.take(push.body.presence);
    }
  }
}
