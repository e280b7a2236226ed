"""A group one is not in does not exist: the same refusal, to the letter, whatever the reason."""

import uuid
from collections.abc import Callable, Iterator

import pytest
from google.protobuf.message import Message

from dev.clients.wait import wait_until
from dev.clients.wire import command_of
from proto import im_pb2
from tests.support.cluster import Cluster
from tests.support.groups import make_group, say
from tests.support.people import Person, people

GROUP = im_pb2.GROUP
SMALL = "web.small"
Ask = Callable[[str, str, str], Message]
"""A request about a group, a message of it, and a member."""

ASKED: list[Ask] = [
    lambda group, id_, user: im_pb2.GroupInfoRequest(group=group),
    lambda group, id_, user: im_pb2.GroupEditRequest(group=group, name="b"),
    lambda group, id_, user: im_pb2.GroupEditRequest(group=group),
    lambda group, id_, user: im_pb2.GroupJoinRequest(group=group),
    lambda group, id_, user: im_pb2.GroupLeaveRequest(group=group),
    lambda group, id_, user: im_pb2.GroupInviteRequest(group=group, users=[user]),
    lambda group, id_, user: im_pb2.GroupRemoveRequest(group=group, users=[user]),
    lambda group, id_, user: im_pb2.GroupSetRoleRequest(group=group, user=user, role=im_pb2.ADMIN),
    lambda group, id_, user: im_pb2.GroupTransferRequest(group=group, user=user),
    lambda group, id_, user: im_pb2.GroupDisbandRequest(group=group),
    lambda group, id_, user: im_pb2.GroupMuteRequest(group=group, user=user, duration_s=5),
    lambda group, id_, user: im_pb2.GroupMembersRequest(group=group),
    lambda group, id_, user: im_pb2.GroupRequestsRequest(group=group),
    lambda group, id_, user: im_pb2.GroupDecideRequest(group=group, user=user, accept=True),
    lambda group, id_, user: im_pb2.GroupDecideRequest(group=group, user=user),
    lambda group, id_, user: im_pb2.GroupReadersRequest(group=group, id=id_),
    lambda group, id_, user: say(group),
    lambda group, id_, user: im_pb2.RecallRequest(id=id_),
    lambda group, id_, user: im_pb2.HistoryRequest(type=GROUP, peer=group),
    lambda group, id_, user: im_pb2.ReadRequest(type=GROUP, peer=group, id=id_),
    lambda group, id_, user: im_pb2.DeleteConversationRequest(type=GROUP, peer=group),
    lambda group, id_, user: im_pb2.SetConversationRequest(type=GROUP, peer=group, muted=True),
]


def name_of(ask: Ask) -> str:
    """The command's name."""
    return command_of(ask("", "", "")).name


@pytest.mark.parametrize("ask", ASKED, ids=name_of)
def test_unknown_and_forbidden_groups_are_refused_alike(cluster: Cluster, ask: Ask) -> None:
    """For an id nobody had, a group of others, and one the user was removed from."""
    # Given: a group nobody may join, with a message
    owner, bob, removed, stranger = people(cluster, 4)
    group = make_group(owner, [bob.name, removed.name], join_mode=im_pb2.INVITATION)
    said = removed.do(say(group)).id
    before = owner.do(im_pb2.GroupRemoveRequest(group=group, users=[removed.name])).group
    unknown = f"g{uuid.uuid4().hex[:24]}"
    unknown_id = said[:-8] + "ffffffff"

    # When
    errors = [
        person.call(ask(*about, bob.name)).error
        for person, about in (
            (stranger, (unknown, unknown_id)),
            (stranger, (group, said)),
            (removed, (group, said)),
        )
    ]

    # Then
    assert errors[0].name == "NOT_FOUND"
    assert errors[1:] == errors[:1] * 2
    assert owner.info(group) == before


