/**
 * What somebody wrote that the server has not stored: sends that wait, and sends that were refused.
 * Only in memory, but longer than a client: over another language, and over a log-in that ended.
 */
import { type Conversation, type IMClient, type IMError, keyOf, type Pending } from "../js/src/index.js";

/** When something was written, and behind which item of its conversation; empty: the first. */
export interface Written {
  ms: number;
  after: string;
}

export interface Refused {
  pending: Pending;
  error: IMError;
}

export class Unsent {
  private client: IMClient | undefined;
  private kept: Pending[] = [];
  private readonly refused = new Map<string, Refused>();
  private readonly written = new Map<string, Written>();

  /** Goes on with this client; the same sequences keep anything from being stored twice. */
  attach(client: IMClient): void {
    this.client = client;
    for (const { conversation, content, key, sequence } of this.kept.splice(0)) {
      client.send(conversation, content, { key, sequence });
    }
    client.on("acked", ({ key }) => this.written.delete(key));
  }

  /** The client has ended. */
  detach(): void {
    this.kept = this.waiting;
    this.client = undefined;
  }

  get waiting(): Pending[] {
    return this.client?.pending ?? this.kept;
  }

  get count(): number {
    return this.waiting.length + this.refused.size;
  }

  wrote(key: string, written: Written): void {
    this.written.set(key, written);
  }

  writtenOf(key: string): Written {
    return this.written.get(key) ?? { ms: Date.now(), after: "" };
  }

  waitingIn(conversation: Conversation): Pending[] {
    return this.waiting.filter((one) => keyOf(one.conversation) === keyOf(conversation));
  }

  /** Oldest first. */
  refusedIn(conversation: Conversation): Refused[] {
    return [...this.refused.values()].filter(
      ({ pending }) => keyOf(pending.conversation) === keyOf(conversation),
    );
  }

  refuse(pending: Pending, error: IMError): void {
    this.refused.set(pending.key, { pending, error });
  }

  /** Sends a refused one again, as the same. */
  retry(key: string, written: Written): void {
    const found = this.refused.get(key);
    if (!found || !this.client) return;
    const { conversation, content, sequence } = found.pending;
    this.remove(key);
    this.wrote(key, written);
    this.client.send(conversation, content, { key, sequence });
  }

  /** Forgets a refused one. What was written behind it is behind what it was written behind. */
  remove(key: string): void {
    const sequence = this.refused.get(key)?.pending.sequence;
    const { after } = this.writtenOf(key);
    this.refused.delete(key);
    this.written.delete(key);
    for (const one of this.written.values()) if (one.after.endsWith(` ${sequence}`)) one.after = after;
  }
}
