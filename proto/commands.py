"""The command table: number, name, and the message types of request and answer.

One place for every transport: frames name a command by number, JSON and HTTP by name.
"""

from dataclasses import dataclass

from google.protobuf.message import Message

from proto import im_pb2, views_pb2


@dataclass(frozen=True, slots=True)
class Command:
    """`request` parses what clients send, `answer` is what they get; downlinks have no request."""

    number: int
    name: str
    request: type[Message] | None
    answer: type[Message]
    view: type[Message] | None = None
    """What the server parses instead of `request`: the same bytes, bodies left encoded."""


_P = im_pb2
COMMANDS: tuple[Command, ...] = (
    Command(_P.CMD_AUTH, "auth", _P.AuthRequest, _P.AuthResponse),
    Command(_P.CMD_SEND, "send", _P.SendRequest, _P.SendResponse, views_pb2.SendView),
    Command(_P.CMD_RECALL, "recall", _P.RecallRequest, _P.RecallResponse),
    Command(_P.CMD_SYNC, "sync", _P.SyncRequest, _P.SyncResponse),
    Command(_P.CMD_HISTORY, "history", _P.HistoryRequest, _P.HistoryResponse),
    Command(_P.CMD_CONTACTS, "contacts", _P.ContactsRequest, _P.ContactsResponse),
    Command(
        _P.CMD_DELETE_CONVERSATION, "delete_conversation", _P.DeleteConversationRequest, _P.Reply
    ),
    Command(
        _P.CMD_CLEAR_CONVERSATIONS, "clear_conversations", _P.ClearConversationsRequest, _P.Reply
    ),
    Command(_P.CMD_READ, "read", _P.ReadRequest, _P.ReadResponse),
    Command(_P.CMD_VERSIONS, "versions", _P.VersionsRequest, _P.VersionsResponse),
    Command(_P.CMD_PING, "ping", _P.PingRequest, _P.PingResponse),
    Command(_P.CMD_BLOCK, "block", _P.BlockRequest, _P.Reply),
    Command(_P.CMD_UNBLOCK, "unblock", _P.UnblockRequest, _P.Reply),
    Command(_P.CMD_BLOCKED, "blocked", _P.BlockedRequest, _P.BlockedResponse),
    Command(_P.CMD_TYPING, "typing", _P.TypingRequest, _P.Reply),
    Command(_P.CMD_ADDRESSES, "addresses", _P.AddressesRequest, _P.AddressesResponse),
    Command(_P.CMD_TICKET, "ticket", _P.TicketRequest, _P.TicketResponse),
    Command(_P.CMD_DEVICES, "devices", _P.DevicesRequest, _P.DevicesResponse),
    Command(_P.CMD_LOG_OUT, "log_out", _P.LogOutRequest, _P.Reply),
    Command(_P.CMD_PRESENCE, "presence", _P.PresenceRequest, _P.PresenceResponse),
    Command(
        _P.CMD_PRESENCE_SUBSCRIBE,
        "presence_subscribe",
        _P.PresenceSubscribeRequest,
        _P.PresenceResponse,
    ),
    Command(
        _P.CMD_PRESENCE_UNSUBSCRIBE,
        "presence_unsubscribe",
        _P.PresenceUnsubscribeRequest,
        _P.Reply,
    ),
    Command(_P.CMD_SET_CONVERSATION, "set_conversation", _P.SetConversationRequest, _P.Reply),
    Command(_P.CMD_GROUP_CREATE, "group_create", _P.GroupCreateRequest, _P.GroupResponse),
    Command(_P.CMD_GROUP_INFO, "group_info", _P.GroupInfoRequest, _P.GroupResponse),
    Command(_P.CMD_GROUP_EDIT, "group_edit", _P.GroupEditRequest, _P.GroupResponse),
    Command(_P.CMD_GROUP_JOIN, "group_join", _P.GroupJoinRequest, _P.GroupResponse),
    Command(_P.CMD_GROUP_LEAVE, "group_leave", _P.GroupLeaveRequest, _P.GroupResponse),
    Command(_P.CMD_GROUP_INVITE, "group_invite", _P.GroupInviteRequest, _P.GroupResponse),
    Command(_P.CMD_GROUP_REMOVE, "group_remove", _P.GroupRemoveRequest, _P.GroupResponse),
    Command(_P.CMD_GROUP_SET_ROLE, "group_set_role", _P.GroupSetRoleRequest, _P.GroupResponse),
    Command(_P.CMD_GROUP_TRANSFER, "group_transfer", _P.GroupTransferRequest, _P.GroupResponse),
    Command(_P.CMD_GROUP_DISBAND, "group_disband", _P.GroupDisbandRequest, _P.GroupResponse),
    Command(_P.CMD_GROUP_MUTE, "group_mute", _P.GroupMuteRequest, _P.GroupResponse),
    Command(_P.CMD_GROUP_MEMBERS, "group_members", _P.GroupMembersRequest, _P.GroupMembersResponse),
    Command(_P.CMD_GROUPS, "groups", _P.GroupsRequest, _P.GroupsResponse),
    Command(
        _P.CMD_GROUP_REQUESTS, "group_requests", _P.GroupRequestsRequest, _P.GroupRequestsResponse
    ),
    Command(_P.CMD_GROUP_DECIDE, "group_decide", _P.GroupDecideRequest, _P.GroupResponse),
    Command(_P.CMD_GROUP_SYNC, "group_sync", _P.GroupSyncRequest, _P.GroupSyncResponse),
    Command(_P.CMD_GROUP_READERS, "group_readers", _P.GroupReadersRequest, _P.GroupReadersResponse),
    Command(_P.CMD_PUSH_MESSAGES, "push_messages", None, _P.MessagesPush),
    Command(_P.CMD_PUSH_READ, "push_read", None, _P.ReadPush),
    Command(_P.CMD_PUSH_CONVERSATIONS, "push_conversations", None, _P.ConversationsPush),
    Command(_P.CMD_PUSH_TYPING, "push_typing", None, _P.TypingPush),
    Command(_P.CMD_PUSH_RESYNC, "push_resync", None, _P.ResyncPush),
    Command(_P.CMD_PUSH_KICKED, "push_kicked", None, _P.KickedPush),
    Command(_P.CMD_PUSH_GO_AWAY, "push_go_away", None, _P.GoAwayPush),
    Command(_P.CMD_PUSH_PRESENCE, "push_presence", None, _P.PresencePush),
    Command(_P.CMD_PUSH_GROUPS, "push_groups", None, _P.GroupsPush),
)

BY_NUMBER = {command.number: command for command in COMMANDS}
BY_NAME = {command.name: command for command in COMMANDS}
