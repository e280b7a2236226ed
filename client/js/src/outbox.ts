/**
 * Sends that are not acknowledged yet, in memory. Each is sent again under the same sequence until
 * the server has stored or refused it; those of a conversation one after the other, so that they
 * arrive in the order in which they were written.
 */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Backoff, Pause } from "./backoff.js";
import type { Call } from "./commands.js";
import { asError, type IMError, misused } from "./errors.js";
import { type ContentSchema, type Message, MessageSchema } from "./gen/im_pb.js";
import { randomId } from "./ids.js";
import { type Conversation, keyOf, wireType } from "./model.js";

export type ContentInit = MessageInitShape<typeof ContentSchema>;

export interface Pending {
  /** The application's own name for it. */
  key: string;
  /** What the server knows it by, whatever happens to its answers. */
  sequence: string;
  conversation: Conversation;
  content: ContentInit;
}

/** A send as the message it becomes; without an id until it is stored. */
export function messageOf(
  { sequence, content, conversation }: Pending,
  sender: string,
  sendTimeMs: number,
  id = "",
): Message {
  return create(MessageSchema, {
    id,
    sequence,
    content,
    sender,
    receiver: conversation.id,
    sendTime: BigInt(Math.round(sendTimeMs)),
    type: wireType(conversation),
  });
}

export interface OutboxHooks {
  call: Call;
  isConnected(): boolean;
  acked(pending: Pending, id: string, sendTimeMs: number): void;
  failed(pending: Pending, error: IMError): void;
}

export class Outbox {
  private readonly queues = new Map<string, Queue>();

  constructor(private readonly hooks: OutboxHooks) {}

  /** Queues a send and returns its key. */
  add(
    conversation: Conversation,
    content: ContentInit,
    sequence = randomId(),
    key = sequence,
  ): string {
    if (this.find(key)) throw misused("this key is waiting already");
    const name = keyOf(conversation);
    let queue = this.queues.get(name);
    if (!queue) this.queues.set(name, (queue = new Queue(this.hooks)));
    queue.pending.push({ key, sequence, conversation, content });
    void queue.pump();
    return key;
  }

  /** What waits, oldest first within a conversation. */
  all(): Pending[] {
    return [...this.queues.values()].flatMap((queue) => queue.pending);
  }

  find(key: string): Pending | undefined {
    return this.all().find((pending) => pending.key === key);
  }

  /** A link is there: send what waits. */
  wake(): void {
    for (const queue of this.queues.values()) queue.wake();
  }

  /** The message came back to us before its answer did. */
  stored(sequence: string, id: string, sendTimeMs: number): void {
    for (const queue of this.queues.values()) queue.stored(sequence, id, sendTimeMs);
  }
}

class Queue {
  readonly pending: Pending[] = [];
  private readonly pause = new Pause();
  private readonly backoff = new Backoff(500, 30_000);
  private pumping = false;

  constructor(private readonly hooks: OutboxHooks) {}

  wake(): void {
    this.backoff.reset();
    this.pause.cut();
    void this.pump();
  }

  stored(sequence: string, id: string, sendTimeMs: number): void {
    const pending = this.pending.find((one) => one.sequence === sequence);
    if (pending && this.remove(pending)) this.hooks.acked(pending, id, sendTimeMs);
  }

  async pump(): Promise<void> {
    if (this.pumping) return;
    this.pumping = true;
    try {
      while (this.pending.length && this.hooks.isConnected()) await this.sendFirst();
    } finally {
      this.pumping = false;
    }
  }

  private async sendFirst(): Promise<void> {
    const first = this.pending[0]!;
    const { conversation, content, sequence } = first;
    try {
      const { id, sendTime } = await this.hooks.call("send", {
        receiver: conversation.id,
        type: wireType(conversation),
        sequence,
        content,
      });
      this.backoff.reset();
      if (this.remove(first)) this.hooks.acked(first, id, Number(sendTime));
    } catch (thrown) {
      const error = asError(thrown);
      if (error.retryable) {
        const gone = !this.hooks.isConnected();
        if (!gone) await this.pause.wait(Math.max(this.backoff.next(), error.retryAfterMs));
      } else if (!error.refusesToken && this.remove(first)) {
        this.hooks.failed(first, error);
      }
    }
  }

  /** Whether it was still there. */
  private remove(pending: Pending): boolean {
    const index = this.pending.indexOf(pending);
    if (index >= 0) this.pending.splice(index, 1);
    return index >= 0;
  }
}
