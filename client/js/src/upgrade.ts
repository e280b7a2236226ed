/**
 * The way back to a better endpoint: one that failed once, so that a worse one is in use. It is
 * looked at now and then, and where it answers, the client moves there when nothing is under way.
 */
import type { Adapter, Socket } from "./adapter.js";
import { Backoff } from "./backoff.js";
import type { Candidates, Endpoint } from "./endpoints.js";

const IDLE_AGAIN_MS = 500;

export interface UpgradeHooks {
  adapter: Adapter;
  candidates: Candidates;
  timeoutMs: number;
  /** Least and most time between two looks; each one in vain doubles it. */
  lookMs: readonly [least: number, most: number];
  /** Whether nothing is under way that a move would break off. */
  isIdle(): boolean;
  /** Hang up and dial again. */
  move(): void;
}

export class Upgrade {
  private readonly backoff: Backoff;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private current: Endpoint | undefined;

  constructor(private readonly hooks: UpgradeHooks) {
    this.backoff = new Backoff(...hooks.lookMs);
  }

  /** This endpoint is in use now. */
  begin(current: Endpoint): void {
    this.current = { ...current }; // another one each time: a look at an earlier one is over
    if (this.hooks.candidates.before(current).length) this.later(this.backoff.next());
    else this.backoff.reset();
  }

  /** None is. */
  end(): void {
    this.current = undefined;
    clearTimeout(this.timer);
  }

  private later(ms: number): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.look(), ms);
  }

  private async look(): Promise<void> {
    const { candidates } = this.hooks;
    const { current } = this;
    for (const endpoint of current ? candidates.before(current) : []) {
      const answers = await this.answers(endpoint);
      if (this.current !== current) return;
      if (!answers) continue;
      candidates.forgive(endpoint);
      return this.moveWhenIdle();
    }
    this.later(this.backoff.next());
  }

  private moveWhenIdle(): void {
    if (this.hooks.isIdle()) return this.hooks.move();
    this.timer = setTimeout(() => this.moveWhenIdle(), IDLE_AGAIN_MS);
  }

  /** A socket is opened to see; whether streams get through is only seen by moving. */
  private answers({ transport, url }: Endpoint): Promise<boolean> {
    if (transport !== "websocket") return Promise.resolve(true);
    return new Promise((resolve) => {
      let socket: Socket | undefined;
      const end = (answers: boolean): void => {
        clearTimeout(timer);
        resolve(answers);
        socket?.close();
      };
      const timer = setTimeout(() => end(false), this.hooks.timeoutMs);
      const handlers = {
        onOpen: () => end(true),
        onMessage: () => undefined,
        onClose: () => end(false),
      };
      try {
        socket = this.hooks.adapter.openSocket!(url, handlers);
      } catch {
        end(false); // as a browser does for an address it does not let through
      }
    });
  }
}
