/**
 * Positions in the logs: the user's mailbox, and each of their groups. Whatever comes by push is
 * taken when it joins on to what is there; else, and when a pong tells of more, the log is read
 * from our position on. So everything is passed on once and in order, however often and in
 * whatever holes it arrives.
 */
import { Backoff, Pause } from "./backoff.js";
import type { Call } from "./commands.js";
import { asError } from "./errors.js";
import type { GroupMessages, GroupsPush, Message, MessagesPush } from "./gen/im_pb.js";
import { groupsVersion } from "./groupsversion.js";

const SEEN_MAX = 20_000;

export interface SyncHooks {
  call: Call;
  /** The number of the link in use; 0: none is. */
  linkId(): number;
  message(message: Message): void;
  groups(change: { joined: string } | { left: string }): void;
}

export class Sync {
  /** The mailbox' position; undefined before the first connection. */
  cursor: bigint | undefined;
  private groups: Map<string, bigint> | undefined;
  private readonly seen = new Map<string, true>();
  private readonly mailboxReader: Reader;
  private readonly groupsReader: Reader;

  constructor(private readonly hooks: SyncHooks) {
    this.mailboxReader = new Reader(hooks, () => this.readMailbox());
    this.groupsReader = new Reader(hooks, () => this.readGroups());
  }

  groupsVersion(): bigint | undefined {
    return this.groups && groupsVersion(this.groups);
  }

  /** Groups this user is in. */
  get groupIds(): string[] {
    return [...(this.groups?.keys() ?? [])];
  }

  /** A link is there: catch up. The first one only tells where we begin. */
  async begin(version: bigint, groups: bigint): Promise<void> {
    this.cursor ??= version;
    this.mailboxReader.hurry();
    this.groupsReader.hurry();
    await Promise.all([
      version > this.cursor ? this.mailboxReader.read() : undefined,
      this.groups && this.groupsVersion() === groups ? undefined : this.groupsReader.read(),
    ]);
  }

  /** What a pong says. */
  versions(version: bigint | undefined, groups: bigint): void {
    if (version !== undefined && version > this.cursor!) void this.mailboxReader.read();
    if (groups !== this.groupsVersion()) void this.groupsReader.read();
  }

  async resync(): Promise<void> {
    await Promise.all([this.mailboxReader.read(), this.groupsReader.read()]);
  }

  /** There is nothing more up to here. */
  reached(version: bigint): void {
    if (version > this.cursor!) this.cursor = version;
  }

  pushed({ messages, previous, group }: MessagesPush): void {
    if (!group) {
      if (previous > this.cursor!) void this.mailboxReader.read();
      else this.cursor = this.pass(messages, this.cursor!);
      return;
    }
    const cursor = this.groups?.get(group);
    if (cursor === undefined || previous > cursor) void this.groupsReader.read();
    else this.groups!.set(group, this.pass(messages, cursor));
  }

  groupsPushed({ joined }: GroupsPush): void {
    if (joined && this.groups) this.join(joined);
    void this.groupsReader.read(); // who left reads the end of it, and that it is gone
  }

  /** Passes on what lies behind the cursor; the new one. */
  private pass(messages: readonly Message[], cursor: bigint): bigint {
    for (const message of messages) {
      if (message.version <= cursor) continue;
      cursor = message.version;
      const state = `${message.id} ${message.withdrawTime > 0n}`;
      if (this.seen.has(state)) continue;
      this.seen.set(state, true);
      if (this.seen.size > SEEN_MAX) this.seen.delete(this.seen.keys().next().value!);
      this.hooks.message(message);
    }
    return cursor;
  }

  private async readMailbox(): Promise<void> {
    for (let more = true; more; ) {
      const answer = await this.hooks.call("sync", { cursor: this.cursor });
      this.cursor = this.pass(answer.messages, this.cursor!);
      this.reached(answer.cursor);
      more = answer.more;
    }
  }

  private async readGroups(): Promise<void> {
    const first = this.groups === undefined;
    const groups = this.groups ?? (await this.listGroups());
    for (let more = true; more; ) {
      const cursors = [...groups].map(([group, cursor]) => ({ group, cursor }));
      const answer = await this.hooks.call("group_sync", { cursors });
      for (const part of answer.groups) this.takePart(groups, part);
      more = answer.more;
      for (const id of answer.joined) {
        const version = first ? await this.versionOf(id) : undefined;
        if (!first) this.join(id);
        else if (version !== undefined) groups.set(id, version);
        more ||= !first || version !== undefined;
      }
      this.groups = groups;
    }
  }

  private takePart(groups: Map<string, bigint>, part: GroupMessages): void {
    const cursor = groups.get(part.group);
    if (cursor === undefined) return;
    const reached = this.pass(part.messages, cursor);
    groups.set(part.group, part.cursor > reached ? part.cursor : reached);
    if (part.gone) {
      groups.delete(part.group);
      this.hooks.groups({ left: part.group });
    }
  }

  private join(id: string): void {
    if (this.groups!.has(id)) return;
    this.groups!.set(id, 0n);
    this.hooks.groups({ joined: id });
  }

  /** The groups at the start, each where it is now: what was before is read as history. */
  private async listGroups(): Promise<Map<string, bigint>> {
    const groups = new Map<string, bigint>();
    for (let more = true, after = ""; more; ) {
      const answer = await this.hooks.call("groups", { after, limit: 200 });
      for (const { group, version } of answer.groups) groups.set((after = group), version);
      more = answer.more;
    }
    return groups;
  }

  /**
   * Of a group that is not listed: it was disbanded, or joined a moment ago. Undefined when it was
   * left since.
   */
  private async versionOf(id: string): Promise<bigint | undefined> {
    try {
      const { group } = await this.hooks.call("group_info", { group: id });
      return group?.version ?? 0n;
    } catch (thrown) {
      if (asError(thrown).code === "NOT_FOUND") return undefined;
      throw thrown;
    }
  }
}

/**
 * Reads a log, or what is in none, until it works or there is no link; one reading at a time. What is
 * asked for meanwhile is read after it.
 */
export class Reader {
  private reading: Promise<void> | undefined;
  private again = false;
  private readonly pause = new Pause();
  private readonly backoff = new Backoff(200, 10_000);

  constructor(
    private readonly hooks: Pick<SyncHooks, "linkId">,
    private readonly readAll: () => Promise<void>,
  ) {}

  /** Resolves when it was read, or the link is gone. */
  read(): Promise<void> {
    this.again = true;
    this.reading ??= this.run().finally(() => (this.reading = undefined));
    return this.reading;
  }

  /** A link is there, which has refused nothing: what the last one refused is tried at once. */
  hurry(): void {
    this.backoff.reset();
    this.pause.cut();
  }

  private async run(): Promise<void> {
    this.backoff.reset();
    let link = this.hooks.linkId();
    while (this.again && link) {
      this.again = false;
      try {
        await this.readAll();
      } catch (thrown) {
        const error = asError(thrown);
        const now = this.hooks.linkId();
        this.again = now !== 0;
        // On another link it is tried at once: nobody else will.
        if (now === link) {
          await this.pause.wait(Math.max(this.backoff.next(), error.retryAfterMs));
        }
      }
      link = this.hooks.linkId();
    }
  }
}
