"""Making, changing and ending groups; every change is one row of the group's log."""

import uuid
from typing import Any

import pytest

from dev.clients.wait import wait_until
from proto import im_pb2
from tests.support.cluster import Cluster
from tests.support.groups import make_group, say
from tests.support.people import Person, people


def create(**more: Any) -> im_pb2.GroupCreateRequest:
    """A request of its own sequence."""
    fields = {"sequence": uuid.uuid4().hex, "name": "a group", **more}
    return im_pb2.GroupCreateRequest(**fields)


# ---------------------------------------------------------------- create


def test_a_group_is_what_was_asked_for(cluster: Cluster) -> None:
    # Given
    owner, bob, carol = people(cluster, 3)
    request = create(
        name="Näme 👋",
        announcement="first\nsecond\tline",
        avatar="avatars/1.png",
        join_mode=im_pb2.APPROVAL,
        users=[bob.name, carol.name, bob.name, owner.name],  # named twice, and oneself
    )

    # When
    made = owner.do(request).group

    # Then: all agree on what it is, each with their own role
    assert (made.name, made.announcement) == ("Näme 👋", "first\nsecond\tline")
    assert (made.avatar, made.join_mode) == ("avatars/1.png", im_pb2.APPROVAL)
    assert (made.members, made.role, made.disband_time) == (3, im_pb2.OWNER, 0)
    assert made.create_time > 0
    assert made.group_version == made.version > 0
    assert owner.info(made.group) == made
    seen = bob.info(made.group)
    assert seen.role == im_pb2.MEMBER
    seen.role = im_pb2.OWNER
    assert seen == made
    assert owner.members(made.group) == {
        owner.name: im_pb2.OWNER,
        bob.name: im_pb2.MEMBER,
        carol.name: im_pb2.MEMBER,
    }
    # Then: its log begins with that
    for person in (owner, bob, carol):
        (system,) = person.happened(made.group)
        assert (system.kind, system.actor) == (im_pb2.CREATED, owner.name)
        assert list(system.users) == [owner.name, bob.name, carol.name]
        assert (system.name, system.join_mode) == ("Näme 👋", im_pb2.APPROVAL)


def test_creating_again_makes_no_other_group(cluster: Cluster) -> None:
    # Given
    owner, bob = people(cluster, 2)
    request = create(users=[bob.name])
    made = owner.do(request).group

    # Then: a repetition finds it, also after it changed, and by another process
    assert owner.do(request).group == made
    owner.do(im_pb2.GroupEditRequest(group=made.group, name="another name"))
    owner.do(im_pb2.GroupRemoveRequest(group=made.group, users=[bob.name]))
    again = Person(cluster, owner.name, "web.2").do(request).group
    assert (again.group, again.name, again.members) == (made.group, "another name", 1)
    assert [one.group for one in owner.do(im_pb2.GroupsRequest()).groups] == [made.group]
    assert owner.kinds(made.group) == ["CREATED", "EDITED", "REMOVED"]
    # Then: the sequence of one user says nothing to another
    other = bob.do(im_pb2.GroupCreateRequest(sequence=request.sequence, name=request.name)).group
    assert other.group != made.group


