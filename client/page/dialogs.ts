/** Forms in dialogs, menus, and notices that go by themselves. */
import { h, iconButton } from "./dom.js";
import { t } from "./i18n.js";

export interface Field {
  name: string;
  label: string;
  type?: string;
  value?: string;
  hint?: string;
  optional?: boolean;
  /** Attributes of the input. */
  more?: Record<string, string | number | boolean>;
}

let dialogs = 0; // one may be over another: each has ids of its own

/** Shows a dialog over the page; its element goes when it is closed. */
export function openDialog(title: string, ...content: (Node | string)[]): HTMLDialogElement {
  const id = `dialog-${++dialogs}`;
  const heading = h("h2", { id }, title);
  const dialog = h(
    "dialog",
    { "aria-labelledby": id, close: () => dialog.remove() },
    h(
      "header",
      {},
      heading,
      iconButton("close", t("close"), () => dialog.close()),
    ),
    ...content,
  );
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close(); // beside it
  });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/** Asks before something that cannot be undone; the focus is on not doing it. */
export function confirm(title: string, text: string, action: string, act: () => void): void {
  const go = (): void => {
    dialog.close();
    act();
  };
  const stay = { type: "button", autofocus: true, click: () => dialog.close() };
  const dialog = openDialog(
    title,
    h("p", { id: "ask-first" }, text),
    h(
      "div",
      { class: "buttons" },
      h("button", stay, t("cancel")),
      h("button", { type: "button", class: "danger", click: go }, action),
    ),
  );
  dialog.setAttribute("role", "alertdialog");
  dialog.setAttribute("aria-describedby", "ask-first");
}

/** Asks for some values; `submit` says what was wrong with them, or closes the dialog. */
export function ask(
  title: string,
  fields: readonly Field[],
  action: string,
  submit: (values: Record<string, string>) => Promise<string | undefined> | string | undefined,
  ...extra: HTMLElement[]
): HTMLDialogElement {
  const problem = h("p", { class: "problem", role: "alert" });
  const inputs = new Map<string, HTMLInputElement>();
  const rows = fields.map((field, index) => {
    const id = `ask-${field.name}`;
    const input = h("input", {
      id,
      type: field.type ?? "text",
      value: field.value,
      required: !field.optional,
      autocomplete: "off",
      "aria-describedby": field.hint && `${id}-hint`,
      autofocus: index === 0,
      ...field.more,
    });
    inputs.set(field.name, input);
    return h(
      "div",
      { class: "field" },
      h("label", { for: id }, field.label),
      input,
      field.hint !== undefined && h("small", { id: `${id}-hint` }, field.hint),
    );
  });
  const go = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const values = Object.fromEntries(
      [...inputs].map(([name, input]) => [name, input.value.trim()]),
    );
    const wrong = await submit(values);
    if (wrong) problem.textContent = wrong;
    else dialog.close();
  };
  const form = h(
    "form",
    { submit: (event: SubmitEvent) => void go(event) },
    ...rows,
    ...extra,
    problem,
    h("div", { class: "buttons" }, h("button", { type: "submit", class: "primary" }, action)),
  );
  const dialog = openDialog(title, form);
  return dialog;
}

export interface Choice {
  label: string;
  act(): void;
  danger?: boolean;
}

/** A menu at a button: arrows move, Escape and a click elsewhere close it. */
export function openMenu(anchor: HTMLElement, choices: readonly Choice[]): void {
  document.querySelector(".menu")?.remove();
  const items = choices.map(({ label, act, danger }) =>
    h(
      "button",
      {
        type: "button",
        role: "menuitem",
        tabindex: -1,
        class: danger ? "danger" : undefined,
        click: () => {
          close();
          act();
        },
      },
      label,
    ),
  );
  const menu = h("div", { class: "menu", role: "menu", keydown: (event) => key(event) }, ...items);
  const close = (): void => {
    document.removeEventListener("pointerdown", outside, true);
    removeEventListener("resize", close);
    menu.remove();
    anchor.setAttribute("aria-expanded", "false");
    if (document.activeElement === document.body) anchor.focus();
  };
  const outside = (event: Event): void => {
    if (!menu.contains(event.target as Node)) close();
  };
  function key(event: KeyboardEvent): void {
    const at = items.indexOf(document.activeElement as HTMLButtonElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1 }[event.key];
    if (to !== undefined) items.at(to % items.length)?.focus();
    else if (event.key === "Escape" || event.key === "Tab") close();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
  document.body.append(menu);
  place(menu, anchor);
  anchor.setAttribute("aria-expanded", "true");
  document.addEventListener("pointerdown", outside, true);
  addEventListener("resize", close);
  items[0]?.focus();
}

/** Below the anchor, or above it where there is no room. */
function place(menu: HTMLElement, anchor: HTMLElement): void {
  const at = anchor.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = menu;
  const left = Math.max(8, Math.min(at.right - width, innerWidth - width - 8));
  const below = at.bottom + height + 8 < innerHeight;
  menu.style.left = `${left}px`;
  menu.style.top = `${below ? at.bottom + 4 : Math.max(8, at.top - height - 4)}px`;
}

let notices: HTMLElement | undefined;

/** Says something for a few seconds. */
export function notify(text: string): void {
  notices ??= h("div", { class: "notices", role: "status" });
  // A dialog is above everything that is not in it.
  const host = [...document.querySelectorAll("dialog[open]")].at(-1) ?? document.body;
  if (notices.parentElement !== host) host.append(notices);
  const notice = h("p", {}, text);
  notices.append(notice);
  setTimeout(() => notice.remove(), 5000);
}
