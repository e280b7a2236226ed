/** The messages of one conversation, as a screen shows them: history, and what came since. */
import type { Call } from "./commands.js";
import type { Message } from "./gen/im_pb.js";
import { type Conversation, isRecalled, wireType } from "./model.js";

const PAGE = 40;

export class Timeline {
  private readonly known = new Map<string, Message>();
  private loading: Promise<void> | undefined;
  private oldest = "";
  private cleared = 0;
  /** Whether older messages may exist. */
  hasMore = true;
  /** Whether the newest messages were read: from then on it is complete at this end. */
  isRead = false;

  constructor(
    readonly conversation: Conversation,
    private readonly call: Call,
  ) {}

  /** Oldest first: ids sort by time. */
  get messages(): Message[] {
    return [...this.known.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
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

  /** The conversation was deleted: whoever shows it goes on with what comes from now on. */
  clear(): void {
    this.known.clear();
    this.cleared++;
    this.hasMore = false;
    this.isRead = true;
  }

  /** Takes a message that came; false when it was known in this state already. */
  take(message: Message): boolean {
    const known = this.known.get(message.id);
    if (known && (isRecalled(known) || !isRecalled(message))) return false;
    this.known.set(message.id, message);
    return true;
  }

  private async read(limit: number): Promise<void> {
    const { cleared } = this;
    const { messages, more } = await this.call("history", {
      type: wireType(this.conversation),
      peer: this.conversation.id,
      before: this.oldest,
      limit,
    });
    if (cleared !== this.cleared) return; // what was on its way is not there any more
    for (const message of messages) {
      this.take(message);
      this.oldest = message.id; // newest first
    }
    this.hasMore = more;
    this.isRead = true;
  }
}
