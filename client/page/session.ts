/**
 * Who is logged in, in this tab alone: two tabs may be two users. The token lives in the tab's
 * storage and in `Authorization` headers, never in an address.
 */
import { randomId } from "../js/src/index.js";

export interface Session {
  user: string;
  name: string;
  token: string;
}

const SESSION = "im.session";
const DEVICE = "im.device";

export function load(): Session | undefined {
  const text = sessionStorage.getItem(SESSION);
  return text ? (JSON.parse(text) as Session) : undefined;
}

export function save(session: Session): void {
  sessionStorage.setItem(SESSION, JSON.stringify(session));
}

export function clear(): void {
  sessionStorage.removeItem(SESSION);
}

/**
 * This tab's device id: the same after a refresh, another one in a copy of the tab. While the page
 * is open it is not in the storage, which a copy would get too.
 */
export function deviceId(): string {
  const device = sessionStorage.getItem(DEVICE) ?? `page-${randomId()}`;
  sessionStorage.removeItem(DEVICE);
  addEventListener("pagehide", () => sessionStorage.setItem(DEVICE, device));
  addEventListener("pageshow", () => sessionStorage.removeItem(DEVICE));
  return device;
}

/** The user centre's refusal, by its code; `unreachable` when it does not answer. */
export class Refused extends Error {
  constructor(readonly code: string) {
    super(code);
  }
}

/** Calls to the user centre, which alone ever sees a password. */
export class UserCentre {
  constructor(private readonly url: string) {}

  async logIn(user: string, password: string): Promise<Session> {
    const { token } = await this.post("/login", { user, password });
    const profile = await this.post("/profile", {}, token).catch(() => ({ name: user }));
    return { user, name: profile.name || user, token: token ?? "" };
  }

  async signUp(user: string, password: string, name: string): Promise<void> {
    await this.post("/signup", { user, password, name: name || user });
  }

  async logOut(token: string): Promise<void> {
    await this.post("/logout", {}, token);
  }

  private async post(
    path: string,
    body: object,
    token = "",
  ): Promise<{ token?: string; name?: string }> {
    let response: Response;
    try {
      response = await fetch(this.url + path, {
        method: "POST",
        headers: {
          "Content-Type": "application/json",
          ...(token && { Authorization: `Bearer ${token}` }),
        },
        body: JSON.stringify(body),
        credentials: "omit",
        referrerPolicy: "no-referrer",
      });
    } catch {
      throw new Refused("unreachable");
    }
    const answer = (await response.json().catch(() => ({}))) as Record<string, string>;
    if (!response.ok) throw new Refused(answer["error"] ?? "unreachable");
    return answer;
  }
}
