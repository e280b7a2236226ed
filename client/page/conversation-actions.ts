/** What can be done with a conversation: details, notifications, blocking, deleting. */
import { type Conversation, type IMClient } from "../js/src/index.js";
import { type Choice, confirm } from "./dialogs.js";
import type { GroupDetails } from "./group-details.js";
import { t } from "./i18n.js";
import { tell } from "./message-actions.js";

export function conversationChoices(
  conversation: Conversation,
  client: IMClient,
  group: GroupDetails | undefined,
): Choice[] {
  const { id: peer } = conversation;
  const type = conversation.type === "group" ? 1 : 0;
  const muted = client.contacts.get(conversation)?.muted ?? false;
  const choices: Choice[] = [];
  if (group) choices.push({ label: t("details"), act: () => void group.open() });
  choices.push({
    label: t(muted ? "unmute" : "mute"),
    act: () => void tell(client.call("set_conversation", { type, peer, muted: !muted })),
  });
  if (!group) {
    choices.push(
      {
        label: t("block"),
        act: () => void tell(client.call("block", { user: peer }), t("blocked")),
      },
      {
        label: t("unblock"),
        act: () => void tell(client.call("unblock", { user: peer }), t("unblocked")),
      },
    );
  }
  choices.push({
    label: t("deleteConversation"),
    danger: true,
    act: () =>
      confirm(t("deleteConversation"), t("deleteAsk"), t("deleteConversation"), () => {
        void tell(client.call("delete_conversation", { type, peer }));
        location.hash = "";
      }),
  });
  return choices;
}
