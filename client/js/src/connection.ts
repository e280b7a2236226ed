/**
 * Keeps one link to the server: dials the endpoints in turn, comes back after growing, jittered
 * delays, pings as told, and stays away when it was sent away for good.
 */
import type { Adapter } from "./adapter.js";
import { Backoff, Pause } from "./backoff.js";
import type { Call, Push } from "./commands.js";
import { type Attempt, dial, type Dialled } from "./dial.js";
import { asError, closed, errorOf, IMError } from "./errors.js";
import { Candidates, type Endpoint, readEndpoints, urlsOf } from "./endpoints.js";
import type { GoAwayPush } from "./gen/im_pb.js";
import type { Link, LinkOptions, Opening } from "./link.js";
import { TRANSPORTS } from "./options.js";
import { Upgrade } from "./upgrade.js";

/** A link that lasted this long was a good one: delays start small again. */
const GOOD_MS = 5000;
/** The server closes when it has answered what is under way; longer we do not wait. */
const GOING_MS = 5000;
/** How long an event may take on its way when a ping's answer is here already. */
const STREAM_MS = 3000;
/** So many tokens in a row may be refused before we stop asking for another. */
const REFUSALS_MAX = 3;
/** Why a link ends that a better one follows. */
const MOVED = closed("a better endpoint answers");

export interface ConnectionOptions {
  adapter: Adapter;
  endpoints: readonly Endpoint[];
  /** A token; `refused` is one the server did not take, and not to be given again. */
  token(refused: string | undefined): Promise<string> | string;
  user: string;
  platform: string;
  device: string;
  timeoutMs: number;
  /** Whether to connect where a server that goes away says. */
  followAddresses: boolean;
  backoffMs: readonly [least: number, most: number];
  /** Least and most time between looks for a better endpoint than the one in use. */
  lookMs: readonly [least: number, most: number];
}

/** `link`: since it is the one in use. */
type Try = Attempt & { link?: Link };

export interface ConnectionHooks extends Pick<LinkOptions, "cursor" | "groupsVersion"> {
  connecting(): void;
  /** A link is there; downlinks follow. */
  opened(opening: Opening): void;
  push(push: Push): void;
  reached(version: bigint): void;
  versions(version: bigint | undefined, groupsVersion: bigint): void;
  /** The link ended; another one is tried after `delayMs`. */
  lost(error: IMError, delayMs: number): void;
  /** Not coming back by itself; without an error when it was asked to stop. */
  ended(error: IMError | undefined): void;
}

export class Connection {
  link: Link | undefined;
  private running = 0; // which run is the current one; 0: none
  private runs = 0;
  private token = "";
  private refused: string | undefined;
  private refusals = 0;
  private delayMs: number | undefined; // as the server advised
  private lose: ((error: IMError) => void) | undefined;
  private streamed = 0; // downlinks so far
  private calls = 0; // under way
  private hurried = false; // somebody asked for a link while one was being dialled
  private redial: (() => void) | undefined;
  private readonly pause = new Pause();
  private readonly backoff: Backoff;
  private readonly candidates: Candidates;
  private readonly upgrade: Upgrade;

  constructor(
    private readonly options: ConnectionOptions,
    private readonly hooks: ConnectionHooks,
  ) {
    this.backoff = new Backoff(...options.backoffMs);
    this.candidates = new Candidates(options.endpoints);
    this.upgrade = new Upgrade({
      ...options,
      candidates: this.candidates,
      isIdle: () => !this.calls && this.delayMs === undefined,
      move: () => this.lose?.(MOVED),
    });
  }

  start(): void {
    if (this.running) return;
    this.running = ++this.runs;
    this.refusals = 0;
    this.hurried = false;
    this.backoff.reset();
    void this.run(this.running);
  }

  /** Hangs up and does not come back. */
  stop(error?: IMError): void {
    if (!this.running) return;
    this.running = 0;
    this.lose?.(error ?? closed("hung up"));
    this.redial?.();
    this.pause.cut();
    this.hooks.ended(error);
  }

  /** The environment says that the network came (try at once) or went. */
  network(online: boolean): void {
    if (!online) return this.lose?.(closed("the network is gone"));
    this.redial?.(); // what was dialled without a network may hang for long
    void this.check();
  }

  /** Asks the server whether it is still there, and for what was missed. */
  async check(): Promise<void> {
    const { link } = this;
    if (!link) {
      this.hurried = true;
      return this.pause.cut();
    }
    try {
      const pong = await link.call("ping", {});
      if (link !== this.link) return;
      if (link.transport === "events") this.checkStream(link, pong.version);
      this.hooks.versions(pong.version, pong.groupsVersion);
    } catch (thrown) {
      const error = asError(thrown);
      // Who refuses is there, and busy.
      if (link === this.link && (error.local || error.refusesToken)) this.lose?.(error);
    }
  }

  /** Pings go another way than the stream: one that does not say what a ping knows is dead. */
  private checkStream(link: Link, version: bigint): void {
    const before = this.streamed;
    if (version <= (this.hooks.cursor() ?? version)) return;
    setTimeout(() => {
      if (link === this.link && this.streamed === before) this.lose?.(closed("a silent stream"));
    }, STREAM_MS);
  }

