/** What can be done with a message: answer, copy, recall, see who has read it. */
import {
  type Conversation,
  type IMClient,
  IMError,
  isRecalled,
  type Message,
  textOf,
} from "../js/src/index.js";
import { type Choice, notify, openDialog } from "./dialogs.js";
import { h } from "./dom.js";
import type { GroupDetails } from "./group-details.js";
import { reason, t } from "./i18n.js";
import type { People } from "./people.js";

export interface ActionContext {
  client: IMClient;
  people: People;
  conversation: Conversation;
  group: GroupDetails | undefined;
  answer(message: Message): void;
}

export function messageChoices(message: Message, context: ActionContext): Choice[] {
  const { client, people, conversation, group, answer } = context;
  const text = textOf(message.content);
  const own = message.sender === people.self;
  const choices: Choice[] = [{ label: t("reply"), act: () => answer(message) }];
  if (text) {
    choices.push({ label: t("copy"), act: () => void navigator.clipboard?.writeText(text) });
  }
  if (conversation.type === "group" && own) {
    choices.push({ label: t("readBy"), act: () => void tell(showReaders(message, context)) });
  }
  if ((own || group?.mayManage) && !isRecalled(message)) {
    const act = (): void => void tell(client.recall(message.id));
    choices.push({ label: t("recall"), danger: true, act });
  }
  return choices;
}

async function showReaders(message: Message, context: ActionContext): Promise<void> {
  const { client, people, conversation } = context;
  const request = { group: conversation.id, id: message.id, limit: 200 };
  const { count, members, users } = await client.call("group_readers", request);
  const list = users.map((user) => h("li", {}, people.avatar(user), people.nameOf(user)));
  openDialog(t("readByCount", { count, members }), h("ul", { class: "people" }, ...list));
}

/** Says why it did not work, or that it did. */
export async function tell(act: Promise<unknown>, done = ""): Promise<void> {
  try {
    await act;
    if (done) notify(done);
  } catch (error) {
    notify(reason(error instanceof IMError ? error.code : String(error)));
  }
}
