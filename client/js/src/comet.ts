/** Comet: long polls down, short calls up. Works wherever a POST does. */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { Adapter } from "./adapter.js";
import { Pause } from "./backoff.js";
import type { Call, Push } from "./commands.js";
import { asError, errorOf, type IMError } from "./errors.js";
import * as im from "./gen/im_pb.js";
import type { Link, LinkHandlers, LinkOptions, Opening } from "./link.js";
import { ShortLink } from "./shortlink.js";

const WAIT_S = 25;
/** With time to answer: behind that the network is dead, and silent about it. */
const POLL_TIMEOUT_MS = (WAIT_S + 10) * 1000;
/** Events between two polls are told to nobody: so often what they may have told is asked for. */
const CHECK_MS = (WAIT_S - 1) * 1000;
/** Before a poll is repeated that told nothing we could get rid of, or that failed. */
const PAUSE_MS = 1000;
const FAILURES_MAX = 2;

const EVENTS = {
  read: "push_read",
  conversations: "push_conversations",
  typing: "push_typing",
  resync: "push_resync",
  goAway: "push_go_away",
  groups: "push_groups",
} as const;

/** Asks for the versions, which tells whether the token is taken, and begins to poll. */
export async function openComet(
  adapter: Adapter,
  options: LinkOptions,
  handlers: LinkHandlers,
): Promise<[Link, Opening]> {
  const short = new ShortLink(adapter, options.url, options.token, options.timeoutMs);
  const { version, groupsVersion } = await short.call("versions", {});
  const link = new CometLink(short, options, handlers, version);
  // Not before the client knows of the link; its cursor may still be without a value.
  setTimeout(() => void link.run());
  return [link, { version, groupsVersion, heartbeatS: 0 }];
}

class CometLink implements Link {
  readonly transport = "comet";
  readonly call: Call;
  private ended = false;
  private readonly pause = new Pause();
  private told: bigint | undefined;
  private checkedMs = Date.now();

  constructor(
    private readonly short: ShortLink,
    private readonly options: LinkOptions,
    private readonly handlers: LinkHandlers,
    private readonly version: bigint,
  ) {
    this.call = short.call;
  }

  close(): void {
    this.ended = true;
    this.pause.cut();
    this.short.close();
  }

  async run(): Promise<void> {
    let failures = 0;
    while (!this.ended) {
      try {
        await this.poll();
        failures = 0;
      } catch (thrown) {
        const error = asError(thrown);
        if (this.ended) return;
        if (!error.retryable || ++failures > FAILURES_MAX) return this.end(error);
        await this.pause.wait(Math.max(PAUSE_MS * Math.random(), error.retryAfterMs));
      }
    }
  }

  private async poll(): Promise<void> {
    const since = this.options.cursor() ?? this.version;
    const ours = this.options.groupsVersion();
    const request = create(im.CometRequestSchema, {
      since,
      waitS: WAIT_S,
      platform: this.options.platform,
      device: this.options.device,
      // What was told once and did not change us is not asked for again at once.
      ...(ours === undefined || this.told !== undefined ? {} : { groupsVersion: ours }),
    });
    this.told = undefined;
    const body = toBinary(im.CometRequestSchema, request);
    const answer = fromBinary(
      im.CometResponseSchema,
      await this.short.post("/comet", body, POLL_TIMEOUT_MS, "comet"),
    );
    if (this.ended) return;
    const error = errorOf(answer.error);
    if (error) throw error;
    this.take(since, answer);
    this.check();
    if (answer.groupsVersion !== undefined) {
      this.told = answer.groupsVersion;
      this.handlers.groupsVersion(answer.groupsVersion);
      await this.pause.wait(PAUSE_MS / 4); // let group_sync answer first
      if (this.options.groupsVersion() !== ours) this.told = undefined;
    }
  }

  private take(since: bigint, answer: im.CometResponse): void {
    const { push } = this.handlers;
    if (answer.messages.length) {
      const { messages } = answer;
      push({
        name: "push_messages",
        body: create(im.MessagesPushSchema, { messages, previous: since }),
      });
    }
    if (answer.since > since) this.handlers.reached(answer.since);
    for (const body of answer.groupMessages) push({ name: "push_messages", body });
    for (const { body } of answer.events) {
      if (body.case) push({ name: EVENTS[body.case], body: body.value } as Push);
    }
  }

  /** Has what was read or deleted on another device looked for, as if a push had told of it. */
  private check(): void {
    const passedMs = Date.now() - this.checkedMs;
    if (passedMs >= 0 && passedMs < CHECK_MS) return;
    this.checkedMs = Date.now();
    const body = create(im.ConversationsPushSchema, { changed: true });
    this.handlers.push({ name: "push_conversations", body });
  }

  private end(error: IMError): void {
    if (this.ended) return;
    this.close();
    this.handlers.closed(error);
  }
}
