/** The command table: name, number, and the types of request and answer. */
import type { DescMessage, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import * as im from "./gen/im_pb.js";

export interface Command<Q extends DescMessage = DescMessage, A extends DescMessage = DescMessage> {
  number: number;
  request: Q;
  answer: A;
}

const C = im.Command;

function of<Q extends DescMessage, A extends DescMessage>(
  number: number,
  request: Q,
  answer: A,
): Command<Q, A> {
  return { number, request, answer };
}

export const COMMANDS = {
  auth: of(C.CMD_AUTH, im.AuthRequestSchema, im.AuthResponseSchema),
  send: of(C.CMD_SEND, im.SendRequestSchema, im.SendResponseSchema),
  recall: of(C.CMD_RECALL, im.RecallRequestSchema, im.RecallResponseSchema),
  sync: of(C.CMD_SYNC, im.SyncRequestSchema, im.SyncResponseSchema),
  history: of(C.CMD_HISTORY, im.HistoryRequestSchema, im.HistoryResponseSchema),
  contacts: of(C.CMD_CONTACTS, im.ContactsRequestSchema, im.ContactsResponseSchema),
  delete_conversation: of(
    C.CMD_DELETE_CONVERSATION,
    im.DeleteConversationRequestSchema,
    im.ReplySchema,
  ),
  clear_conversations: of(
    C.CMD_CLEAR_CONVERSATIONS,
    im.ClearConversationsRequestSchema,
    im.ReplySchema,
  ),
  read: of(C.CMD_READ, im.ReadRequestSchema, im.ReadResponseSchema),
  versions: of(C.CMD_VERSIONS, im.VersionsRequestSchema, im.VersionsResponseSchema),
  ping: of(C.CMD_PING, im.PingRequestSchema, im.PingResponseSchema),
  block: of(C.CMD_BLOCK, im.BlockRequestSchema, im.ReplySchema),
  unblock: of(C.CMD_UNBLOCK, im.UnblockRequestSchema, im.ReplySchema),
  blocked: of(C.CMD_BLOCKED, im.BlockedRequestSchema, im.BlockedResponseSchema),
  typing: of(C.CMD_TYPING, im.TypingRequestSchema, im.ReplySchema),
  addresses: of(C.CMD_ADDRESSES, im.AddressesRequestSchema, im.AddressesResponseSchema),
  ticket: of(C.CMD_TICKET, im.TicketRequestSchema, im.TicketResponseSchema),
  devices: of(C.CMD_DEVICES, im.DevicesRequestSchema, im.DevicesResponseSchema),
  log_out: of(C.CMD_LOG_OUT, im.LogOutRequestSchema, im.ReplySchema),
  presence: of(C.CMD_PRESENCE, im.PresenceRequestSchema, im.PresenceResponseSchema),
  presence_subscribe: of(
    C.CMD_PRESENCE_SUBSCRIBE,
    im.PresenceSubscribeRequestSchema,
    im.PresenceResponseSchema,
  ),
  presence_unsubscribe: of(
    C.CMD_PRESENCE_UNSUBSCRIBE,
    im.PresenceUnsubscribeRequestSchema,
    im.ReplySchema,
  ),
  set_conversation: of(C.CMD_SET_CONVERSATION, im.SetConversationRequestSchema, im.ReplySchema),
  group_create: of(C.CMD_GROUP_CREATE, im.GroupCreateRequestSchema, im.GroupResponseSchema),
  group_info: of(C.CMD_GROUP_INFO, im.GroupInfoRequestSchema, im.GroupResponseSchema),
  group_edit: of(C.CMD_GROUP_EDIT, im.GroupEditRequestSchema, im.GroupResponseSchema),
  group_join: of(C.CMD_GROUP_JOIN, im.GroupJoinRequestSchema, im.GroupResponseSchema),
  group_leave: of(C.CMD_GROUP_LEAVE, im.GroupLeaveRequestSchema, im.GroupResponseSchema),
  group_invite: of(C.CMD_GROUP_INVITE, im.GroupInviteRequestSchema, im.GroupResponseSchema),
  group_remove: of(C.CMD_GROUP_REMOVE, im.GroupRemoveRequestSchema, im.GroupResponseSchema),
  group_set_role: of(C.CMD_GROUP_SET_ROLE, im.GroupSetRoleRequestSchema, im.GroupResponseSchema),
  group_transfer: of(C.CMD_GROUP_TRANSFER, im.GroupTransferRequestSchema, im.GroupResponseSchema),
  group_disband: of(C.CMD_GROUP_DISBAND, im.GroupDisbandRequestSchema, im.GroupResponseSchema),
  group_mute: of(C.CMD_GROUP_MUTE, im.GroupMuteRequestSchema, im.GroupResponseSchema),
  group_members: of(
    C.CMD_GROUP_MEMBERS,
    im.GroupMembersRequestSchema,
    im.GroupMembersResponseSchema,
  ),
  groups: of(C.CMD_GROUPS, im.GroupsRequestSchema, im.GroupsResponseSchema),
  group_requests: of(
    C.CMD_GROUP_REQUESTS,
    im.GroupRequestsRequestSchema,
    im.GroupRequestsResponseSchema,
  ),
  group_decide: of(C.CMD_GROUP_DECIDE, im.GroupDecideRequestSchema, im.GroupResponseSchema),
  group_sync: of(C.CMD_GROUP_SYNC, im.GroupSyncRequestSchema, im.GroupSyncResponseSchema),
  group_readers: of(
    C.CMD_GROUP_READERS,
    im.GroupReadersRequestSchema,
    im.GroupReadersResponseSchema,
  ),
};

export const PUSHES = {
  push_messages: { number: C.CMD_PUSH_MESSAGES, body: im.MessagesPushSchema },
  push_read: { number: C.CMD_PUSH_READ, body: im.ReadPushSchema },
  push_conversations: { number: C.CMD_PUSH_CONVERSATIONS, body: im.ConversationsPushSchema },
  push_typing: { number: C.CMD_PUSH_TYPING, body: im.TypingPushSchema },
  push_resync: { number: C.CMD_PUSH_RESYNC, body: im.ResyncPushSchema },
  push_kicked: { number: C.CMD_PUSH_KICKED, body: im.KickedPushSchema },
  push_go_away: { number: C.CMD_PUSH_GO_AWAY, body: im.GoAwayPushSchema },
  push_presence: { number: C.CMD_PUSH_PRESENCE, body: im.PresencePushSchema },
  push_groups: { number: C.CMD_PUSH_GROUPS, body: im.GroupsPushSchema },
};

export type CommandName = keyof typeof COMMANDS;
export type RequestOf<K extends CommandName> = MessageInitShape<(typeof COMMANDS)[K]["request"]>;
export type AnswerOf<K extends CommandName> = MessageShape<(typeof COMMANDS)[K]["answer"]>;

/** A downlink: its name, and the body of that name. */
export type Push = {
  [K in keyof typeof PUSHES]: { name: K; body: MessageShape<(typeof PUSHES)[K]["body"]> };
}[keyof typeof PUSHES];

/** Asks the server one command; rejects with an `IMError`. */
export type Call = <K extends CommandName>(name: K, request: RequestOf<K>) => Promise<AnswerOf<K>>;
