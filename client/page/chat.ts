/** The page while somebody is logged in: the list, the open conversation, and how we are connected. */
import {
  type Conversation,
  IMClient,
  IMError,
  keyOf,
  type MessageEvent,
  type Pending,
  webAdapter,
} from "../js/src/index.js";
import { conversationChoices } from "./conversation-actions.js";
import { ConversationList, titleOf } from "./conversation-list.js";
import { ConversationPane } from "./conversation-pane.js";
import { type Choice, notify, openMenu } from "./dialogs.js";
import { fill, h, icon, iconButton } from "./dom.js";
import { preview, when } from "./format.js";
import { GroupDetails } from "./group-details.js";
import { reason, t } from "./i18n.js";
import { parseRoute, routeOf } from "./routes.js";
import { People } from "./people.js";
import type { Session } from "./session.js";
import { startChoices } from "./start.js";
import type { Unsent } from "./unsent.js";

const TYPING_SHOWN_MS = 6000;

export interface ChatOptions {
  session: Session;
  device: string;
  unsent: Unsent;
  switchLanguage(): void;
  logOut(): void;
  /** The token is not taken any more. */
  refused(): void;
}

export class Chat {
  readonly element: HTMLElement;
  private readonly client: IMClient;
  private readonly people: People;
  private readonly list: ConversationList;
  private readonly typing = new Map<string, ReturnType<typeof setTimeout>>();
  private readonly presence = new Map<string, { online: boolean; lastSeenMs: number }>();
  private readonly status = h("p", { class: "connection", role: "status" });
  private readonly kicked = h("div", { class: "kicked", role: "alert", hidden: true });
  private readonly announcer = h("div", { class: "hidden-text", "aria-live": "polite" });
  private readonly main = h("main", {});
  private readonly cleanups: (() => void)[] = [];
  private pane: ConversationPane | undefined;
  private group: GroupDetails | undefined;
  private rendering: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly options: ChatOptions) {
    const { session, device } = options;
    const { user, token } = session;
    this.client = new IMClient({
      user,
      token: () => token,
      device,
      adapter: webAdapter(),
      url: location.origin,
      backoffMs: [500, 15_000], // somebody is looking
    });
    this.people = new People(user);
    this.list = new ConversationList({
      client: this.client,
      people: this.people,
      open: (conversation) => this.open(conversation),
      isTyping: (id) => this.typing.has(id),
      start: () => this.startChoices()[0]!.act(),
    });
    this.element = this.layout();
    this.listen();
    options.unsent.attach(this.client);
    this.route();
    this.client.start();
  }

  /** Ends everything, for another language or another user. */
  close(): void {
    this.client.stop();
    clearTimeout(this.rendering);
    this.options.unsent.detach();
    for (const cleanup of this.cleanups) cleanup();
  }

  private layout(): HTMLElement {
    const { session } = this.options;
    const start = iconButton("compose", t("newChat"), () => openMenu(start, this.startChoices()), {
      "aria-haspopup": "menu",
      "aria-expanded": "false",
    });
    const menu = iconButton("more", t("menu"), () => openMenu(menu, this.ownChoices()), {
      "aria-haspopup": "menu",
      "aria-expanded": "false",
    });
    this.people.learn({ user: session.user, name: session.name, avatar: "" } as never);
    return h(
      "div",
      { class: "chat" },
      h(
        "nav",
        { class: "sidebar", "aria-label": t("conversations") },
        h(
          "header",
          {},
          this.people.avatar(session.user),
          h("div", { class: "heading" }, h("h1", {}, session.name), this.status),
          start,
          menu,
        ),
        this.kicked,
        this.list.element,
      ),
      this.main,
      this.announcer,
    );
  }

  private startChoices(): Choice[] {
    return startChoices(this.client, (conversation) => this.open(conversation));
  }

  private ownChoices(): Choice[] {
    return [
      { label: t("language"), act: () => this.options.switchLanguage() },
      { label: t("logOut"), act: () => this.options.logOut() },
    ];
  }

  // ------------------------------------------------------------ what happens

  private listen(): void {
    const { client } = this;
    const listen = (target: EventTarget, name: string, listener: () => void): void => {
      target.addEventListener(name, listener);
      this.cleanups.push(() => target.removeEventListener(name, listener));
    };
    client.on("state", ({ state, retryMs }) => {
      this.showState(state, retryMs ?? 0);
      if (state === "online") this.online();
    });
    client.on("kicked", ({ error }) => this.sentAway(error));
    client.on("contacts", () => this.renderSoon());
    client.on("message", (event) => this.message(event));
    client.on("acked", () => this.renderSoon());
    client.on("failed", ({ pending, error }) => this.refused(pending, error));
    client.on("typing", ({ user, stopped }) => this.showTyping(user, stopped));
    client.on("presence", ({ user, online, lastSeenMs }) => {
      this.presence.set(user, { online, lastSeenMs });
      this.pane?.render();
    });
    client.on("groups", (change) => {
      if ("requests" in change) notify(t("requests"));
      void this.group?.read();
    });
    listen(window, "hashchange", () => this.route());
    listen(document, "visibilitychange", () => {
      if (document.visibilityState !== "visible") return;
      void client.check();
      this.pane?.markRead();
    });
  }

  private online(): void {
    void this.pane?.load();
    void this.group?.read();
  }

  private message({ conversation, message, own, recalled }: MessageEvent): void {
    const isOpen = this.pane && keyOf(this.pane.conversation) === keyOf(conversation);
    this.showTyping(message.sender, true);
    if (isOpen) {
      this.pane!.came(own);
      this.renderSoon();
      if (message.content?.body.case === "system") void this.group?.read();
    }
    if (own || recalled || !message.sender) return;
    const entry = this.client.contacts.get(conversation);
    if (entry?.muted) return;
    const line = preview(message, this.people);
    this.announce(`${titleOf(conversation, entry, this.people)}: ${line}`);
  }

  /** Has a screen reader say it, also when it is what was said last. */
  private announce(text: string): void {
    fill(this.announcer, h("p", {}, text));
  }

  private refused(pending: Pending, error: IMError): void {
    this.options.unsent.refuse(pending, error);
    this.pane?.render();
    this.announce(t("failed", { why: reason(error.code) }));
  }

  private showTyping(user: string, stopped: boolean): void {
    clearTimeout(this.typing.get(user));
    if (stopped) {
      if (!this.typing.delete(user)) return;
    } else {
      this.typing.set(user, setTimeout(() => this.showTyping(user, true), TYPING_SHOWN_MS));
    }
    this.render();
  }

  private showState(state: IMClient["state"], retryMs: number): void {
    this.element.dataset["state"] = state;
    // A short gap is not worth a word.
    const text = state === "connecting" && this.status.textContent ? "" : t(state);
    if (text) this.status.textContent = text;
    if (state === "offline" && retryMs < 1000) this.status.textContent = t("connecting");
    this.list.render();
    this.pane?.render();
  }

  private sentAway(error: IMError): void {
    if (error.refusesToken) return this.options.refused();
    const again = h("button", { type: "button", class: "primary" }, t("comeBack"));
    again.addEventListener("click", () => {
      this.kicked.hidden = true;
      this.client.start();
    });
    fill(this.kicked, h("p", {}, error.code === "KICKED" ? t("kicked") : reason(error.code)), again);
    this.kicked.hidden = false;
  }

  /** Once for all that comes together. Not with the next frame: a hidden page has a title, too. */
  private renderSoon(): void {
    this.rendering ??= setTimeout(() => this.render());
  }

  private render(): void {
    clearTimeout(this.rendering);
    this.rendering = undefined;
    this.list.render();
    this.pane?.render();
    const unread = this.client.contacts.list
      .filter(({ muted }) => !muted)
      .reduce((sum, entry) => sum + entry.unread, 0);
    document.title = unread ? `(${unread}) ${t("appName")}` : t("appName");
  }

  // ------------------------------------------------------------ the open conversation

  private open(conversation: Conversation): void {
    location.hash = routeOf(conversation);
  }

  private route(): void {
    const conversation = parseRoute(location.hash);
    const { pane } = this;
    if (pane && conversation && keyOf(pane.conversation) === keyOf(conversation)) return;
    this.element.classList.toggle("open", conversation !== undefined);
    this.list.select(conversation);
    this.pane = this.group = undefined;
    this.client.watch(conversation?.type === "person" ? [conversation.id] : []);
    if (!conversation) {
      const start = h("button", { type: "button", class: "primary" }, t("newChat"));
      start.addEventListener("click", () => this.startChoices()[0]!.act());
      fill(this.main, h("div", { class: "empty" }, icon("compose"), h("p", {}, t("pickOne")), start));
      return;
    }
    if (conversation.type === "group") {
      this.group = new GroupDetails(conversation.id, this.client, this.people, () => {
        this.pane?.render();
        this.pane?.composer.membersChanged();
      });
    }
    this.pane = new ConversationPane(conversation, {
      client: this.client,
      people: this.people,
      unsent: this.options.unsent,
      group: this.group,
      open: (other) => this.open(other),
      back: () => (location.hash = ""),
      menu: (anchor) =>
        openMenu(anchor, conversationChoices(conversation, this.client, this.group)),
      subtitle: () => this.subtitle(conversation),
    });
    fill(this.main, this.pane.element);
    if (this.client.state === "online") this.online();
    else this.pane.render();
    if (!matchMedia("(pointer: coarse)").matches) this.pane.composer.focus();
  }

  private subtitle({ type, id }: Conversation): string {
    const { state } = this.client;
    if (state !== "online") return this.status.textContent || t(state);
    if (type === "group") return this.group?.info ? t("membersCount", { count: this.group.count }) : "";
    if (this.typing.has(id)) return t("typing");
    const seen = this.presence.get(id);
    if (seen?.online) return t("onlineNow");
    return seen?.lastSeenMs ? t("lastSeen", { time: when(seen.lastSeenMs) }) : "";
  }
}