@pytest.mark.parametrize(
    "changed",
    [
        {"name": "b"},
        {"announcement": "b"},
        {"avatar": "b"},
        {"join_mode": im_pb2.INVITATION},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_a_sequence_makes_one_group_only(cluster: Cluster, changed: dict[str, Any]) -> None:
    (owner,) = people(cluster, 1)
    request = create(name="a", announcement="a", avatar="a")
    made = owner.do(request).group
    for field, value in changed.items():
        setattr(request, field, value)
    assert owner.refused(request) == "SEQUENCE_CONFLICT"
    assert owner.info(made.group) == made


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"name": "ä" * 64}, ""),
        ({"name": "ä" * 64 + "b"}, "TOO_LARGE"),
        ({"name": ""}, "BAD_REQUEST"),
        ({"name": " \u3000 "}, "BAD_REQUEST"),
        ({"name": "a\nb"}, "BAD_REQUEST"),
        ({"name": "a\u202eb"}, "BAD_REQUEST"),
        ({"announcement": "x" * 4096}, ""),
        ({"announcement": "👋" * 1024}, ""),
        ({"announcement": "x" * 4097}, "TOO_LARGE"),
        ({"announcement": "a\x00b"}, "BAD_REQUEST"),
        ({"avatar": "https://a.example/1.png"}, ""),
        ({"avatar": "http://a.example/1.png"}, "INVALID_CONTENT"),
        ({"avatar": "javascript:alert(1)"}, "INVALID_CONTENT"),
        ({"avatar": "x" * 1024}, ""),
        ({"avatar": "x" * 1025}, "INVALID_CONTENT"),
        ({"join_mode": 7}, "BAD_REQUEST"),
    ],
    ids=str,
)
def test_limits_of_what_a_group_is(cluster: Cluster, fields: dict[str, Any], error: str) -> None:
    """The same limits for making a group and for changing it."""
    (owner,) = people(cluster, 1)
    group = make_group(owner)
    before = owner.info(group)
    made, edited = (
        owner.call(create(**fields)),
        owner.call(im_pb2.GroupEditRequest(group=group, **fields)),
    )
    assert [made.error.name, edited.error.name] == [error, error]
    if error:
        assert owner.info(group) == before
        assert len(owner.do(im_pb2.GroupsRequest()).groups) == 1
    else:
        for field, value in fields.items():
            assert getattr(owner.info(group), field) == value
            assert getattr(made.group, field) == value


@pytest.mark.parametrize("sequence", ["", "a b", "x" * 65, "ä"])
def test_a_sequence_that_is_none(cluster: Cluster, sequence: str) -> None:
    (owner,) = people(cluster, 1)
    assert owner.refused(create(sequence=sequence)) == "BAD_REQUEST"


def test_a_hundred_users_may_come_at_once(cluster: Cluster) -> None:
    # Given
    (owner,) = people(cluster, 1)
    names = [cluster.person("many") for _ in range(101)]

    # Then
    assert owner.refused(create(users=names)) == "BAD_REQUEST"
    assert owner.refused(create(users=["not a user"])) == "BAD_REQUEST"
    group = owner.do(create(users=names[:100])).group
    assert group.members == 101
    invite = im_pb2.GroupInviteRequest(group=group.group)
    assert owner.refused(invite) == "BAD_REQUEST"
    invite.users.extend(names)
    assert owner.refused(invite) == "BAD_REQUEST"
    assert owner.info(group.group).members == 101


def test_who_blocks_the_creator_is_not_brought_in(cluster: Cluster) -> None:
    # Given
    owner, bob, carol = people(cluster, 3)
    carol.do(im_pb2.BlockRequest(user=owner.name))

    # Then: nothing is made, and the answer says who it was
    request = create(users=[bob.name, carol.name])
    answer = owner.call(request)
    assert answer.error.name == "BLOCKED"
    assert carol.name in answer.error.message
    assert not bob.do(im_pb2.GroupsRequest()).groups

    # Then: without them it works, under the same sequence
    del request.users[1]
    assert owner.do(request).group.members == 2


# ---------------------------------------------------------------- edit


def test_an_edit_is_one_message_with_what_changed(cluster: Cluster) -> None:
    # Given
    owner, admin, bob = people(cluster, 3)
    group = make_group(owner, [admin.name, bob.name])
    owner.do(im_pb2.GroupSetRoleRequest(group=group, user=admin.name, role=im_pb2.ADMIN))
    edits: list[dict[str, Any]] = [
        {"name": "b"},
        {"announcement": "news"},
        {"avatar": "b.png"},
        {"join_mode": im_pb2.INVITATION},
        {"mute_all": True},
        {"mute_all": False, "announcement": "", "name": "c"},
    ]

    for edit in edits:
        # When: an admin changes it, once more than needed
        before = bob.info(group)
        request = im_pb2.GroupEditRequest(group=group, **edit)
        after = admin.do(request).group
        assert admin.do(request).group == after, "changing nothing stores nothing"
        # Then
        assert after.group_version > before.group_version
        system = bob.happened(group)[-1]
        assert (system.kind, system.actor) == (im_pb2.EDITED, admin.name)
        assert {field.name for field, _ in system.ListFields()[2:]} == edit.keys()
        for field, value in edit.items():
            assert getattr(system, field) == getattr(bob.info(group), field) == value

    # Then: what is set but the same is left out
    same: dict[str, Any] = {"name": "c", "announcement": "d", "mute_all": False}
    owner.do(im_pb2.GroupEditRequest(group=group, **same))
    assert {field.name for field, _ in bob.happened(group)[-1].ListFields()[2:]} == {"announcement"}
    # Then: nothing set, nothing stored
    before = owner.info(group)
    assert owner.do(im_pb2.GroupEditRequest(group=group)).group == before
    assert bob.kinds(group) == ["CREATED", "ROLE", *["EDITED"] * (len(edits) + 1)]
    # Then: a member may not
    assert bob.refused(im_pb2.GroupEditRequest(group=group, name="mine")) == "FORBIDDEN"
    assert owner.info(group) == before


