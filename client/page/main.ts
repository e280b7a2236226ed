/** Where the page begins: the log-in, or the chat of who is logged in. */
import { Chat } from "./chat.js";
import { fill } from "./dom.js";
import { locale, switchLanguage, t } from "./i18n.js";
import { loginView } from "./login.js";
import { clear, deviceId, load, save, UserCentre } from "./session.js";

const url = document.querySelector<HTMLMetaElement>('meta[name="im-usercenter"]')?.content ?? "";
const centre = new UserCentre(url.replace(/\/+$/, ""));
const device = deviceId();
let chat: Chat | undefined;

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
  chat = new Chat({
    session,
    device,
    switchLanguage: turn,
    logOut: () => {
      clear();
      location.hash = "";
      show();
      centre.logOut(session.token).catch(() => undefined); // it ends by itself some time
    },
    refused: () => {
      clear();
      show(t("loggedOut"));
    },
  });
  fill(document.body, chat.element);
}

show();
