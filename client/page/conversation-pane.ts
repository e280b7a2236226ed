/** One conversation: its messages, read up to where they are seen, and what is written next. */
import {
  type Conversation,
  type Entry,
  type IMClient,
  IMError,
  type Timeline,
} from "../js/src/index.js";
import { Composer } from "./composer.js";
import { avatarOf, titleOf } from "./conversation-list.js";
import { openMenu } from "./dialogs.js";
import { fill, h, icon, iconButton, keyed } from "./dom.js";
import type { GroupDetails } from "./group-details.js";
import { t } from "./i18n.js";
import { messageChoices } from "./message-actions.js";
import { type Item, itemsOf } from "./items.js";
import { makeMessage, type MessageContext, updateMessage } from "./message-view.js";
import type { People } from "./people.js";
import type { Unsent, Written } from "./unsent.js";

/** So near to an end counts as there. */
const NEAR_PX = 120;
/** Before what a busy server did not answer is asked for again, at least. */
const AGAIN_MS = 1000;
const AGAIN_MS_MAX = 15_000;

export interface PaneContext {
  client: IMClient;
  people: People;
  unsent: Unsent;
  group: GroupDetails | undefined;
  open(conversation: Conversation): void;
  back(): void;
  menu(anchor: HTMLElement): void;
  subtitle(): string;
}

export class ConversationPane {
  readonly element: HTMLElement;
  readonly composer: Composer;
  private readonly timeline: Timeline;
  private readonly list = h("ol", { class: "messages" });
  private readonly scroller: HTMLElement;
  private readonly heading = h("div", { class: "heading" });
  private readonly empty = h("p", { class: "empty" });
  private readonly loading = h("p", { class: "loading", hidden: true }, t("older"));
  private readonly jump: HTMLButtonElement;
  private readonly messages: MessageContext;
  private loaded = false;
  private again: ReturnType<typeof setTimeout> | undefined;
  private tries = 0;
  private reading = "";
  private newCount = 0;
  private sticks = true;
  private stuckAt = 0;

  constructor(
    readonly conversation: Conversation,
    private readonly context: PaneContext,
  ) {
    const { client, people } = context;
    this.timeline = client.timeline(conversation);
    this.messages = {
      client,
      people,
      inGroup: conversation.type === "group",
      peerRead: () => this.entry?.peerRead ?? "",
      find: (id) => this.timeline.get(id),
      openPerson: (user) => context.open({ type: "person", id: user }),
      openActions: ({ message }, anchor) =>
        openMenu(
          anchor,
          messageChoices(message, {
            ...context,
            conversation,
            answer: (answered) => this.composer.answer(answered),
          }),
        ),
      retry: (key) => this.settle(() => context.unsent.retry(key, this.writtenNow())),
      remove: (key) => this.settle(() => context.unsent.remove(key)),
      goTo: (id) => this.goTo(id),
    };
    this.scroller = h(
      "div",
      {
        class: "scroller",
        tabindex: 0,
        role: "region",
        "aria-label": t("messages"),
        scroll: () => this.scrolled(),
      },
      this.loading,
      this.empty,
      this.list,
    );
    // Pictures come later, keyboards take room: who was at the end stays there.
    const sizes = new ResizeObserver(() => {
      if (this.stays) this.stick();
    });
    sizes.observe(this.list);
    sizes.observe(this.scroller);
    this.jump = h(
      "button",
      { type: "button", class: "jump", hidden: true, click: () => this.toEnd() },
      icon("down"),
      h("span", {}),
    );
    this.composer = new Composer({
      client,
      people,
      conversation,
      name: titleOf(conversation, this.entry, people),
      members: () => context.group?.forMentions ?? { users: [], mayMentionAll: false },
      send: (content) => {
        const written = this.writtenNow();
        context.unsent.wrote(client.send(conversation, content), written);
        this.render();
        this.toEnd();
      },
    });
    const more = iconButton("more", t("menu"), () => context.menu(more), {
      "aria-haspopup": "menu",
      "aria-expanded": "false",
    });
    this.element = h(
      "section",
      { class: "pane", "aria-label": titleOf(conversation, this.entry, people) },
      h(
        "header",
        {},
        iconButton("back", t("back"), () => context.back(), { class: "icon-button back" }),
        this.heading,
        more,
      ),
      h("div", { class: "middle" }, this.scroller, this.jump),
      this.composer.element,
    );
  }

  private get entry(): Entry | undefined {
    return this.context.client.contacts.get(this.conversation);
  }

  /** Reads the newest messages, unless they are there. */
  async load(): Promise<void> {
    if (this.loaded) return this.render();
    try {
      if (!this.timeline.isRead) await this.timeline.older();
      this.loaded = true;
      this.tries = 0;
      this.render();
      this.toEnd();
      await this.fillScreen();
    } catch (error) {
      // Without a connection the next one loads. A group that is not ours has nothing to show.
      if (error instanceof IMError && !error.retryable) this.loaded = true;
      else this.loadAgain(error instanceof IMError ? error.retryAfterMs : 0);
      this.render();
    }
  }

