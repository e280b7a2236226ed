/** Where a message is written: text, mentions, an answer to another message, attachments. */
import {
  type ContentInit,
  type Conversation,
  type IMClient,
  keyOf,
  type Message,
} from "../js/src/index.js";
import { attachments } from "./attachments.js";
import { openMenu } from "./dialogs.js";
import { fill, h, icon, iconButton } from "./dom.js";
import { summary } from "./format.js";
import { t } from "./i18n.js";
import { isComposing, Mentions } from "./mentions.js";
import type { People } from "./people.js";

const TYPING_EVERY_MS = 3000;
/** What was written but not sent, whom it mentions, and what it answers. */
interface Draft {
  text: string;
  mentions: Map<string, string>;
  replyTo: Message | undefined;
}

/** By user and conversation; only in memory. */
const drafts = new Map<string, Draft>();

/** Nobody finds what this user wrote. */
export function forgetDrafts(user: string): void {
  for (const key of drafts.keys()) if (key.startsWith(`${user} `)) drafts.delete(key);
}

export interface ComposerOptions {
  client: IMClient;
  people: People;
  conversation: Conversation;
  name: string;
  /** Of a group: its members, and whether this user may mention everybody. */
  members(): { users: string[]; mayMentionAll: boolean };
  send(content: ContentInit): void;
}

export class Composer {
  readonly element: HTMLFormElement;
  private readonly text: HTMLTextAreaElement;
  private readonly answering = h("div", { class: "answering", hidden: true });
  private readonly mentions: Mentions;
  private readonly draft: Draft;
  private typedAt = 0;

  constructor(private readonly options: ComposerOptions) {
    const { people, conversation } = options;
    const key = `${people.self} ${keyOf(conversation)}`;
    this.draft = drafts.get(key) ?? { text: "", mentions: new Map(), replyTo: undefined };
    drafts.set(key, this.draft);
    const label = t("writeTo", { name: options.name });
    this.text = h("textarea", {
      rows: 1,
      "aria-label": label,
      placeholder: t("write"),
      autocomplete: "off",
      enterkeyhint: "send",
      keydown: (event: KeyboardEvent) => this.key(event),
      input: () => this.typed(),
    });
    this.mentions = new Mentions(this.text, this.draft.mentions, people, options.members);
    const attach = iconButton("plus", t("attach"), () => openMenu(attach, this.choices()), {
      "aria-haspopup": "menu",
      "aria-expanded": "false",
    });
    const submit = (event: SubmitEvent): void => {
      event.preventDefault();
      this.submit();
    };
    this.element = h(
      "form",
      { class: "composer", submit },
      this.answering,
      this.mentions.element,
      attach,
      this.text,
      h(
        "button",
        { type: "submit", class: "icon-button send", "aria-label": t("send"), title: t("send") },
        icon("send"),
      ),
    );
    this.text.value = this.draft.text;
    this.showAnswered();
    requestAnimationFrame(() => this.grow());
  }

  focus(): void {
    this.text.focus();
  }

  /** The members of the group are known now, or others. */
  membersChanged(): void {
    if (document.activeElement === this.text) this.mentions.look();
  }

  answer(message: Message | undefined): void {
    this.draft.replyTo = message;
    this.showAnswered();
    if (message) this.focus();
  }

  private showAnswered(): void {
    const { people } = this.options;
    const { replyTo: message } = this.draft;
    this.answering.hidden = !message;
    if (!message) return;
    fill(
      this.answering,
      h(
        "div",
        {},
        h("strong", {}, t("replyTo", { name: people.name(message.sender) })),
        h("span", {}, summary(message, people)),
      ),
      iconButton("close", t("cancel"), () => this.answer(undefined)),
    );
  }

  private choices(): { label: string; act(): void }[] {
    return attachments(this.options, (content) => this.send(content));
  }

  private key(event: KeyboardEvent): void {
    if (this.mentions.key(event)) return;
    if (event.key === "Enter" && !event.shiftKey && !isComposing(event)) {
      event.preventDefault();
      this.submit();
    } else if (event.key === "Escape" && this.draft.replyTo) {
      this.answer(undefined);
    }
  }

  private typed(): void {
    const { client, conversation } = this.options;
    this.grow();
    this.mentions.look();
    this.draft.text = this.text.value;
    if (conversation.type !== "person" || client.state !== "online") return;
    if (!this.text.value) this.stopTyping();
    else if (Date.now() - this.typedAt > TYPING_EVERY_MS) {
      this.typedAt = Date.now();
      client.typing(conversation);
    }
  }

  private stopTyping(): void {
    const { client, conversation } = this.options;
    if (this.typedAt && conversation.type === "person") client.typing(conversation, true);
    this.typedAt = 0;
  }

  private submit(): void {
    const text = this.text.value.trim();
    if (!text) return this.focus();
    this.send({ body: { case: "text", value: { text } }, ...this.mentions.of(text) });
    this.text.value = this.draft.text = "";
    this.mentions.clear();
    this.stopTyping();
    this.grow();
    this.focus();
  }

  private send(content: ContentInit): void {
    this.options.send({ ...content, replyTo: this.draft.replyTo?.id ?? "" } as ContentInit);
    this.answer(undefined);
  }

  private grow(): void {
    const { style } = this.text;
    style.height = "auto";
    style.height = `${Math.min(this.text.scrollHeight, 160)}px`;
  }
}
