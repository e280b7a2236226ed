/** One message on the screen: who, what, when, how far it got, and what can be done with it. */
import {
  create,
  type IMError,
  isMentioned,
  isRecalled,
  type Message,
  MessageSchema,
  type Pending,
} from "../js/src/index.js";
import { hidden } from "./conversation-list.js";
import { fill, h, icon, iconButton } from "./dom.js";
import { clock, day, summary } from "./format.js";
import { reason, t } from "./i18n.js";
import { type BodyContext, bodyOf } from "./message-body.js";

/** A message, stored or on its way. */
export interface Item {
  key: string;
  message: Message;
  progress: "stored" | "sending" | IMError;
}

export interface MessageContext extends BodyContext {
  inGroup: boolean;
  peerRead(): string;
  find(id: string): Message | undefined;
  openActions(item: Item, anchor: HTMLElement): void;
  goTo(id: string): void;
}

const TOGETHER_MS = 300_000;

export const itemOf = (message: Message): Item => ({
  key: message.sender && message.sequence ? `${message.sender} ${message.sequence}` : message.id,
  message,
  progress: "stored",
});

/** A send that is not acknowledged, as a message; it sorts behind all that are. */
export function pendingItem(pending: Pending, user: string, ms: number, error?: IMError): Item {
  const { sequence, conversation, content } = pending;
  const receiver = conversation.id;
  const sendTime = BigInt(Math.round(ms));
  const message = create(MessageSchema, { sender: user, receiver, sequence, content, sendTime });
  return { key: `${user} ${sequence}`, message, progress: error ?? "sending" };
}

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
    typeof progress === "object" &&
      h("p", { class: "problem" }, t("failed", { why: reason(progress.code) })),
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
