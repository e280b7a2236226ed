"""One request and one answer of every command: alice calls; what she writes is tried by a test.

`tests/integration/test_openapi.py` puts real people, groups and messages in the place of these
names and sends each request to a real platform, which must take it.
"""

from collections.abc import Mapping

from google.protobuf.message import Message

from dev.docs.frames import ID, SEND_TIME
from models.settings import Settings
from models.tickets import TTL_S
from proto import im_pb2 as p
from proto.groupsversion import groups_version

ALICE, BOB, CAROL, DAVE = "alice", "bob", "carol", "dave"
GROUP = "g7c1f0a9e24b35d6880f1e2d3"
"""Alice's own, with bob in it, by approval; dave asks to join."""

OTHER_GROUP = "g02e4b6a8c0d1f3957b9d1e3f"
"""Bob's, open to everybody."""

SEQUENCE = "5f0c2f6e9a1d4b7c"
DEVICE = "d-7"
VERSION = 1041
GROUP_VERSION = 77
_CLOCK = SEND_TIME + 500
_WEB_PORT = Settings.model_fields["web_port"].default

MESSAGE = p.Message(
    id=ID,
    version=VERSION,
    sequence=SEQUENCE,
    sender=ALICE,
    receiver=BOB,
    content=p.Content(text=p.Text(text="Lunch at twelve?")),
    send_time=SEND_TIME,
)
GROUP_MESSAGE = p.Message(
    id=ID,
    version=GROUP_VERSION,
    sequence=SEQUENCE,
    sender=BOB,
    receiver=GROUP,
    content=p.Content(text=p.Text(text="@alice we are here"), mentions=[ALICE]),
    send_time=SEND_TIME,
    type=p.GROUP,
)
INFO = p.GroupInfo(
    group=GROUP,
    name="Lunch",
    join_mode=p.APPROVAL,
    members=2,
    create_time=SEND_TIME,
    group_version=70,
    version=GROUP_VERSION,
    role=p.OWNER,
)
_PROFILE = p.Profile(user=BOB, name="Bob")
_GROUPS_VERSION = groups_version({GROUP: GROUP_VERSION})

REQUESTS: Mapping[str, Message] = {
    "send": p.SendRequest(receiver=BOB, sequence=SEQUENCE, content=MESSAGE.content),
    "recall": p.RecallRequest(id=ID),
    "sync": p.SyncRequest(cursor=VERSION - 1, limit=50),
    "history": p.HistoryRequest(peer=BOB, before=ID, limit=20),
    "contacts": p.ContactsRequest(limit=20),
    "delete_conversation": p.DeleteConversationRequest(peer=BOB),
    "clear_conversations": p.ClearConversationsRequest(),
    "read": p.ReadRequest(peer=BOB, id=ID),
    "versions": p.VersionsRequest(),
    "ping": p.PingRequest(),
    "block": p.BlockRequest(user=CAROL),
    "unblock": p.UnblockRequest(user=CAROL),
    "blocked": p.BlockedRequest(limit=50),
    "typing": p.TypingRequest(receiver=BOB),
    "addresses": p.AddressesRequest(),
    "ticket": p.TicketRequest(),
    "devices": p.DevicesRequest(),
    "log_out": p.LogOutRequest(device=DEVICE),
    "presence": p.PresenceRequest(users=[BOB, CAROL]),
    "set_conversation": p.SetConversationRequest(type=p.GROUP, peer=GROUP, muted=True),
    "group_create": p.GroupCreateRequest(
        sequence=SEQUENCE, name="Lunch", join_mode=p.APPROVAL, users=[BOB]
    ),
    "group_info": p.GroupInfoRequest(group=GROUP),
    "group_edit": p.GroupEditRequest(group=GROUP, announcement="At noon, by the door."),
    "group_join": p.GroupJoinRequest(group=OTHER_GROUP, reason="I am hungry too"),
    "group_leave": p.GroupLeaveRequest(group=OTHER_GROUP),
    "group_invite": p.GroupInviteRequest(group=GROUP, users=[CAROL]),
    "group_remove": p.GroupRemoveRequest(group=GROUP, users=[BOB]),
    "group_set_role": p.GroupSetRoleRequest(group=GROUP, user=BOB, role=p.ADMIN),
    "group_transfer": p.GroupTransferRequest(group=GROUP, user=BOB),
    "group_disband": p.GroupDisbandRequest(group=GROUP),
    "group_mute": p.GroupMuteRequest(group=GROUP, user=BOB, duration_s=3600),
    "group_members": p.GroupMembersRequest(group=GROUP, limit=100),
    "groups": p.GroupsRequest(limit=100),
    "group_requests": p.GroupRequestsRequest(group=GROUP),
    "group_decide": p.GroupDecideRequest(group=GROUP, user=DAVE, accept=True),
    "group_sync": p.GroupSyncRequest(
        cursors=[p.GroupCursor(group=GROUP, cursor=GROUP_VERSION - 1)]
    ),
    "group_readers": p.GroupReadersRequest(group=GROUP, id=ID),
    "comet": p.CometRequest(since=VERSION, wait_s=25, device=DEVICE, platform="web"),
}