def test_a_sync_says_the_same_of_unknown_and_forbidden_groups(cluster: Cluster) -> None:
    owner, stranger = people(cluster, 2)
    group = make_group(owner, join_mode=im_pb2.INVITATION)
    request = im_pb2.GroupSyncRequest()
    for name in (group, f"g{uuid.uuid4().hex[:24]}"):
        request.cursors.add(group=name, cursor=0)
    parts = stranger.do(request).groups
    assert [part.group for part in parts] == [cursor.group for cursor in request.cursors]
    for part in parts:
        assert (part.gone, part.cursor, part.more, len(part.messages)) == (True, 0, False, 0)


@pytest.mark.parametrize("ask", [*ASKED, lambda *_: im_pb2.GroupCreateRequest()], ids=name_of)
def test_what_is_no_id_of_a_group_is_refused(cluster: Cluster, ask: Ask) -> None:
    (bob,) = people(cluster, 1)
    assert bob.refused(ask("no group", "no id", "no user")) == "BAD_REQUEST"
    assert bob.refused(ask("", "", "")) == "BAD_REQUEST"


# ---------------------------------------------------------------- every command over HTTP


def test_every_command_speaks_json_over_http(cluster: Cluster) -> None:
    # Given
    owner = Person(cluster, cluster.person("owner"), transport="http-json")
    bob, carol = people(cluster, 2)
    group = make_group(owner, [bob.name], join_mode=im_pb2.APPROVAL)
    said = owner.do(say(group)).id
    carol.do(im_pb2.GroupJoinRequest(group=group, reason="please"))

    # Then: each is answered without error
    asked = [
        *(im_pb2.GroupInfoRequest(group=group), im_pb2.GroupsRequest(limit=2)),
        *(im_pb2.GroupEditRequest(group=group, mute_all=True), im_pb2.GroupSyncRequest()),
        im_pb2.GroupMembersRequest(group=group),
        im_pb2.GroupRequestsRequest(group=group),
        im_pb2.GroupDecideRequest(group=group, user=carol.name, accept=True),
        im_pb2.GroupReadersRequest(group=group, id=said),
        im_pb2.GroupMuteRequest(group=group, user=bob.name, duration_s=60),
        im_pb2.GroupSetRoleRequest(group=group, user=bob.name, role=im_pb2.ADMIN),
        im_pb2.GroupRemoveRequest(group=group, users=[carol.name]),
        im_pb2.GroupInviteRequest(group=group, users=[carol.name]),
        im_pb2.HistoryRequest(type=GROUP, peer=group),
        im_pb2.ReadRequest(type=GROUP, peer=group, id=said),
        im_pb2.SetConversationRequest(type=GROUP, peer=group, muted=True),
        im_pb2.RecallRequest(id=said),
        im_pb2.DeleteConversationRequest(type=GROUP, peer=group),
        im_pb2.GroupTransferRequest(group=group, user=bob.name),
        im_pb2.GroupJoinRequest(group=group),
        im_pb2.GroupLeaveRequest(group=group),
    ]
    for request in asked:
        owner.do(request)
    other = make_group(owner)
    assert owner.do(im_pb2.GroupDisbandRequest(group=other)).group.disband_time > 0
    wanted = {command_of(ask("", "", "")).name for ask in ASKED} - {"group_disband", "send"}
    assert wanted <= {command_of(request).name for request in asked}


# ---------------------------------------------------------------- limits


@pytest.fixture(scope="module")
def small_web(shared_cluster: Cluster) -> Iterator[str]:
    """A web process with groups of four, and four groups for everybody."""
    env = {"IM_GROUP_MEMBERS_MAX": "4", "IM_GROUPS_PER_USER_MAX": "4"}
    shared_cluster.platform.start(SMALL, env=env)
    yield SMALL
    shared_cluster.platform.stop(SMALL)


