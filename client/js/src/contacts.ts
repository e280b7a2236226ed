/**
 * The contact list: read from the server, then kept up to date by what comes. Whatever cannot be
 * told from that is read again.
 */
import { Backoff } from "./backoff.js";
import type { Call } from "./commands.js";
import { asError } from "./errors.js";
import type { Contact, ConversationsPush, GroupInfo, Message, Profile } from "./gen/im_pb.js";
import {
  type Conversation,
  conversationOf,
  isMentioned,
  isRecalled,
  keyOf,
  type MessageEvent,
} from "./model.js";

const PAGE = 100;
/** Reasons to read the list again that come together count as one. */
const GATHER_MS = 150;

export interface Entry {
  conversation: Conversation;
  last: Message | undefined;
  unread: number;
  /** Of the unread messages, those that mention this user. */
  mentions: number;
  /** No notifications are wanted, except for mentions. */
  muted: boolean;
  /** Ids up to which this user, and the other one, have read. */
  read: string;
  peerRead: string;
  /** Of a person, while the user centre can be reached. */
  profile: Profile | undefined;
  /** Of a group. */
  group: GroupInfo | undefined;
}

export class ContactList {
  private entries = new Map<string, Entry>();
  private complete = false;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private reading: Promise<void> | undefined;
  private wanted = PAGE;
  /** Deleted since the list was read: what they count is not true any more. */
  private stale = new Set<string>();
  private readonly backoff = new Backoff(500, 30_000);

  constructor(
    private readonly call: Call,
    private readonly user: string,
    private readonly changed: () => void,
  ) {}

  /** Newest first. */
  get list(): Entry[] {
    return [...this.entries.values()].sort((a, b) => (idOf(a) < idOf(b) ? 1 : -1));
  }

  get(conversation: Conversation): Entry | undefined {
    return this.entries.get(keyOf(conversation));
  }

  /** Whether there is more than was read so far. */
  get hasMore(): boolean {
    return !this.complete;
  }

  /** Reads the list anew; rejects with an `IMError`. */
  refresh(): Promise<void> {
    if (this.reading) return this.reading;
    const due = this.timer !== undefined;
    this.end();
    const reading = this.readAll().finally(() => (this.reading = undefined));
    if (due) reading.catch((thrown: unknown) => this.refused(thrown));
    return (this.reading = reading);
  }

  /** The link is gone; the next one reads the list. */
  end(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  /** Reads the list as it is from now on: what is being read may be older than that. */
  async renew(): Promise<void> {
    await this.reading?.catch(() => undefined);
    return this.refresh();
  }

  /** Reads a page more. */
  more(): Promise<void> {
    if (this.complete) return Promise.resolve();
    this.wanted = this.entries.size + PAGE;
    return this.refresh();
  }

  private refreshSoon(delayMs = GATHER_MS): void {
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      this.renew().catch((thrown: unknown) => this.refused(thrown));
    }, delayMs);
  }

  /** The reason to read the list is still there. */
  private refused(thrown: unknown): void {
    const { retryable, local, retryAfterMs } = asError(thrown);
    if (retryable && !local) this.refreshSoon(Math.max(this.backoff.next(), retryAfterMs));
  }

  private async readAll(): Promise<void> {
    const began = new Map([...this.entries].map(([key, entry]) => [key, idOf(entry)]));
    const { stale } = this;
    this.stale = new Set();
    const entries = await this.pages().catch((thrown: unknown) => {
      for (const key of stale) this.stale.add(key);
      throw thrown;
    });
    this.backoff.reset();
    for (const [key, old] of this.entries) {
      const entry = entries.get(key);
      keepNewer(entry, old);
      if (idOf(old) === began.get(key) || (entry && !stale.has(key))) continue;
      this.stale.add(key); // and it went on while the list was on its way
      this.refreshSoon();
    }
    this.entries = entries;
    this.changed();
  }

  private async pages(): Promise<Map<string, Entry>> {
    const entries = new Map<string, Entry>();
    let before = "";
    for (let more = true; more; ) {
      const answer = await this.call("contacts", { limit: PAGE, before });
      for (const contact of answer.contacts) {
        const entry = entryOf(contact);
        entries.set(keyOf(entry.conversation), entry);
        before = contact.last?.id ?? before;
      }
      this.complete = !answer.more;
      more = answer.more && entries.size < this.wanted;
    }
    return entries;
  }

  /** A message, or the recall of one. */
  message({ conversation, message, own, recalled }: MessageEvent): void {
    const entry = this.get(conversation);
    if (!entry || message.content?.body.case === "system") this.refreshSoon();
    if (!entry) return;
    const isNew = message.id > idOf(entry);
    if (isNew || message.id === entry.last?.id) entry.last = message;
    if (!own && message.sender && message.id > entry.read) {
      if (recalled) this.refreshSoon(); // whether it was counted, the server knows
      else if (isNew) {
        entry.unread++;
        if (isMentioned(message.content, this.user)) entry.mentions++;
      } else this.refreshSoon(); // it crossed one of ours: ids of two people are not in one order
    }
    this.changed();
  }

  /** Somebody has read a conversation: this user, or the other one. */
  read(conversation: Conversation, reader: string, id: string, unread: number): void {
    const entry = this.get(conversation);
    if (!entry) {
      if (this.reading) this.refreshSoon(); // what is on its way may be older than this
      return;
    }
    if (reader !== this.user) {
      if (id > entry.peerRead) entry.peerRead = id;
    } else if (id >= entry.read) {
      entry.read = id;
      entry.unread = unread;
      if (!unread) entry.mentions = 0;
      else if (entry.mentions) this.refreshSoon();
    }
    this.changed();
  }

  /** These were deleted, up to some message: which one, the list must tell. */
  deleted({ all, type, peer }: ConversationsPush): void {
    for (const key of all ? this.entries.keys() : [keyOf(conversationOf(type, peer))]) {
      this.stale.add(key);
    }
  }

  groups(): void {
    this.refreshSoon();
  }
}

const idOf = (entry: Entry): string => entry.last?.id ?? "";

function entryOf(contact: Contact): Entry {
  const { unread, mentions, muted, read, peerRead, profile, group, last } = contact;
  const conversation = conversationOf(contact.type, contact.peer);
  return { conversation, last, unread, mentions, muted, read, peerRead, profile, group };
}

/** What came while the list was on its way is newer than the list. */
function keepNewer(entry: Entry | undefined, old: Entry): void {
  if (!entry) return;
  if (idOf(old) > idOf(entry)) {
    entry.last = old.last;
    entry.unread = old.unread;
    entry.mentions = old.mentions;
  }
  if (old.last && idOf(old) === idOf(entry) && isRecalled(old.last)) entry.last = old.last;
  if (old.peerRead > entry.peerRead) entry.peerRead = old.peerRead;
  if (old.read > entry.read) {
    entry.read = old.read;
    entry.unread = old.unread;
  }
  entry.profile ??= old.profile;
}
