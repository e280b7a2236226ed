/** Times, sizes, and what a message looks like in one line. */
import { homeOf, isRecalled, type Message, SystemKind, textOf } from "../js/src/index.js";
import { type Key, locale, t } from "./i18n.js";
import type { People } from "./people.js";

export const clock = (ms: number): string =>
  new Intl.DateTimeFormat(locale(), { hour: "2-digit", minute: "2-digit" }).format(ms);

/** A day in words: today, yesterday, the weekday, the date. */
export function day(ms: number, now = Date.now()): string {
  const start = new Date(now).setHours(0, 0, 0, 0);
  if (ms >= start) return t("today");
  if (ms >= start - 86_400_000) return t("yesterday");
  const recent = ms >= start - 6 * 86_400_000;
  return new Intl.DateTimeFormat(
    locale(),
    recent ? { weekday: "long" } : { year: "numeric", month: "short", day: "numeric" },
  ).format(ms);
}

/** The time of today, else the day. */
export function when(ms: number): string {
  return ms >= new Date().setHours(0, 0, 0, 0) ? clock(ms) : day(ms);
}

export function size(bytes: bigint): string {
  const units = ["B", "KiB", "MiB", "GiB"];
  let value = Number(bytes);
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${value < 10 && unit ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

export const duration = (ms: number): string => {
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
};

/** A message in one line, without its sender. */
export function summary(message: Message, people: People): string {
  if (isRecalled(message)) return recalled(message, people);
  const body = message.content?.body;
  switch (body?.case) {
    case "text":
      return textOf(message.content);
    case "system":
      return system(message, people);
    case "file":
      return `[${t("file")}] ${body.value.media?.name ?? ""}`;
    case "location":
      return `[${t("location")}] ${body.value.name}`;
    case "card":
      return `[${t("card")}] ${body.value.name || body.value.user}`;
    case "image":
    case "voice":
    case "video":
      return `[${t(body.case)}]`;
    case "custom":
      return body.value.summary || t("unknownMessage");
    default:
      return t("unknownMessage");
  }
}

export function recalled(message: Message, people: People): string {
  if (message.sender === people.self) return t("recalledByYou");
  return t("recalledBy", { name: people.name(message.sender) });
}

/** What happened to a group, in words. */
export function system(message: Message, people: People): string {
  const body = message.content?.body;
  if (body?.case !== "system") return "";
  const { kind, actor, users, mutedUntil } = body.value;
  const lifted = kind === SystemKind.MUTED && !mutedUntil;
  const key = `system_${lifted ? "UNMUTED" : SystemKind[kind]}` as Key;
  return t(kind in SystemKind && kind ? key : "unknownMessage", {
    actor: people.name(actor),
    users: users.map((user) => people.name(user)).join(", "),
  });
}

/** Of the message's conversation, as its sender is shown in the contact list. */
export function preview(message: Message, people: People): string {
  const line = summary(message, people);
  if (isRecalled(message) || !message.sender) return line;
  if (message.sender === people.self) return t("youPrefix", { text: line });
  const inGroup = homeOf(message, people.self).type === "group";
  return inGroup ? `${people.name(message.sender)}: ${line}` : line;
}
