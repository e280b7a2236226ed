/** The timelines an application looks at, and whether they still show what the server does. */
import type { Call } from "./commands.js";
import type { ContactList } from "./contacts.js";
import { asError } from "./errors.js";
import type { ConversationsPush, Message } from "./gen/im_pb.js";
import { type Conversation, conversationOf, keyOf } from "./model.js";
import { Timeline } from "./timeline.js";

export class Timelines {
  private readonly all = new Map<string, Timeline>();
  /**
   * Those that may hold what was deleted meanwhile, with the newest id they held when they were
   * doubted before; undefined where the contact list cannot vouch for them.
   */
  private readonly doubtful = new Map<Timeline, string | undefined>();
  private readonly newest = new Map<Timeline, string>();

  constructor(
    private readonly call: Call,
    private readonly changed: () => void,
  ) {}

  of(conversation: Conversation): Timeline {
    const key = keyOf(conversation);
    let timeline = this.all.get(key);
    if (!timeline) {
      timeline = new Timeline({ ...conversation }, this.call);
      this.all.set(key, timeline);
    }
    return timeline;
  }

  take(conversation: Conversation, message: Message): void {
    this.all.get(keyOf(conversation))?.take(message);
  }

  /** These were deleted, up to some message: newer ones may be here already, and stay. */
  deleted({ all, type, peer }: ConversationsPush): void {
    const key = keyOf(conversationOf(type, peer));
    for (const [one, timeline] of this.all) {
      if (all || one === key) this.doubtful.set(timeline, undefined);
    }
  }

  /** Deletions are in no log: after a gap nobody tells of those that fell into it. */
  doubt(): void {
    for (const timeline of this.all.values()) {
      if (!this.doubtful.has(timeline)) this.doubtful.set(timeline, this.newest.get(timeline));
      this.newest.set(timeline, timeline.newest);
    }
  }

  /**
   * The contact list, read since they were doubted, vouches for conversations that end as they did:
   * a deleted one is not listed before its next message.
   */
  vouch(contacts: ContactList): void {
    for (const [timeline, newest] of this.doubtful) {
      if (newest === undefined) continue;
      if (contacts.get(timeline.conversation)?.last?.id === newest) this.doubtful.delete(timeline);
      else this.doubtful.set(timeline, undefined);
    }
  }

  /**
   * Leaves out what was deleted of those that nothing vouches for. Rejects when it should be tried
   * again.
   */
  async recheck(): Promise<void> {
    let changed = false;
    try {
      for (const [timeline, newest] of this.doubtful) {
        if (newest !== undefined) continue; // the list will tell
        this.doubtful.delete(timeline); // and may be doubted anew meanwhile
        changed = (await this.recheckOne(timeline)) || changed;
      }
    } finally {
      if (changed) this.changed();
    }
  }

  private async recheckOne(timeline: Timeline): Promise<boolean> {
    try {
      return await timeline.recheck();
    } catch (thrown) {
      const error = asError(thrown);
      // e.g. a group this user is not in any more: what was read stays
      if (!error.retryable) return false;
      this.doubtful.set(timeline, undefined);
      throw error;
    }
  }
}
