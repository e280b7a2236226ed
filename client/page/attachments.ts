/** What can be sent besides text: pictures by link, places, cards. */
import type { ContentInit, IMClient } from "../js/src/index.js";
import { ask, type Choice, notify } from "./dialogs.js";
import { h } from "./dom.js";
import { t } from "./i18n.js";
import type { People } from "./people.js";

type Send = (content: ContentInit) => void;

export function attachments(
  { client, people }: { client: IMClient; people: People },
  send: Send,
): Choice[] {
  return [
    { label: t("sendImage"), act: () => askImage(send) },
    { label: t("sendLocation"), act: () => askLocation(send) },
    { label: t("sendCard"), act: () => askCard(client, people, send) },
  ];
}

function askImage(send: Send): void {
  const field = { name: "ref", label: t("link"), type: "url" };
  const more = { pattern: "https://.+", placeholder: "https://" };
  ask(t("sendImage"), [{ ...field, more }], t("send"), ({ ref = "" }) => {
    const name = nameOf(ref);
    const kind = /\.(png|gif|webp|avif|svg)$/i.exec(name)?.[1]?.toLowerCase() ?? "jpeg";
    const mime = `image/${kind === "svg" ? "svg+xml" : kind}`;
    send({ body: { case: "image", value: { media: { ref, mime, name } } } });
    return undefined;
  });
}

/** The last part of a link, in letters where it is written in bytes. */
function nameOf(link: string): string {
  const last = link.split(/[?#]/)[0]!.split("/").pop() ?? "";
  try {
    return decodeURIComponent(last);
  } catch {
    return last; // a per cent sign of its own, as in "100%.png"
  }
}

function askLocation(send: Send): void {
  const number = { type: "number" };
  const mine = h("button", { type: "button", class: "link" }, t("useMine"));
  const dialog = ask(
    t("sendLocation"),
    [
      { name: "name", label: t("placeName"), optional: true, more: { maxlength: 80 } },
      { ...number, name: "latitude", label: t("latitude"), more: { min: -90, max: 90, step: "any" } },
      {
        ...number,
        name: "longitude",
        label: t("longitude"),
        more: { min: -180, max: 180, step: "any" },
      },
    ],
    t("send"),
    ({ name = "", latitude, longitude }) => {
      const value = { name, latitude: Number(latitude), longitude: Number(longitude) };
      send({ body: { case: "location", value } });
      return undefined;
    },
    mine,
  );
  mine.addEventListener("click", () => {
    navigator.geolocation.getCurrentPosition(
      ({ coords }) => {
        for (const name of ["latitude", "longitude"] as const) {
          dialog.querySelector<HTMLInputElement>(`#ask-${name}`)!.value = coords[name].toFixed(5);
        }
      },
      () => notify(t("noLocation")),
    );
  });
}

function askCard(client: IMClient, people: People, send: Send): void {
  const known = client.contacts.list.filter(({ conversation }) => conversation.type === "person");
  const list = h(
    "datalist",
    { id: "known-people" },
    ...known.map(({ conversation: { id } }) => h("option", { value: id }, people.nameOf(id))),
  );
  const field = { name: "user", label: t("user"), more: { list: "known-people", maxlength: 64 } };
  ask(
    t("sendCard"),
    [field],
    t("send"),
    ({ user = "" }) => {
      send({ body: { case: "card", value: { user, name: people.nameOf(user) } } });
      return undefined;
    },
    list,
  );
}
