/** Where the page begins: the log-in, or the chat of who is logged in. */
import { Chat } from "./chat.js";
import { forgetDrafts } from "./composer.js";
import { confirm } from "./dialogs.js";
import { fill } from "./dom.js";
import { locale, switchLanguage, t } from "./i18n.js";
import { loginView } from "./login.js";
import { clear, deviceId, load, save, type Session, UserCentre } from "./session.js";
import { Unsent } from "./unsent.js";

const url = document.querySelector<HTMLMetaElement>('meta[name="im-usercenter"]')?.content ?? "";
const centre = new UserCentre(url.replace(/\/+$/, ""));
const device = deviceId();
/** By user: of who must log in again, it waits for them. */
const unsent = new Map<string, Unsent>();
let chat: Chat | undefined;

function unsentOf(user: string): Unsent {
  const found = unsent.get(user) ?? new Unsent();
  unsent.set(user, found);
  return found;
}

addEventListener("beforeunload", (event) => {
  for (const { waiting } of unsent.values()) if (waiting.length) event.preventDefault();
});

function show(notice = ""): void {
  chat?.close();
  chat = undefined;
  document.documentElement.lang = locale();
  document.title = t("appName");
  const session = load();
  const turn = (): void => {
    switchLanguage();
    show();
  };
  if (!session) {
    const view = loginView({
      centre,
      notice,
      done: (entered) => {
        save(entered);
        show();
      },
      switchLanguage: turn,
    });
    fill(document.body, view);
    view.querySelector("input")?.focus();
    return;
  }
  const { user } = session;
  const written = unsentOf(user);
  chat = new Chat({
    session,
    device,
    unsent: written,
    switchLanguage: turn,
    logOut: () => {
      if (!written.count) return logOut(session);
      const text = t("logOutUnsent", { count: written.count });
      confirm(t("logOut"), text, t("logOut"), () => logOut(session));
    },
    refused: () => {
      clear();
      const count = written.waiting.length;
      show(count ? t("loggedOutUnsent", { user, count }) : t("loggedOut"));
    },
  });
  fill(document.body, chat.element);
}

function logOut({ user, token }: Session): void {
  clear();
  location.hash = "";
  show();
  unsent.delete(user);
  forgetDrafts(user);
  centre.logOut(token).catch(() => undefined); // it ends by itself some time
}

show();
