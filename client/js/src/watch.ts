/**
 * Whose presence the application shows: told by push where the connection has subscriptions, else
 * asked for now and then.
 */
import type { Call } from "./commands.js";
import type { Presence } from "./gen/im_pb.js";
import type { TransportName } from "./link.js";

/** Users of one request. */
const USERS_MAX = 100;
const ASK_MS = 15_000;

export interface WatchHooks {
  call: Call;
  /** Of the link in use. */
  transport(): TransportName | undefined;
  presence(presence: Presence): void;
}

export class Watch {
  private users: readonly string[] = [];
  private readonly known = new Map<string, string>();
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly hooks: WatchHooks) {}

  /** These users from now on, and no others. */
  set(users: readonly string[]): void {
    const gone = this.users.filter((user) => !users.includes(user));
    this.users = [...new Set(users)];
    this.known.clear();
    if (gone.length && this.hooks.transport() === "websocket") {
      this.hooks.call("presence_unsubscribe", { users: gone }).catch(() => undefined);
    }
    this.begin();
  }

  /** A link is there, or another one. */
  begin(): void {
    clearTimeout(this.timer);
    if (this.users.length) void this.ask(this.users);
  }

  end(): void {
    clearTimeout(this.timer);
  }

  take(presence: Presence | undefined): void {
    if (!presence) return;
    const state = `${presence.online} ${presence.lastSeen}`;
    if (this.known.get(presence.user) === state) return;
    this.known.set(presence.user, state);
    this.hooks.presence(presence);
  }

  private async ask(asked: readonly string[]): Promise<void> {
    const pushes = this.hooks.transport() === "websocket";
    const command = pushes ? "presence_subscribe" : "presence";
    let again = !pushes;
    try {
      for (let from = 0; from < asked.length; from += USERS_MAX) {
        const users = asked.slice(from, from + USERS_MAX);
        const { presences } = await this.hooks.call(command, { users });
        for (const presence of presences) this.take(presence);
      }
    } catch {
      again = true; // it is only nice to know
    }
    if (!again || asked !== this.users || !this.hooks.transport()) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.begin(), ASK_MS * (0.8 + 0.4 * Math.random()));
  }
}
