"""Who is what in a group: roles, the owner, and who may speak."""

import time

from dev.clients.wait import wait_until
from proto import im_pb2
from tests.support.cluster import Cluster
from tests.support.groups import make_group, say
from tests.support.people import Person, people

MONTH_S = 30 * 24 * 3600


def set_role(group: str, person: Person, role: im_pb2.GroupRole) -> im_pb2.GroupSetRoleRequest:
    """The request."""
    return im_pb2.GroupSetRoleRequest(group=group, user=person.name, role=role)


def mute(group: str, person: Person, duration_s: int) -> im_pb2.GroupMuteRequest:
    """The request."""
    return im_pb2.GroupMuteRequest(group=group, user=person.name, duration_s=duration_s)


def test_the_owner_makes_admins(cluster: Cluster) -> None:
    # Given
    owner, bob, carol, stranger = people(cluster, 4)
    group = make_group(owner, [bob.name, carol.name])

    # When
    changed = owner.do(set_role(group, bob, im_pb2.ADMIN)).group
    assert owner.do(set_role(group, bob, im_pb2.ADMIN)).group == changed

    # Then
    assert bob.info(group).role == im_pb2.ADMIN
    assert carol.members(group)[bob.name] == im_pb2.ADMIN
    (_, system) = carol.happened(group)
    assert (system.kind, system.actor) == (im_pb2.ROLE, owner.name)
    assert (list(system.users), system.role) == ([bob.name], im_pb2.ADMIN)
    # Then: nobody else does, and no owner is made like that
    for actor in (bob, carol):
        assert actor.refused(set_role(group, carol, im_pb2.ADMIN)) == "FORBIDDEN"
    assert owner.refused(set_role(group, bob, im_pb2.OWNER)) == "BAD_REQUEST"
    assert owner.refused(set_role(group, owner, im_pb2.MEMBER)) == "FORBIDDEN"
    assert owner.refused(set_role(group, stranger, im_pb2.ADMIN)) == "NOT_FOUND"
    assert owner.info(group) == changed

    # When: taken back
    owner.do(set_role(group, bob, im_pb2.MEMBER))

    # Then
    assert bob.refused(im_pb2.GroupEditRequest(group=group, name="b")) == "FORBIDDEN"
    assert [(s.kind, s.role) for s in bob.happened(group)][1:] == [
        (im_pb2.ROLE, im_pb2.ADMIN),
        (im_pb2.ROLE, im_pb2.MEMBER),
    ]


def test_the_owner_gives_the_group_away(cluster: Cluster) -> None:
    # Given
    owner, bob, carol, stranger = people(cluster, 4)
    group = make_group(owner, [bob.name, carol.name])
    transfer = im_pb2.GroupTransferRequest(group=group, user=bob.name)

    # Then: only the owner, only to members
    assert carol.refused(transfer) == "FORBIDDEN"
    to_stranger = im_pb2.GroupTransferRequest(group=group, user=stranger.name)
    assert owner.refused(to_stranger) == "NOT_FOUND"
    to_nobody = im_pb2.GroupTransferRequest(group=group)
    assert owner.refused(to_nobody) == "BAD_REQUEST"

    # When: twice, as after a lost answer
    given = owner.do(transfer).group
    assert owner.do(transfer).group == given

    # Then
    assert given.role == im_pb2.MEMBER
    assert carol.members(group) == {
        owner.name: im_pb2.MEMBER,
        bob.name: im_pb2.OWNER,
        carol.name: im_pb2.MEMBER,
    }
    (_, system) = carol.happened(group)
    assert (system.kind, system.actor) == (im_pb2.TRANSFERRED, owner.name)
    assert list(system.users) == [bob.name]
    assert owner.refused(im_pb2.GroupDisbandRequest(group=group)) == "FORBIDDEN"
    # Then: who gave it away may go, who has it may not
    assert bob.refused(im_pb2.GroupLeaveRequest(group=group)) == "FORBIDDEN"
    owner.do(im_pb2.GroupLeaveRequest(group=group))
    bob.do(im_pb2.GroupDisbandRequest(group=group))


