/** One message on the screen: who, what, when, how far it got, and what can be done with it. */
import { isMentioned, isRecalled, type Message } from "../js/src/index.js";
import { hidden } from "./conversation-list.js";
import { fill, h, icon, iconButton } from "./dom.js";
import { clock, day, summary } from "./format.js";
import { reason, t } from "./i18n.js";
import type { Item } from "./items.js";
import { type BodyContext, bodyOf } from "./message-body.js";

export interface MessageContext extends BodyContext {
  inGroup: boolean;
  peerRead(): string;
  find(id: string): Message | undefined;
  openActions(item: Item, anchor: HTMLElement): void;
  /** Send a refused one again; forget it. */
  retry(sendKey: string): void;
  remove(sendKey: string): void;
  goTo(id: string): void;
}

const TOGETHER_MS = 300_000;
/** So much of a message tells a screen reader which one is meant. */
const ABOUT_MAX = 40;

export const makeMessage = (): HTMLLIElement => h("li", { class: "message" });

/** Makes the element show the item; `before` is the one above it. */
export function updateMessage(
  element: HTMLLIElement,
  item: Item,
  before: Item | undefined,
  context: MessageContext,
): void {
  const { message, progress } = item;
  const { people } = context;
  const own = message.sender === people.self;
  const ms = Number(message.sendTime);
  const newDay = !before || day(ms) !== day(Number(before.message.sendTime));
  const isSystem = !message.sender;
  const follows =
    !newDay &&
    before.message.sender === message.sender &&
    ms - Number(before.message.sendTime) < TOGETHER_MS;
  const status =
    own && !isRecalled(message) ? statusOf(progress, message.id, context) : undefined;
  const quoted = message.content?.replyTo ? context.find(message.content.replyTo) : undefined;
  const looks = [
    isRecalled(message), newDay && day(ms), follows, status?.name, people.version, !!quoted,
    quoted && isRecalled(quoted),
  ].join();
  if (element.dataset["looks"] === looks) return;
  element.dataset["looks"] = looks;
  element.dataset["id"] = message.id;
  element.className = ["message", own && "own", follows && "follows", isSystem && "system"]
    .filter(Boolean)
    .join(" ");
  const body = bodyOf(message, context);
  const divider = newDay && h("div", { class: "day" }, h("span", {}, day(ms)));
  if (isSystem || isRecalled(message)) {
    element.classList.add("system");
    fill(element, divider, h("div", { class: "notice" }, body));
    return;
  }
  const name = people.name(message.sender);
  const aimed = !own && isMentioned(message.content, people.self);
  fill(
    element,
    divider,
    h(
      "div",
      { class: "row" },
      !own && context.inGroup && people.avatar(message.sender),
      h(
        "div",
        { class: aimed ? "bubble aimed" : "bubble" },
        context.inGroup && !own && !follows
          ? h("span", { class: "author" }, name)
          : hidden(`${name}: `),
        quoted && quote(quoted, context),
        body,
        h(
          "span",
          { class: "foot" },
          h("time", { datetime: new Date(ms).toISOString() }, clock(ms)),
          status?.element,
        ),
      ),
      progress === "stored" &&
        iconButton(
          "more",
          t("actions"),
          (event) => context.openActions(item, event.currentTarget as HTMLElement),
          { class: "icon-button actions", "aria-haspopup": "menu", "aria-expanded": "false" },
        ),
    ),
    typeof progress === "object" && refusal(item, progress.code, context),
  );
}

/** Why a message was not sent, and what can be done about it. */
function refusal({ message, sendKey = "" }: Item, code: string, context: MessageContext): HTMLElement {
  const about = summary(message, context.people).slice(0, ABOUT_MAX);
  const button = (label: string, click: () => void): HTMLElement =>
    h("button", { type: "button", class: "link", "aria-label": `${label}: ${about}`, click }, label);
  return h(
    "div",
    { class: "refusal" },
    h("p", { class: "problem" }, t("failed", { why: reason(code) })),
    h(
      "div",
      {},
      button(t("retry"), () => context.retry(sendKey)),
      button(t("removeUnsent"), () => context.remove(sendKey)),
    ),
  );
}

function quote(message: Message, { people, goTo }: MessageContext): HTMLElement {
  return h(
    "button",
    { type: "button", class: "quote", click: () => goTo(message.id) },
    h("strong", {}, people.name(message.sender)),
    h("span", {}, summary(message, people)),
  );
}

function statusOf(
  progress: Item["progress"],
  id: string,
  context: MessageContext,
): { name: string; element: HTMLElement } {
  const isRead = !context.inGroup && id !== "" && id <= context.peerRead();
  const [name, picture] =
    progress === "sending"
      ? (["sending", "clock"] as const)
      : progress !== "stored"
        ? (["failed", "alert"] as const)
        : isRead
          ? (["read", "checks"] as const)
          : (["sent", "check"] as const);
  const text = name === "failed" ? "" : t(name);
  return {
    name,
    element: h("span", { class: `status ${name}`, title: text }, icon(picture), hidden(text)),
  };
}