# ---------------------------------------------------------------- disband


def test_a_disbanded_group_is_read_and_nothing_else(cluster: Cluster) -> None:
    # Given
    owner, bob, carol = people(cluster, 3)
    group = make_group(owner, [bob.name], join_mode=im_pb2.APPROVAL)
    said = bob.do(say(group, "last words")).id
    carol.do(im_pb2.GroupJoinRequest(group=group))

    # When
    assert bob.refused(im_pb2.GroupDisbandRequest(group=group)) == "FORBIDDEN"
    ended = owner.do(im_pb2.GroupDisbandRequest(group=group)).group

    # Then: repeating it is harmless
    assert ended.disband_time > 0
    assert owner.do(im_pb2.GroupDisbandRequest(group=group)).group == ended
    # Then: nobody changes it or speaks in it
    for request in (
        say(group),
        im_pb2.GroupEditRequest(group=group, name="b"),
        im_pb2.GroupInviteRequest(group=group, users=[carol.name]),
        im_pb2.GroupRemoveRequest(group=group, users=[bob.name]),
        im_pb2.GroupSetRoleRequest(group=group, user=bob.name, role=im_pb2.ADMIN),
        im_pb2.GroupTransferRequest(group=group, user=bob.name),
        im_pb2.GroupMuteRequest(group=group, user=bob.name, duration_s=5),
        im_pb2.GroupDecideRequest(group=group, user=carol.name, accept=True),
        im_pb2.RecallRequest(id=said),
    ):
        assert owner.refused(request) == "DISBANDED", type(request).__name__
    # Then: for a stranger it does not exist, whatever it was
    assert carol.refused(im_pb2.GroupJoinRequest(group=group)) == "NOT_FOUND"
    # Then: members read it, and it is in no list of groups
    assert bob.kinds(group) == ["CREATED", "DISBANDED"]
    assert bob.texts(group) == ["last words"]
    assert [message.id for message in bob.history(group)][1] == said
    assert bob.info(group).disband_time == ended.disband_time
    assert bob.members(group).keys() == {owner.name, bob.name}
    wait_until(lambda: (bob.contact(group) or im_pb2.Contact()).last.content.system.kind)
    contact = bob.contact(group)
    assert contact is not None
    assert contact.group.disband_time == ended.disband_time
    assert bob.do(im_pb2.ReadRequest(type=im_pb2.GROUP, peer=group, id=said)).unread == 0
    assert not bob.do(im_pb2.GroupsRequest()).groups
    # Then: everybody may go, the owner too
    for person in (owner, bob):
        assert not person.do(im_pb2.GroupLeaveRequest(group=group)).HasField("group")
        assert person.refused(im_pb2.GroupInfoRequest(group=group)) == "NOT_FOUND"


# ---------------------------------------------------------------- lists


def test_groups_are_listed_in_pages(cluster: Cluster) -> None:
    # Given: five groups in whatever databases, with one disbanded and one left
    owner, bob = people(cluster, 2)
    made = sorted(make_group(owner, [bob.name]) for _ in range(7))
    owner.do(im_pb2.GroupDisbandRequest(group=made.pop(2)))
    bob.do(im_pb2.GroupLeaveRequest(group=made.pop(4)))

    # When
    seen: list[str] = []
    more = True
    while more:
        request = im_pb2.GroupsRequest(after=seen[-1] if seen else "", limit=2)
        page = bob.do(request)
        assert len(page.groups) == 2 or not page.more
        seen += [info.group for info in page.groups]
        more = page.more

    # Then
    assert seen == made
    assert bob.refused(im_pb2.GroupsRequest(after="not an id")) == "BAD_REQUEST"
