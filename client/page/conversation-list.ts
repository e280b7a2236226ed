/** The contact list: who wrote last, what, when, and how much of it is unread. */
import { type Conversation, type Entry, type IMClient, keyOf } from "../js/src/index.js";
import { fill, h, icon, keyed } from "./dom.js";
import { preview, when } from "./format.js";
import { t } from "./i18n.js";
import { avatar, type People } from "./people.js";

export interface ListContext {
  client: IMClient;
  people: People;
  open(conversation: Conversation): void;
  isTyping(user: string): boolean;
  start(): void;
}

/** The name a conversation goes by. */
export function titleOf(
  conversation: Conversation,
  entry: Entry | undefined,
  people: People,
): string {
  if (conversation.type === "person") return people.nameOf(conversation.id);
  return entry?.group?.name || conversation.id;
}

export function avatarOf(
  conversation: Conversation,
  entry: Entry | undefined,
  people: People,
): HTMLElement {
  if (conversation.type === "person") return people.avatar(conversation.id);
  const { id } = conversation;
  return avatar(id, entry?.group?.name || id, entry?.group?.avatar ?? "", "square");
}

export class ConversationList {
  readonly element: HTMLElement;
  private readonly list = h("ul", { class: "conversations" });
  private readonly empty = h("div", { class: "empty" });
  private readonly filter: HTMLInputElement;
  private readonly startButton: HTMLElement;
  private current: Conversation | undefined;

  constructor(private readonly context: ListContext) {
    const start = { type: "button", class: "primary narrow-only", click: () => context.start() };
    this.startButton = h("button", start, t("newChat"));
    this.filter = h("input", {
      type: "search",
      class: "filter",
      placeholder: t("search"),
      "aria-label": t("search"),
      input: () => this.render(),
    });
    this.list.addEventListener("scroll", () => this.loadMore());
    this.element = h("div", { class: "list" }, this.filter, this.list, this.empty);
  }

  select(conversation: Conversation | undefined): void {
    this.current = conversation;
    this.render();
  }

  render(): void {
    const { client, people } = this.context;
    for (const { profile } of client.contacts.list) people.learn(profile);
    const wanted = this.filter.value.trim().toLowerCase();
    const entries = client.contacts.list.filter(({ conversation }) => {
      if (!wanted) return true;
      const title = titleOf(conversation, client.contacts.get(conversation), people);
      return `${title} ${conversation.id}`.toLowerCase().includes(wanted);
    });
    keyed(
      this.list,
      entries,
      ({ conversation }) => keyOf(conversation),
      (entry) => this.make(entry),
      (element, entry) => this.update(element, entry),
    );
    this.empty.hidden = entries.length > 0 || client.state === "connecting";
    fill(
      this.empty,
      h("p", {}, t(wanted ? "emptyFilter" : "emptyList")),
      !wanted && h("p", { class: "detail" }, t("emptyListHint")),
      !wanted && this.startButton,
    );
  }

  private loadMore(): void {
    const { scrollTop, scrollHeight, clientHeight } = this.list;
    const { contacts } = this.context.client;
    if (scrollHeight - scrollTop - clientHeight < 200 && contacts.hasMore) {
      contacts.more().catch(() => undefined); // scrolling on tries again
    }
  }

  private make({ conversation }: Entry): HTMLLIElement {
    return h(
      "li",
      {},
      h("button", {
        type: "button",
        class: "conversation",
        click: () => this.context.open(conversation),
      }),
    );
  }

  private update(element: HTMLLIElement, entry: Entry): void {
    const { people } = this.context;
    const { conversation, last, unread, mentions, muted } = entry;
    const button = element.firstElementChild as HTMLButtonElement;
    const isCurrent = this.current !== undefined && keyOf(conversation) === keyOf(this.current);
    button.toggleAttribute("aria-current", isCurrent);
    if (isCurrent) button.setAttribute("aria-current", "true");
    const typing = conversation.type === "person" && this.context.isTyping(conversation.id);
    const title = titleOf(conversation, entry, people);
    const line = typing ? t("typing") : last ? preview(last, people) : "";
    const time = last ? when(Number(last.sendTime)) : "";
    const looks = [title, line, time, unread, mentions, muted, typing].join("\n");
    if (button.dataset["looks"] === looks) return;
    button.dataset["looks"] = looks;
    fill(
      button,
      avatarOf(conversation, entry, people),
      h("span", { class: "title" }, title),
      h("time", { class: "detail" }, time),
      h(
        "span",
        { class: typing ? "line typing" : "line" },
        mentions > 0 && h("span", { class: "mention" }, `${t("mentioned")} `),
        line,
      ),
      h(
        "span",
        { class: "marks" },
        muted && h("span", { class: "muted", title: t("muted") }, icon("bellOff"), hidden(t("muted"))),
        unread > 0 &&
          h(
            "span",
            { class: muted ? "badge quiet" : "badge" },
            h("span", { "aria-hidden": "true" }, unread > 99 ? "99+" : String(unread)),
            hidden(t("unread", { count: unread })),
          ),
      ),
    );
  }
}

/** Text for screen readers alone. */
export const hidden = (text: string): HTMLElement => h("span", { class: "hidden-text" }, text);
