/** What a message holds, as elements. References become links and pictures only when they are https. */
import { type IMClient, isRecalled, type Media, type Message } from "../js/src/index.js";
import { h, icon } from "./dom.js";
import { duration, recalled, size, summary, system } from "./format.js";
import { t } from "./i18n.js";
import { avatar, type People } from "./people.js";

const LINK = /https?:\/\/[^\s<>"'，。！？、）】]+[^\s<>"'，。！？、）】.,!?;:)\]]/g;

const PICTURE_PX = { width: 400, height: 320 };

export interface BodyContext {
  client: IMClient;
  people: People;
  openPerson(user: string): void;
}

export function bodyOf(message: Message, context: BodyContext): Node {
  const { people } = context;
  if (isRecalled(message)) return h("p", { class: "gone" }, recalled(message, people));
  const body = message.content?.body;
  switch (body?.case) {
    case "text":
      return h("p", { class: "text" }, ...linked(body.value.text, mentioned(message, people)));
    case "system":
      return h("p", {}, system(message, people));
    case "image":
      return image(body.value.media, body.value.thumbnail, body.value.width, body.value.height);
    case "voice":
      return player("audio", body.value.media, t("voice"), body.value.durationMs);
    case "video":
      return player("video", body.value.media, t("video"), body.value.durationMs);
    case "file":
      return fileChip(body.value.media, t("file"));
    case "location": {
      const { latitude, longitude, name, address } = body.value;
      const at = `${latitude.toFixed(5)}/${longitude.toFixed(5)}`;
      const [lat, lon] = at.split("/");
      const map = `https://www.openstreetmap.org/?mlat=${lat}&mlon=${lon}#map=16/${at}`;
      return h(
        "div",
        { class: "chip location" },
        icon("pin"),
        h(
          "div",
          {},
          h("strong", {}, name || t("location")),
          address !== "" && h("span", { class: "detail" }, address),
          link(map, t("openMap")),
        ),
      );
    }
    case "card": {
      const { user, name, avatar: picture } = body.value;
      return h(
        "div",
        { class: "chip card" },
        avatar(user, name || user, picture?.ref ?? ""),
        h(
          "div",
          {},
          h("strong", {}, name || user),
          h("span", { class: "detail" }, user),
          h(
            "button",
            { type: "button", class: "link", click: () => context.openPerson(user) },
            t("sendMessage"),
          ),
        ),
      );
    }
    default:
      return h("p", { class: "gone" }, summary(message, people));
  }
}

/** The names a message mentions, as its text writes them. */
function mentioned(message: Message, people: People): string[] {
  const names = (message.content?.mentions ?? []).map((user) => `@${people.nameOf(user)}`);
  if (message.content?.mentionAll) names.push("@everybody", "@所有人");
  return names;
}

/** The text with its links to follow and its mentions marked. */
function linked(text: string, mentions: readonly string[]): (Node | string)[] {
  const names = mentions.length ? anyOf(mentions) : undefined;
  const parts: (Node | string)[] = [];
  let from = 0;
  for (const match of text.matchAll(LINK)) {
    parts.push(...marked(text.slice(from, match.index), names), link(match[0], match[0]));
    from = match.index + match[0].length;
  }
  return [...parts, ...marked(text.slice(from), names)];
}

/** One of these names; of those that begin alike the longest is meant. */
function anyOf(names: readonly string[]): RegExp {
  const escaped = [...names]
    .sort((a, b) => b.length - a.length)
    .map((name) => name.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&"));
  return new RegExp(`(${escaped.join("|")})`);
}

/** In one pass, whatever others write. */
function marked(text: string, names: RegExp | undefined): (Node | string)[] {
  return (names ? text.split(names) : [text])
    .map((part, index) => (index % 2 ? h("span", { class: "mention" }, part) : part))
    .filter(Boolean);
}

function link(url: string, ...text: (Node | string)[]): HTMLAnchorElement {
  return h("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, ...text);
}

const isUrl = (media: Media | undefined): media is Media =>
  Boolean(media?.ref.startsWith("https://"));

function image(
  media: Media | undefined,
  thumbnail: Media | undefined,
  width: number,
  height: number,
): HTMLElement {
  if (!isUrl(media)) return fileChip(media, t("image"));
  const picture = h("img", {
    src: isUrl(thumbnail) ? thumbnail.ref : media.ref,
    alt: media.name || t("image"),
    loading: "lazy",
    referrerpolicy: "no-referrer",
    ...fitted(width, height),
  });
  const whole = h("div", { class: "picture" }, link(media.ref, picture));
  picture.addEventListener("error", () => whole.replaceWith(fileChip(media, t("notLoaded"))));
  return whole;
}

/** Room of the right shape before the picture is there, so that nothing jumps. */
function fitted(width: number, height: number): { width?: number; height?: number } {
  if (!width || !height) return {};
  const scale = Math.min(1, PICTURE_PX.width / width, PICTURE_PX.height / height);
  return { width: Math.round(width * scale), height: Math.round(height * scale) };
}

function player(
  kind: "audio" | "video",
  media: Media | undefined,
  label: string,
  ms: number,
): HTMLElement {
  if (!isUrl(media)) return fileChip(media, `${label} ${duration(ms)}`);
  return h(
    "div",
    { class: kind },
    h(kind, { src: media.ref, controls: true, preload: "none", "aria-label": label }),
    h("span", { class: "detail" }, duration(ms)),
  );
}

function fileChip(media: Media | undefined, label: string): HTMLElement {
  const name = media?.name || label;
  return h(
    "div",
    { class: "chip" },
    icon("file"),
    h(
      "div",
      {},
      isUrl(media) ? link(media.ref, name) : h("strong", {}, name),
      h(
        "span",
        { class: "detail" },
        media?.sizeBytes ? `${label} · ${size(media.sizeBytes)}` : label,
      ),
    ),
  );
}
