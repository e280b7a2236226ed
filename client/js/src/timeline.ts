/** The messages of one conversation, as a screen shows them: history, and what came since. */
import type { Call } from "./commands.js";
import type { HistoryResponse, Message } from "./gen/im_pb.js";
import { type Conversation, isRecalled, wireType } from "./model.js";

const PAGE = 40;

export class Timeline {
  private readonly known = new Map<string, Message>();
  private sorted: readonly Message[] | undefined;
  private loading: Promise<void> | undefined;
  private oldest = "";
  private rechecked = 0;
  /** Whether older messages may exist. */
  hasMore = true;
  /** Whether the newest messages were read: from then on it is complete at this end. */
  isRead = false;

  constructor(
    readonly conversation: Conversation,
    private readonly call: Call,
  ) {}

  /** Oldest first: ids sort by time. */
  get messages(): readonly Message[] {
    return (this.sorted ??= [...this.known.values()].sort((a, b) => (a.id < b.id ? -1 : 1)));
  }

  /** The id of the newest message; empty when none is known. */
  get newest(): string {
    return this.messages.at(-1)?.id ?? "";
  }

  get(id: string): Message | undefined {
    return this.known.get(id);
  }

  /** Reads a page of what came before; at first, the newest one. Rejects with an `IMError`. */
  older(limit = PAGE): Promise<void> {
    if (!this.hasMore) return Promise.resolve();
    this.loading ??= this.read(limit).finally(() => (this.loading = undefined));
    return this.loading;
  }

  /** Takes a message that came; false when it was known in this state already. */
  take(message: Message): boolean {
    const known = this.known.get(message.id);
    if (known && (isRecalled(known) || !isRecalled(message))) return false;
    this.known.set(message.id, message);
    this.sorted = undefined;
    return true;
  }

  /**
   * Leaves out what the server does not show any more, whether there was any. What is deleted is
   * everything up to some message: while the oldest one is shown, nothing was.
   */
  async recheck(): Promise<boolean> {
    await this.loading?.catch(() => undefined); // that may be what is deleted
    const before = this.messages;
    const oldest = before[0]?.id;
    if (!oldest) return false;
    const { messages: still } = await this.history(behind(oldest), 1);
    if (still[0]?.id === oldest) return false;
    const { messages, more } = await this.history("", PAGE);
    const shown = new Set(messages.map(({ id }) => id));
    const newest = messages[0]?.id ?? before.at(-1)!.id;
    for (const { id } of before) if (!shown.has(id) && id <= newest) this.known.delete(id);
    this.sorted = undefined;
    for (const message of messages) this.take(message);
    this.rechecked++;
    this.oldest = messages.at(-1)?.id ?? "";
    this.hasMore = more;
    this.isRead = true;
    return true;
  }

  private history(before: string, limit: number): Promise<HistoryResponse> {
    const { id: peer } = this.conversation;
    return this.call("history", { type: wireType(this.conversation), peer, before, limit });
  }

  private async read(limit: number): Promise<void> {
    const { rechecked } = this;
    const { messages, more } = await this.history(this.oldest, limit);
    if (rechecked !== this.rechecked) return; // what was on its way is not there any more
    for (const message of messages) {
      this.take(message);
      this.oldest = message.id; // newest first
    }
    this.hasMore = more;
    this.isRead = true;
  }
}

/** The id after this one: `before` of a page that begins with it. */
const behind = (id: string): string =>
  (BigInt(`0x${id}`) + 1n).toString(16).padStart(id.length, "0");