  readonly call: Call = async (name, request) => {
    const { link } = this;
    if (!link) throw closed("not connected");
    this.calls++;
    try {
      return await link.call(name, request);
    } catch (thrown) {
      const error = asError(thrown);
      // Who does not answer in so long is not there any more; a refused token is refused for all.
      const over = error.local && error.code === "TIMEOUT";
      if (link === this.link && (over || error.refusesToken)) this.lose?.(error);
      throw error;
    } finally {
      this.calls--;
    }
  };

  private async run(run: number): Promise<void> {
    while (run === this.running) {
      this.hooks.connecting();
      let error: IMError;
      try {
        const dialled = await this.connect(run);
        const since = Date.now(); // dialling may take long, and says nothing for the link
        error = await this.serve(dialled);
        if (Date.now() - since > GOOD_MS) this.backoff.reset();
      } catch (thrown) {
        error = asError(thrown);
      }
      if (run !== this.running) return;
      if (error === MOVED) continue;
      if (this.isFinal(error)) return this.stop(error);
      const advisedMs = this.delayMs ?? Math.max(this.backoff.next(), error.retryAfterMs);
      const delayMs = this.hurried ? 0 : advisedMs;
      this.delayMs = undefined;
      this.hurried = false;
      this.hooks.lost(error, delayMs);
      await this.pause.wait(delayMs);
      this.hurried = false;
    }
  }

  /** Whether to stay away: sent away, revoked, or refused for a reason that will not pass. */
  private isFinal(error: IMError): boolean {
    if (error.code !== "UNAUTHENTICATED") return !error.retryable;
    if (this.token === this.refused) return true; // there is none but this
    this.refused = this.token;
    return ++this.refusals >= REFUSALS_MAX;
  }

  /** A link; begins anew when `redial` is called meanwhile. Rejects when nothing answers. */
  private async connect(run: number): Promise<Dialled<Try>> {
    try {
      for (;;) {
        let given = false;
        const again = new Promise<undefined>((resolve) => {
          this.redial = () => {
            given = true;
            resolve(undefined);
          };
        });
        const isWanted = (): boolean => !given && run === this.running;
        const dialled = await Promise.race([this.dial(isWanted), again]);
        if (dialled && isWanted()) return dialled;
        dialled?.link.close();
        if (run !== this.running) throw closed("hung up");
      }
    } finally {
      if (run === this.running) this.redial = undefined;
    }
  }

  private async dial(isWanted: () => boolean): Promise<Dialled<Try>> {
    const { options, hooks, candidates } = this;
    const token = await options.token(this.refused);
    if (!isWanted()) throw closed("given up");
    this.token = token;
    if (token === this.refused) {
      throw new IMError("UNAUTHENTICATED", "there is no token but a refused one", false);
    }
    const { cursor, groupsVersion } = hooks;
    const asked = { ...options, token, cursor, groupsVersion };
    return dial(options.adapter, candidates, asked, () => this.begin(), isWanted);
  }

  /** What a link calls; one that was given up is not heard. */
  private begin(): Try {
    const isInUse = (): boolean => attempt.link !== undefined && attempt.link === this.link;
    const attempt: Try = {
      early: [],
      handlers: {
        push: (push) => (isInUse() ? this.take(push) : attempt.early.push(push)),
        reached: (version) => isInUse() && this.hooks.reached(version),
        groupsVersion: (version) => isInUse() && this.hooks.versions(undefined, version),
        closed: (error) => isInUse() && this.lose?.(error),
      },
    };
    return attempt;
  }

  /** Resolves with the reason when the link is over. */
  private serve({ endpoint, link, opening, attempt }: Dialled<Try>): Promise<IMError> {
    if (opening.user !== undefined && opening.user !== this.options.user) {
      link.close();
      throw new IMError("FORBIDDEN", "the token is another user's", false);
    }
    return new Promise((resolve) => {
      const beat = this.heartbeat(opening.heartbeatS);
      this.link = attempt.link = link;
      this.lose = (error) => {
        this.link = this.lose = undefined;
        this.upgrade.end();
        clearInterval(beat);
        link.close();
        resolve(error);
      };
      this.refused = undefined;
      this.refusals = 0;
      this.hurried = false;
      this.upgrade.begin(endpoint);
      this.hooks.opened(opening);
      for (const push of attempt.early) if (link === this.link) this.take(push);
    });
  }

  private heartbeat(seconds: number): ReturnType<typeof setInterval> | undefined {
    if (!seconds) return undefined;
    return setInterval(() => void this.check(), seconds * 1000 * (0.9 + 0.1 * Math.random()));
  }

  private take(push: Push): void {
    this.streamed++;
    if (push.name === "push_kicked") {
      this.lose?.(errorOf(push.body.error) ?? new IMError("KICKED", "", false));
    } else if (push.name === "push_go_away") {
      this.goAway(push.body);
    } else {
      this.hooks.push(push);
    }
  }

  private goAway({ delayMs, addresses, backups }: GoAwayPush): void {
    const { lose, link, options } = this;
    this.delayMs = delayMs;
    if (options.followAddresses && options.endpoints[0]) {
      const urls = urlsOf([...addresses, ...backups], options.endpoints[0].url);
      this.candidates.prefer(readEndpoints(urls, options.adapter, TRANSPORTS));
    }
    const go = (): void => {
      if (lose === this.lose) lose?.(closed("the server stops"));
    };
    setTimeout(go, link?.transport === "comet" ? 0 : GOING_MS);
  }
}
