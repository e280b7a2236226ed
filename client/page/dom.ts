/** Making and updating elements. Text is only ever put in as text nodes. */

export type Child = Node | string | undefined | false;
type Value = string | number | boolean | undefined | ((event: never) => void);

/** An element; functions listen to the event of their name, `false` and undefined are left out. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Record<string, Value> = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value as EventListener);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== undefined && value !== false) element.setAttribute(name, String(value));
  }
  element.append(...kept(children));
  return element;
}

const kept = (children: readonly Child[]): (Node | string)[] =>
  children.filter((child): child is Node | string => child !== undefined && child !== false);

/** Puts these in place of what is there. */
export function fill(element: Element, ...children: Child[]): void {
  element.replaceChildren(...kept(children));
}

const SVG = "http://www.w3.org/2000/svg";

/** An icon drawn as one path on a 24 by 24 grid; nothing to a screen reader. */
export function icon(name: keyof typeof ICONS): SVGElement {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", `icon icon-${name}`);
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

const ICONS = {
  back: "M15 5l-7 7 7 7",
  send: "M4 12l16-8-6 16-3-7z",
  plus: "M12 5v14M5 12h14",
  more: "M5 12h.01M12 12h.01M19 12h.01",
  compose: "M4 20h4L19 9l-4-4L4 16zM13 7l4 4",
  down: "M6 9l6 6 6-6",
  check: "M5 13l4 4L19 7",
  checks: "M2 13l4 4L16 7M11 16l1 1L22 7",
  clock: "M12 7v5l3 2M12 3a9 9 0 100 18 9 9 0 000-18",
  alert: "M12 8v5M12 16.5v.01M12 3a9 9 0 100 18 9 9 0 000-18",
  pin: "M12 21s7-6.3 7-11.5a7 7 0 10-14 0C5 14.7 12 21 12 21zM12 12a2.5 2.5 0 100-5 2.5 2.5 0 000 5",
  file: "M6 3h8l4 4v14H6zM14 3v4h4",
  image: "M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4",
  bellOff: "M4 4l16 16M9 19h6M6 16h10M6 16c1-1 2-3 2-6M10 6c3-2 7 0 7 4 0 1 0 2 .3 3",
  close: "M6 6l12 12M18 6L6 18",
  group: "M9 11a3 3 0 100-6 3 3 0 000 6M3 19c0-3 2.7-5 6-5s6 2 6 5M16 5.200a3 3 0 010 5.6M17.5 14.3c2 .7 3.5 2.4 3.5 4.7",
} as const;

/** A button that shows an icon and is called by its label. */
export function iconButton(
  name: keyof typeof ICONS,
  label: string,
  click: (event: MouseEvent) => void,
  more: Record<string, Value> = {},
): HTMLButtonElement {
  return h(
    "button",
    { type: "button", class: "icon-button", "aria-label": label, title: label, click, ...more },
    icon(name),
  );
}

const shown = new WeakMap<Element, Map<string, Element>>();

/**
 * Makes the children of `parent` those of `items`, in their order: new ones are made, known ones
 * updated and moved only where they must be, so that focus and what is read aloud stay as they are.
 */
export function keyed<T, E extends Element>(
  parent: Element,
  items: readonly T[],
  keyOf: (item: T) => string,
  make: (item: T) => E,
  update: (element: E, item: T, index: number) => void,
): void {
  const before = shown.get(parent) ?? new Map<string, Element>();
  const after = new Map<string, Element>();
  items.forEach((item, index) => {
    const key = keyOf(item);
    const element = (before.get(key) as E | undefined) ?? make(item);
    after.set(key, element);
    update(element, item, index);
  });
  for (const [key, element] of before) if (after.get(key) !== element) element.remove();
  let next = parent.firstElementChild;
  for (const element of after.values()) {
    if (element === next) next = next.nextElementSibling;
    else parent.insertBefore(element, next);
  }
  shown.set(parent, after);
}