def test_a_muted_group_hears_owner_and_admins_alone(cluster: Cluster) -> None:
    # Given
    owner, admin, bob = people(cluster, 3)
    group = make_group(owner, [admin.name, bob.name])
    owner.do(set_role(group, admin, im_pb2.ADMIN))

    # When
    assert admin.do(im_pb2.GroupEditRequest(group=group, mute_all=True)).group.mute_all

    # Then
    assert bob.refused(say(group, "hushed")) == "MUTED"
    assert bob.info(group).mute_all
    for person in (admin, owner):
        person.do(say(group, f"by {person.name}"))
    # When
    admin.do(im_pb2.GroupEditRequest(group=group, mute_all=False))
    # Then
    bob.do(say(group, "at last"))
    assert bob.texts(group) == [f"by {admin.name}", f"by {owner.name}", "at last"]
    assert bob.kinds(group) == ["CREATED", "ROLE", "EDITED", "EDITED"]


def test_one_member_is_muted_for_a_time(cluster: Cluster) -> None:
    # Given: bob said something
    owner, admin, other_admin, bob, stranger = people(cluster, 5)
    group = make_group(owner, [admin.name, other_admin.name, bob.name])
    for person in (admin, other_admin):
        owner.do(set_role(group, person, im_pb2.ADMIN))
    earlier = say(group, "earlier")
    acked = bob.do(earlier)

    # When
    admin.do(mute(group, bob, 3600))

    # Then: he hears why and until when; a repetition of what is stored gets its answer
    answer = bob.call(say(group))
    assert answer.error.name == "MUTED"
    assert not answer.error.retryable
    assert bob.do(earlier) == acked
    system = bob.happened(group)[-1]
    assert (system.kind, system.actor) == (im_pb2.MUTED, admin.name)
    assert list(system.users) == [bob.name]
    assert system.muted_until == bob.info(group).muted_until > acked.send_time + 3_590_000
    members = owner.do(im_pb2.GroupMembersRequest(group=group)).members
    assert {m.user: m.muted_until for m in members}[bob.name] == system.muted_until
    # Then: he may read, recall his own, and go on elsewhere
    assert [m.id for m in bob.history(group) if m.sender] == [acked.id]
    bob.do(im_pb2.RecallRequest(id=acked.id))
    bob.do(say(make_group(bob)))

    # When: he may speak again
    again = admin.do(mute(group, bob, 0)).group
    assert admin.do(mute(group, bob, 0)).group == again, "nothing to do, nothing stored"
    # Then
    bob.do(say(group, "again"))
    assert bob.happened(group)[-1].muted_until == 0
    # When: for a second; it ends by itself
    admin.do(mute(group, bob, 1))
    until = bob.info(group).muted_until
    wait_until(lambda: time.time() * 1000 > until, what="the end of it")
    bob.do(say(group, "by itself"))

    # Then: nobody mutes who is not below them
    for actor, other in ((bob, stranger), (bob, owner), (admin, other_admin), (admin, owner)):
        assert actor.refused(mute(group, other, 5)) == "FORBIDDEN"
    assert owner.refused(mute(group, owner, 5)) == "FORBIDDEN"
    assert owner.refused(mute(group, stranger, 5)) == "NOT_FOUND"
    assert owner.refused(mute(group, bob, MONTH_S + 1)) == "BAD_REQUEST"
    owner.do(mute(group, bob, MONTH_S))
    # Then: an admin is not muted, nor who was one and is muted no more
    owner.do(set_role(group, bob, im_pb2.ADMIN))
    bob.do(say(group, "as an admin"))


def test_who_comes_back_is_a_member_like_any_other(cluster: Cluster) -> None:
    owner, bob = people(cluster, 2)
    group = make_group(owner, [bob.name])
    owner.do(set_role(group, bob, im_pb2.ADMIN))
    bob.do(im_pb2.GroupLeaveRequest(group=group))
    bob.do(im_pb2.GroupJoinRequest(group=group))
    assert bob.info(group).role == im_pb2.MEMBER


