/** Beginning something: a conversation, a group, or coming into one. */
import {
  type Conversation,
  group,
  type IMClient,
  IMError,
  person,
  randomId,
} from "../js/src/index.js";
import { ask, type Choice } from "./dialogs.js";
import { usersOf } from "./group-details.js";
import { reason, t } from "./i18n.js";

type Open = (conversation: Conversation) => void;

export function startChoices(client: IMClient, open: Open): Choice[] {
  return [
    { label: t("newChat"), act: () => askPerson(open) },
    { label: t("newGroup"), act: () => askGroup(client, open) },
    { label: t("joinGroup"), act: () => askJoin(client, open) },
  ];
}

const idField = { autocapitalize: "none", spellcheck: "false", maxlength: 64 };

function askPerson(open: Open): void {
  ask(t("newChat"), [{ name: "user", label: t("user"), more: idField }], t("start"), (values) => {
    open(person(values["user"]!));
    return undefined;
  });
}

function askGroup(client: IMClient, open: Open): void {
  const sequence = randomId();
  ask(
    t("newGroup"),
    [
      { name: "name", label: t("groupName"), more: { maxlength: 40 } },
      { name: "users", label: t("members"), hint: t("membersHint"), optional: true },
    ],
    t("create"),
    ({ name = "", users = "" }) =>
      tried(async () => {
        const request = { sequence, name, users: usersOf(users) };
        const answer = await client.call("group_create", request);
        open(group(answer.group!.group));
        return undefined;
      }),
  );
}

function askJoin(client: IMClient, open: Open): void {
  ask(
    t("joinGroup"),
    [{ name: "group", label: t("groupId"), more: idField }],
    t("join"),
    ({ group: id = "" }) =>
      tried(async () => {
        const { pending } = await client.call("group_join", { group: id });
        if (pending) return t("pending");
        open(group(id));
        return undefined;
      }),
  );
}

async function tried(act: () => Promise<string | undefined>): Promise<string | undefined> {
  try {
    return await act();
  } catch (error) {
    return reason(error instanceof IMError ? error.code : String(error));
  }
}