def test_a_group_has_so_many_members(cluster: Cluster, small_web: str) -> None:
    # Given
    owner, *others = people(cluster, 6, small_web)
    names = [person.name for person in others]
    request = im_pb2.GroupCreateRequest(sequence=uuid.uuid4().hex, name="small", users=names[:4])

    # Then: one too many makes no group, and the sequence is free
    assert owner.refused(request) == "LIMIT_EXCEEDED"
    assert not owner.do(im_pb2.GroupsRequest()).groups
    del request.users[2:]
    made = owner.do(request).group
    # Then: all come in, or none
    invite = im_pb2.GroupInviteRequest(group=made.group, users=names[2:4])
    assert owner.refused(invite) == "LIMIT_EXCEEDED"
    assert owner.info(made.group) == made
    others[2].do(im_pb2.GroupJoinRequest(group=made.group))
    assert others[3].refused(im_pb2.GroupJoinRequest(group=made.group)) == "LIMIT_EXCEEDED"
    assert others[2].do(im_pb2.GroupJoinRequest(group=made.group)).group.members == 4
    owner.do(im_pb2.GroupEditRequest(group=made.group, join_mode=im_pb2.APPROVAL))
    others[3].do(im_pb2.GroupJoinRequest(group=made.group))
    decide = im_pb2.GroupDecideRequest(group=made.group, user=names[3], accept=True)
    assert owner.refused(decide) == "LIMIT_EXCEEDED"
    # Then: the request stays, and is granted once somebody went
    others[0].do(im_pb2.GroupLeaveRequest(group=made.group))
    assert owner.do(decide).group.members == 4
    assert owner.members(made.group).keys() == {owner.name, *names[1:4]}


def test_a_user_is_in_so_many_groups(cluster: Cluster, small_web: str) -> None:
    # Given: bob is in three
    owner, bob, carol = people(cluster, 3, small_web)
    groups = [make_group(bob) for _ in range(3)]
    invited, asked = make_group(owner), make_group(owner, join_mode=im_pb2.APPROVAL)
    bob.do(im_pb2.GroupJoinRequest(group=asked))
    create = im_pb2.GroupCreateRequest(sequence=uuid.uuid4().hex, name="the fourth")
    groups.append(bob.do(create).group.group)

    # Then: there is no fifth, by whatever way; repetitions are no fifth
    fifth = im_pb2.GroupCreateRequest(sequence=uuid.uuid4().hex, name="the fifth")
    for person, request in (
        (bob, fifth),
        (bob, im_pb2.GroupJoinRequest(group=invited)),
        (owner, im_pb2.GroupInviteRequest(group=invited, users=[carol.name, bob.name])),
        (owner, im_pb2.GroupDecideRequest(group=asked, user=bob.name, accept=True)),
        (
            owner,
            im_pb2.GroupCreateRequest(sequence=uuid.uuid4().hex, name="with bob", users=[bob.name]),
        ),
    ):
        assert person.refused(request) == "LIMIT_EXCEEDED", type(request).__name__
    assert owner.members(invited).keys() == {owner.name}
    assert bob.do(create).group.group == groups[3]
    # Then: who asks about others must be one who could let them in
    about_bob = im_pb2.GroupDecideRequest(group=asked, user=bob.name, accept=True)
    assert carol.refused(about_bob) == "NOT_FOUND"

    # When: he leaves one
    bob.do(im_pb2.GroupLeaveRequest(group=groups[0]))
    # Then: there is room for one, however often he says so
    bob.do(im_pb2.GroupJoinRequest(group=invited))
    bob.do(im_pb2.GroupJoinRequest(group=invited))
    owner.do(im_pb2.GroupInviteRequest(group=invited, users=[carol.name, bob.name]))
    wait_until(lambda: cluster.store.undelivered() == 0)
    assert len(bob.do(im_pb2.GroupsRequest()).groups) == 4
    assert owner.refused(about_bob) == "LIMIT_EXCEEDED"

    # When: one of them ends, which he may still read
    bob.do(im_pb2.GroupDisbandRequest(group=groups[1]))
    # Then: it takes nobody's room
    assert bob.refused(say(groups[1])) == "DISBANDED"
    assert owner.do(about_bob).group.members == 2
    assert bob.refused(fifth) == "LIMIT_EXCEEDED"