  private loadAgain(afterMs: number): void {
    clearTimeout(this.again);
    if (this.context.client.state !== "online" || !this.element.isConnected) return;
    const waitMs = Math.min(AGAIN_MS_MAX, AGAIN_MS * 2 ** this.tries++) * (1 + Math.random());
    this.again = setTimeout(() => void this.load(), Math.max(waitMs, afterMs));
  }

  /** Shows what there is, keeping the place where somebody reads. */
  render(): void {
    const { people } = this.context;
    const atEnd = this.stays;
    this.renderHeading();
    const items = this.items();
    keyed(this.list, items, (item) => item.key, makeMessage, (element, item, index) =>
      updateMessage(element, item, items[index - 1], this.messages),
    );
    this.empty.hidden = !this.loaded || items.length > 0;
    this.empty.textContent = t("emptyConversation");
    this.element.setAttribute("aria-label", titleOf(this.conversation, this.entry, people));
    if (atEnd) this.stick();
    this.showJump();
    this.markRead();
  }

  /** Something new was said; shown when it is rendered. */
  came(own: boolean): void {
    if (!this.isAtEnd && !own) this.newCount++;
  }

  /** Tells the server what was seen, while somebody looks. */
  markRead(): void {
    const { client, people } = this.context;
    if (document.visibilityState !== "visible" || !this.loaded || !this.isAtEnd) return;
    const newest = this.timeline.messages
      .filter(({ sender }) => sender && sender !== people.self)
      .at(-1);
    const { entry } = this;
    if (!newest || !entry || newest.id <= entry.read || newest.id === this.reading) return;
    this.reading = newest.id;
    client
      .read(this.conversation, newest.id)
      .catch(() => undefined) // tried again when we are connected again
      .finally(() => (this.reading = ""));
  }

  private items(): Item[] {
    const { unsent, people } = this.context;
    return itemsOf(this.timeline, unsent, people.self);
  }

  private writtenNow(): Written {
    return { ms: this.context.client.serverNow(), after: this.items().at(-1)?.key ?? "" };
  }

  /** Does something to a refused message; the focus was on it, and goes where one writes. */
  private settle(act: () => void): void {
    act();
    this.render();
    if (matchMedia("(pointer: coarse)").matches) this.scroller.focus();
    else this.composer.focus();
  }

  private renderHeading(): void {
    const { people, subtitle } = this.context;
    const { conversation, entry } = this;
    const title = titleOf(conversation, entry, people);
    const looks = `${title}\n${subtitle()}\n${people.version}`;
    if (this.heading.dataset["looks"] === looks) return;
    this.heading.dataset["looks"] = looks;
    fill(
      this.heading,
      avatarOf(conversation, entry, people),
      h(
        "div",
        {},
        h("h2", { title: conversation.id }, title),
        h("p", { class: "detail", "aria-live": "polite" }, subtitle()),
      ),
    );
  }

  private get isAtEnd(): boolean {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    return scrollHeight - scrollTop - clientHeight < NEAR_PX;
  }

  /** Whether it stays at the end. Who has just scrolled away is known before the event says so. */
  private get stays(): boolean {
    return this.sticks && (this.isAtEnd || this.scroller.scrollTop >= this.stuckAt);
  }

  private stick(): void {
    this.scroller.scrollTop = this.scroller.scrollHeight;
    this.stuckAt = this.scroller.scrollTop;
  }

  private toEnd(): void {
    this.sticks = true;
    this.stick();
    this.newCount = 0;
    this.showJump();
    this.markRead();
  }

  private showJump(): void {
    this.jump.hidden = this.isAtEnd;
    const text = this.newCount ? t("newMessages", { count: this.newCount }) : t("latest");
    this.jump.lastElementChild!.textContent = text;
  }

  private scrolled(): void {
    this.sticks = this.isAtEnd;
    if (this.isAtEnd && this.newCount) this.toEnd();
    this.showJump();
    if (this.isAtEnd) this.markRead();
    if (this.loaded && this.scroller.scrollTop < NEAR_PX) void this.loadOlder();
  }

  private async loadOlder(): Promise<void> {
    const { scroller, timeline } = this;
    if (!timeline.hasMore || !this.loading.hidden) return;
    this.loading.hidden = false;
    const fromEnd = scroller.scrollHeight - scroller.scrollTop;
    try {
      await timeline.older();
      this.render();
    } catch {
      // scrolling on tries again
    } finally {
      this.loading.hidden = true;
      scroller.scrollTop = scroller.scrollHeight - fromEnd;
    }
  }

  private async fillScreen(): Promise<void> {
    const { scroller, timeline } = this;
    if (timeline.hasMore && scroller.scrollHeight <= scroller.clientHeight) await this.loadOlder();
  }

  private goTo(id: string): void {
    const element = this.list.querySelector<HTMLElement>(`[data-id="${id}"]`);
    element?.scrollIntoView({ block: "center" });
    element?.classList.add("flash");
    setTimeout(() => element?.classList.remove("flash"), 1500);
  }
}