ANSWERS: Mapping[type[Message], Message] = {
    p.Reply: p.Reply(),
    p.AuthResponse: p.AuthResponse(
        user=ALICE,
        version=VERSION,
        server_time=_CLOCK,
        heartbeat_s=50,
        idle_timeout_s=900,
        device=DEVICE,
        groups_version=_GROUPS_VERSION,
    ),
    p.SendResponse: p.SendResponse(id=ID, send_time=SEND_TIME),
    p.RecallResponse: p.RecallResponse(withdraw_time=_CLOCK),
    p.SyncResponse: p.SyncResponse(messages=[MESSAGE], cursor=VERSION),
    p.HistoryResponse: p.HistoryResponse(messages=[MESSAGE], more=True),
    p.ContactsResponse: p.ContactsResponse(
        contacts=[p.Contact(peer=BOB, last=MESSAGE, unread=2, peer_read=ID, profile=_PROFILE)]
    ),
    p.ReadResponse: p.ReadResponse(unread=1),
    p.VersionsResponse: p.VersionsResponse(version=VERSION, groups_version=_GROUPS_VERSION),
    p.PingResponse: p.PingResponse(
        version=VERSION, server_time=_CLOCK, groups_version=_GROUPS_VERSION
    ),
    p.BlockedResponse: p.BlockedResponse(users=[CAROL]),
    p.AddressesResponse: p.AddressesResponse(
        addresses=[
            p.Address(scheme="wss", host="im.example.com", port=443),
            p.Address(scheme="tls", host="im.example.com", port=8443),
        ],
        lifetime_s=3600,
    ),
    p.TicketResponse: p.TicketResponse(
        ticket="n3Jk0vQh2wB8c5sYx1aZ7uTfRg4mLdPo", expires_in_s=TTL_S
    ),
    p.DevicesResponse: p.DevicesResponse(
        devices=[
            p.Device(
                device=DEVICE,
                platform="ios",
                device_class=p.MOBILE,
                online=True,
                connect_time=SEND_TIME,
            )
        ]
    ),
    p.PresenceResponse: p.PresenceResponse(
        presences=[p.Presence(user=BOB, online=True), p.Presence(user=CAROL, last_seen=SEND_TIME)]
    ),
    p.GroupResponse: p.GroupResponse(group=INFO),
    p.GroupMembersResponse: p.GroupMembersResponse(
        members=[
            p.GroupMember(user=ALICE, role=p.OWNER, join_time=SEND_TIME),
            p.GroupMember(user=BOB, join_time=SEND_TIME, profile=_PROFILE),
        ]
    ),
    p.GroupsResponse: p.GroupsResponse(groups=[INFO]),
    p.GroupRequestsResponse: p.GroupRequestsResponse(
        requests=[p.JoinRequest(user=DAVE, reason="I am hungry too", time=SEND_TIME)]
    ),
    p.GroupSyncResponse: p.GroupSyncResponse(
        groups=[p.GroupMessages(group=GROUP, messages=[GROUP_MESSAGE], cursor=GROUP_VERSION)],
        joined=[OTHER_GROUP],
    ),
    p.GroupReadersResponse: p.GroupReadersResponse(count=1, members=1, users=[ALICE]),
    p.CometResponse: p.CometResponse(messages=[MESSAGE], since=VERSION),
}
