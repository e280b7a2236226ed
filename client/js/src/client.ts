/** The client: one user on one device, from log-in to typed events. */
import { create } from "@bufbuild/protobuf";
import type { Adapter } from "./adapter.js";
import type { AnswerOf, Call, Push } from "./commands.js";
import { Connection } from "./connection.js";
import { ContactList } from "./contacts.js";
import { Emitter } from "./emitter.js";
import { endpointsOf, readEndpoints } from "./endpoints.js";
import { closed, type IMError, misused } from "./errors.js";
import { type ConversationsPush, type Message, MessageSchema } from "./gen/im_pb.js";
import { randomId } from "./ids.js";
import type { Opening, TransportName } from "./link.js";
import {
  type Conversation,
  conversationOf,
  type Events,
  homeOf,
  isRecalled,
  keyOf,
  person,
  type State,
  wireType,
} from "./model.js";
import type { ClientOptions } from "./options.js";
import { type ContentInit, Outbox, type Pending } from "./outbox.js";
import { Sync } from "./sync.js";
import { Timeline } from "./timeline.js";

const TRANSPORTS: readonly TransportName[] = ["websocket", "events", "comet"];

export class IMClient {
  readonly user: string;
  readonly contacts: ContactList;
  state: State = "closed";
  private readonly emitter = new Emitter<Events>();
  private readonly connection: Connection;
  private readonly sync: Sync;
  private readonly outbox: Outbox;
  private readonly timelines = new Map<string, Timeline>();
  private readonly now: () => number;
  private readonly adapter: Adapter;
  private links = 0;
  private clockOffsetMs = 0;
  private endedBy: IMError | undefined;
  private unwatch: (() => void) | undefined;

  constructor(options: ClientOptions) {
    const { adapter, user } = options;
    const urls = options.endpoints ?? (options.url ? endpointsOf(options.url) : []);
    this.user = user;
    this.adapter = adapter;
    this.now = options.now ?? Date.now;
    this.sync = new Sync({
      call: this.call,
      linkId: () => (this.connection.link ? this.links : 0),
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
    this.contacts = new ContactList(this.call, user, () =>
      this.emitter.emit("contacts", undefined),
    );
    this.connection = new Connection(
      {
        adapter,
        endpoints: readEndpoints(urls, adapter, options.transports ?? TRANSPORTS),
        token: options.token,
        user,
        platform: options.platform ?? "web",
        device: options.device ?? randomId(),
        timeoutMs: options.timeoutMs ?? 10_000,
        backoffMs: options.backoffMs ?? [1000, 60_000],
        followAddresses: options.followAddresses ?? false,
      },
      {
        cursor: () => this.sync.cursor,
        groupsVersion: () => this.sync.groupsVersion(),
        connecting: () => this.show("connecting"),
        opened: (opening) => void this.opened(opening),
        push: (push) => this.push(push),
        reached: (version) => this.sync.reached(version),
        versions: (version, groups) => this.sync.versions(version, groups),
        lost: (error, retryMs) => this.show("offline", error, retryMs),
        ended: (error) => this.ended(error),
      },
    );
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

  /** Resolves when connected and caught up; rejects when it ends before. */
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
    const key = keyOf(conversation);
    let timeline = this.timelines.get(key);
    if (!timeline) {
      timeline = new Timeline({ ...conversation }, this.call);
      this.timelines.set(key, timeline);
    }
    return timeline;
  }

  /** Milliseconds since the epoch as the server counts them, whatever this device's clock says. */
  serverNow(): number {
    return this.now() + this.clockOffsetMs;
  }

  private async opened({ version, groupsVersion, serverTimeMs }: Opening): Promise<void> {
    const link = ++this.links;
    if (serverTimeMs) this.clockOffsetMs = serverTimeMs - this.now();
    this.outbox.wake();
    await Promise.all([this.sync.begin(version, groupsVersion), this.readContacts(link)]);
    if (link === this.links && this.connection.link) this.show("online");
  }

  /** Until it works, or another link does it. */
  private async readContacts(link: number): Promise<void> {
    while (link === this.links && this.connection.link) {
      try {
        return await this.contacts.refresh();
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 500 + 500 * Math.random()));
      }
    }
  }

  private show(state: State, error?: IMError, retryMs?: number): void {
    this.state = state;
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
    const { key, sequence, conversation, content } = pending;
    this.timelines.get(keyOf(conversation))?.take(
      create(MessageSchema, {
        id,
        sequence,
        content,
        sender: this.user,
        receiver: conversation.id,
        sendTime: BigInt(sendTimeMs),
        type: wireType(conversation),
      }),
    );
    this.emitter.emit("acked", { key, conversation, id, sendTimeMs });
  }

  private message(message: Message): void {
    const conversation = homeOf(message, this.user);
    const own = message.sender === this.user;
    const recalled = isRecalled(message);
    if (own) this.outbox.stored(message.sequence, message.id, Number(message.sendTime));
    this.timelines.get(keyOf(conversation))?.take(message);
    const event = { conversation, message, recalled, own };
    this.contacts.message(event);
    this.emitter.emit("message", event);
  }

  /** What was deleted is not shown again; messages from now on are. */
  private forget({ all, changed, type, peer }: ConversationsPush): void {
    if (changed) return;
    const key = keyOf(conversationOf(type, peer));
    for (const [one, timeline] of this.timelines) if (all || one === key) timeline.clear();
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
        return this.sync.resync();
      case "push_conversations":
        this.forget(push.body);
        return this.contacts.conversations(push.body);
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
      case "push_presence": {
        const { user = "", online = false, lastSeen = 0n } = push.body.presence ?? {};
        return this.emitter.emit("presence", { user, online, lastSeenMs: Number(lastSeen) });
      }
    }
  }
}