def test_leaving_ends_no_mute(cluster: Cluster) -> None:
    # Given: bob may not speak for an hour
    owner, bob = people(cluster, 2)
    group = make_group(owner, [bob.name])
    owner.do(mute(group, bob, 3600))
    until = bob.info(group).muted_until

    # When: he goes and comes back by himself, or is taken out and brought in again
    bob.do(im_pb2.GroupLeaveRequest(group=group))
    bob.do(im_pb2.GroupJoinRequest(group=group))
    assert bob.refused(say(group)) == "MUTED"
    owner.do(im_pb2.GroupRemoveRequest(group=group, users=[bob.name]))
    owner.do(im_pb2.GroupInviteRequest(group=group, users=[bob.name]))

    # Then: he is muted as before, until somebody lets him speak
    assert bob.refused(say(group)) == "MUTED"
    assert bob.info(group).muted_until == until
    owner.do(mute(group, bob, 0))
    bob.do(say(group))
    bob.do(im_pb2.GroupLeaveRequest(group=group))
    bob.do(im_pb2.GroupJoinRequest(group=group))
    bob.do(say(group))


def test_members_are_listed_in_pages_with_profiles(cluster: Cluster) -> None:
    # Given: seven, one of whom the user centre knows
    owner, *others = people(cluster, 7)
    group = make_group(owner, [person.name for person in reversed(others)])
    known = others[2].name
    profile = {"name": "Known K.", "avatar": "https://a.example/k.png"}
    cluster.usercenter("/signup", {"user": known, "password": "correct horse", **profile})

    # When
    seen: list[im_pb2.GroupMember] = []
    more = True
    while more:
        request = im_pb2.GroupMembersRequest(
            group=group, after=seen[-1].user if seen else "", limit=3
        )
        page = others[0].do(request)
        assert len(page.members) == 3 or not page.more
        seen += page.members
        more = page.more

    # Then
    assert [member.user for member in seen] == [owner.name, *[person.name for person in others]]
    assert [member.role for member in seen] == [im_pb2.OWNER, *[im_pb2.MEMBER] * 6]
    assert {member.join_time for member in seen} == {owner.info(group).create_time}
    shown = {member.user: member.profile for member in seen if member.HasField("profile")}
    assert shown.keys() == {known}
    assert (shown[known].name, shown[known].avatar) == (profile["name"], profile["avatar"])
    bad = im_pb2.GroupMembersRequest(group=group, after="not an id")
    assert owner.refused(bad) == "BAD_REQUEST"


def test_every_change_is_told_to_everybody_in_one_order(cluster: Cluster) -> None:
    # Given: members wherever they live, one with a live connection
    owner, bob, carol, dave = people(cluster, 4)
    group = make_group(owner, [bob.name, carol.name])
    device = cluster.connect(carol.name, "web.2")
    kinds = ["CREATED"]
    version = owner.info(group).group_version

    for kind, actor, request in (
        ("EDITED", owner, im_pb2.GroupEditRequest(group=group, name="b")),
        ("ROLE", owner, set_role(group, bob, im_pb2.ADMIN)),
        ("MUTED", bob, mute(group, carol, 60)),
        ("JOINED", dave, im_pb2.GroupJoinRequest(group=group)),
        ("REMOVED", bob, im_pb2.GroupRemoveRequest(group=group, users=[dave.name])),
        ("INVITED", bob, im_pb2.GroupInviteRequest(group=group, users=[dave.name])),
        ("LEFT", dave, im_pb2.GroupLeaveRequest(group=group)),
        ("TRANSFERRED", owner, im_pb2.GroupTransferRequest(group=group, user=bob.name)),
        ("DISBANDED", bob, im_pb2.GroupDisbandRequest(group=group)),
    ):
        # When
        answer = actor.do(request)
        kinds.append(kind)

        # Then: the version of the group is that of the message, and only moves forward
        info = carol.info(group)
        assert info.group_version == info.version > version
        version = info.group_version
        if answer.HasField("group"):
            assert answer.group.group_version == version
        carol.reader.sync()
        assert carol.reader.cursors[group] == version

    # Then
    for person in (owner, bob, carol):
        assert person.kinds(group) == kinds
    shown = list(carol.reader.messages[group].values())
    shown.sort(key=lambda message: message.version)
    assert [message.id for message in shown] == sorted(message.id for message in shown)
    pushed = [device.wait_message(message.id) for message in shown[1:]]
    assert pushed == shown[1:]
    ids = [message.id for message in device.messages()]
    assert ids[-len(pushed) :] == [message.id for message in pushed]
