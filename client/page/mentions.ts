/** "@" in a group's message: a list of members to choose from with arrows and Enter. */
import { h } from "./dom.js";
import { t } from "./i18n.js";
import type { People } from "./people.js";

const SHOWN_MAX = 8;
const ALL = "";

/** While an input method is open, keys are its own. Safari's Enter that ends one is told by its code. */
export const isComposing = (event: KeyboardEvent): boolean =>
  event.isComposing || event.keyCode === 229;

export class Mentions {
  readonly element: HTMLElement;
  private choices: { user: string; name: string }[] = [];
  private at = 0;

  /** `chosen` is written name to user id; the empty id is everybody. */
  constructor(
    private readonly text: HTMLTextAreaElement,
    private readonly chosen: Map<string, string>,
    private readonly people: People,
    private readonly members: () => { users: string[]; mayMentionAll: boolean },
  ) {
    this.element = h("ul", {
      class: "mentions",
      role: "listbox",
      id: "mentions",
      "aria-label": t("mentionList"),
      hidden: true,
    });
    text.setAttribute("aria-controls", "mentions");
    text.setAttribute("aria-autocomplete", "list");
    text.addEventListener("blur", () => setTimeout(() => this.left(), 150)); // a click comes first
  }

  /** What of this text goes into the message's fields. */
  of(text: string): { mentions: string[]; mentionAll: boolean } {
    const users = [...this.chosen].filter(([name]) => text.includes(name)).map(([, user]) => user);
    return { mentions: users.filter((user) => user !== ALL), mentionAll: users.includes(ALL) };
  }

  clear(): void {
    this.chosen.clear();
    this.hide();
  }

  /** Shows who fits to what stands before the caret. */
  look(): void {
    const typed = /(?:^|\s)@([^\s@]{0,32})$/.exec(this.text.value.slice(0, this.text.selectionStart));
    const { users, mayMentionAll } = this.members();
    if (!typed || !users.length) return this.hide();
    const wanted = typed[1]!.toLowerCase();
    const begins = ({ name }: { name: string }): boolean => name.toLowerCase().startsWith(wanted);
    const all = mayMentionAll ? [{ user: ALL, name: t("everybody") }] : [];
    this.choices = [
      ...all,
      ...users
        .filter((user) => user !== this.people.self)
        .map((user) => ({ user, name: this.people.nameOf(user) })),
    ]
      .filter(({ user, name }) => `${name} ${user}`.toLowerCase().includes(wanted))
      .sort((a, b) => Number(begins(b)) - Number(begins(a)))
      .slice(0, SHOWN_MAX);
    this.at = 0;
    this.show();
  }

  /** Whether the key was for the list. */
  key(event: KeyboardEvent): boolean {
    if (this.element.hidden || isComposing(event)) return false;
    const { length } = this.choices;
    if (event.key === "ArrowDown") this.at = (this.at + 1) % length;
    else if (event.key === "ArrowUp") this.at = (this.at + length - 1) % length;
    else if (event.key === "Escape") this.choices = [];
    else if (event.key === "Enter" || event.key === "Tab") this.choose(this.at);
    else return false;
    event.preventDefault();
    this.show();
    return true;
  }

  private show(): void {
    this.element.hidden = !this.choices.length;
    this.element.replaceChildren(
      ...this.choices.map(({ user, name }, index) =>
        h(
          "li",
          {
            role: "option",
            id: `mention-${index}`,
            "aria-selected": String(index === this.at),
            pointerdown: (event: PointerEvent) => {
              event.preventDefault(); // the focus stays
              this.choose(index);
            },
          },
          name,
          h("span", { class: "detail" }, user),
        ),
      ),
    );
    if (this.element.hidden) this.text.removeAttribute("aria-activedescendant");
    else this.text.setAttribute("aria-activedescendant", `mention-${this.at}`);
  }

  private choose(index: number): void {
    const choice = this.choices[index];
    if (!choice) return;
    const { value, selectionStart } = this.text;
    const start = value.lastIndexOf("@", selectionStart - 1);
    const written = `@${choice.name}`;
    this.text.setRangeText(`${written} `, start, selectionStart, "end");
    this.chosen.set(written, choice.user);
    this.hide();
    this.text.dispatchEvent(new Event("input")); // as if it had been typed
  }

  /** Who is back already goes on choosing: otherwise Enter would send what is half written. */
  private left(): void {
    if (document.activeElement !== this.text) this.hide();
  }

  private hide(): void {
    this.choices = [];
    this.show();
  }
}
