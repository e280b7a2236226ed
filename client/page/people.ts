/** Names and pictures of users, as far as we have heard of them; and avatars made of them. */
import type { Profile } from "../js/src/index.js";
import { h } from "./dom.js";
import { t } from "./i18n.js";

const HUES = 8;

export class People {
  private readonly known = new Map<string, { name: string; avatar: string }>();

  /** Changes whenever a name or picture does. */
  version = 0;

  constructor(readonly self: string) {}

  learn(profile: Profile | undefined): void {
    if (!profile?.user) return;
    const name = profile.name || profile.user;
    const known = this.known.get(profile.user);
    if (known?.name === name && known.avatar === profile.avatar) return;
    this.known.set(profile.user, { name, avatar: profile.avatar });
    this.version++;
  }

  /** The name to show; the id of who is not known. */
  name(user: string): string {
    return user === this.self ? t("you") : this.nameOf(user);
  }

  /** The same, without "You". */
  nameOf(user: string): string {
    return this.known.get(user)?.name ?? user;
  }

  avatar(user: string): HTMLElement {
    return avatar(user, this.nameOf(user), this.known.get(user)?.avatar ?? "");
  }
}

/** A picture, or the first letter on a colour that stays the same. It is decoration: names follow. */
export function avatar(id: string, name: string, url: string, kind = ""): HTMLElement {
  let hash = 0;
  for (const char of id) hash = (hash * 31 + char.codePointAt(0)!) >>> 0;
  const element = h(
    "span",
    { class: `avatar hue-${hash % HUES} ${kind}`, "aria-hidden": "true" },
    [...name.trim()][0]?.toUpperCase() ?? "?",
  );
  if (url.startsWith("https://")) {
    const image = h("img", { src: url, alt: "", referrerpolicy: "no-referrer", loading: "lazy" });
    image.addEventListener("error", () => image.remove());
    element.append(image);
  }
  return element;
}
