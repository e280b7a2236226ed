"""Coming into groups: open, by approval, by invitation; invited, and removed."""

from collections.abc import Callable

import pytest

from dev.clients.device import Push
from proto import im_pb2
from tests.support.cluster import Cluster
from tests.support.groups import make_group, say
from tests.support.people import Person, people

MODES = [im_pb2.OPEN, im_pb2.APPROVAL, im_pb2.INVITATION]


def pushed_requests(group: str) -> Callable[[Push], bool]:
    """Fits the downlink that somebody asks to join the group."""
    return lambda push: bool(push.cmd == im_pb2.CMD_PUSH_GROUPS and push.body.requests == group)


# ---------------------------------------------------------------- join


def test_whoever_knows_an_open_group_joins(cluster: Cluster) -> None:
    # Given
    owner, bob = people(cluster, 2)
    group = make_group(owner)
    device = cluster.connect(bob.name, "web.2")

    # When
    joined = bob.do(im_pb2.GroupJoinRequest(group=group, reason="hello"))

    # Then: at once, on live connections too, and once however often it is repeated
    assert not joined.pending
    assert (joined.group.members, joined.group.role) == (2, im_pb2.MEMBER)
    assert bob.do(im_pb2.GroupJoinRequest(group=group)).group == joined.group
    assert device.wait_push(im_pb2.CMD_PUSH_GROUPS).joined == group
    device.wait_message(owner.do(say(group, "welcome")).id)
    system = owner.happened(group)[-1]
    assert (system.kind, system.actor, list(system.users)) == (im_pb2.JOINED, bob.name, [bob.name])
    assert owner.kinds(group) == ["CREATED", "JOINED"]
    assert owner.info(group).group_version == joined.group.group_version


def test_joining_by_approval(cluster: Cluster) -> None:
    # Given
    owner, admin, member, *askers = people(cluster, 6)
    group = make_group(owner, [admin.name, member.name], join_mode=im_pb2.APPROVAL)
    owner.do(im_pb2.GroupSetRoleRequest(group=group, user=admin.name, role=im_pb2.ADMIN))
    devices = [cluster.connect(person.name, "web.2") for person in (owner, admin, member)]
    for device in devices:
        device.settle()

    # When: three ask, one of them twice
    for asker in askers:
        for reason in ("first", f"I am {asker.name}")[asker is not askers[0] :]:
            answer = asker.do(im_pb2.GroupJoinRequest(group=group, reason=reason))
            assert answer.pending
            assert not answer.HasField("group")

    # Then: owner and admins are told, and nobody is in
    for device in devices[:2]:
        device.wait_push(pushed_requests(group))
    devices[2].settle()
    assert not [push for push in devices[2].pushes if push.cmd == im_pb2.CMD_PUSH_GROUPS]
    assert askers[0].refused(im_pb2.GroupInfoRequest(group=group)) == "NOT_FOUND"
    assert askers[0].refused(say(group)) == "NOT_FOUND"
    # Then: they are listed in pages, with the last reason, for owner and admins alone
    first = admin.do(im_pb2.GroupRequestsRequest(group=group, limit=2))
    rest = admin.do(im_pb2.GroupRequestsRequest(group=group, limit=2, after=askers[1].name))
    assert (first.more, rest.more) == (True, False)
    listed = [*first.requests, *rest.requests]
    assert [(one.user, one.reason) for one in listed] == [
        (asker.name, f"I am {asker.name}") for asker in askers
    ]
    assert all(one.time > 0 for one in listed)
    assert member.refused(im_pb2.GroupRequestsRequest(group=group)) == "FORBIDDEN"

    # When: a member tries to decide, then the admin does
    def decide(user: Person, accept: bool) -> im_pb2.GroupDecideRequest:
        return im_pb2.GroupDecideRequest(group=group, user=user.name, accept=accept)

    assert member.refused(decide(askers[0], True)) == "FORBIDDEN"
    assert member.refused(decide(askers[0], False)) == "FORBIDDEN"
    let_in = admin.do(decide(askers[0], True)).group
    assert admin.do(decide(askers[0], True)).group == let_in, "repeating it is harmless"
    admin.do(decide(askers[1], False))
    admin.do(decide(askers[1], False))

    # Then
    assert let_in.members == 4
    assert askers[0].info(group).role == im_pb2.MEMBER
    system = askers[0].happened(group)[-1]
    assert (system.kind, system.actor) == (im_pb2.JOINED, admin.name)
    assert list(system.users) == [askers[0].name]
    assert askers[1].refused(im_pb2.GroupInfoRequest(group=group)) == "NOT_FOUND"
    assert admin.refused(decide(askers[1], True)) == "NOT_FOUND", "who was refused asks again"
    left = owner.do(im_pb2.GroupRequestsRequest(group=group)).requests
    assert [one.user for one in left] == [askers[2].name]
    # Then: who is in it already does not wait
    assert not askers[0].do(im_pb2.GroupJoinRequest(group=group)).pending
    # Then: being invited answers a request
    owner.do(im_pb2.GroupInviteRequest(group=group, users=[askers[2].name]))
    assert not owner.do(im_pb2.GroupRequestsRequest(group=group)).requests
    assert owner.kinds(group) == ["CREATED", "ROLE", "JOINED", "INVITED"]


def test_requests_carry_profiles(cluster: Cluster) -> None:
    owner, bob = people(cluster, 2)
    group = make_group(owner, join_mode=im_pb2.APPROVAL)
    profile = {"name": "Bob B.", "avatar": "https://a.example/b.png"}
    cluster.usercenter("/signup", {"user": bob.name, "password": "correct horse", **profile})
    bob.do(im_pb2.GroupJoinRequest(group=group))
    (asked,) = owner.do(im_pb2.GroupRequestsRequest(group=group)).requests
    assert (asked.profile.name, asked.profile.avatar) == (profile["name"], profile["avatar"])


def test_reasons_have_a_limit(cluster: Cluster) -> None:
    owner, bob = people(cluster, 2)
    group = make_group(owner, join_mode=im_pb2.APPROVAL)
    request = im_pb2.GroupJoinRequest(group=group, reason="x" * 257)
    assert bob.refused(request) == "TOO_LARGE"
    request.reason = "a\x00b"
    assert bob.refused(request) == "BAD_REQUEST"
    request.reason = "ä" * 128
    assert bob.do(request).pending


def test_nobody_joins_a_group_by_invitation(cluster: Cluster) -> None:
    # Given
    owner, member, bob = people(cluster, 3)
    group = make_group(owner, [member.name], join_mode=im_pb2.INVITATION)

    # Then: it looks like one that is not there
    refusal = bob.call(im_pb2.GroupJoinRequest(group=group)).error
    assert refusal == bob.call(im_pb2.GroupJoinRequest(group=cluster.person("g"))).error
    assert refusal.name == "NOT_FOUND"
    # Then: who is in it is in it
    assert member.do(im_pb2.GroupJoinRequest(group=group)).group.members == 2


# ---------------------------------------------------------------- invite


@pytest.mark.parametrize("mode", MODES, ids=im_pb2.JoinMode.Name)
def test_who_may_invite(cluster: Cluster, mode: im_pb2.JoinMode) -> None:
    # Given
    owner, admin, member, *guests = people(cluster, 6)
    group = make_group(owner, [admin.name, member.name], join_mode=mode)
    owner.do(im_pb2.GroupSetRoleRequest(group=group, user=admin.name, role=im_pb2.ADMIN))

    # When
    count = 3
    for host, guest in zip((owner, admin, member), guests, strict=True):
        users = [guest.name, member.name, guest.name, host.name]
        request = im_pb2.GroupInviteRequest(group=group, users=users)
        if host is member and mode == im_pb2.APPROVAL:
            assert host.refused(request) == "FORBIDDEN"
            assert guest.refused(im_pb2.GroupInfoRequest(group=group)) == "NOT_FOUND"
            continue
        # Then: who is new comes in, once; the others stay
        count += 1
        invited = host.do(request).group
        assert invited.members == count
        assert host.do(request).group == invited
        system = guest.happened(group)[-1]
        assert (system.kind, system.actor) == (im_pb2.INVITED, host.name)
        assert list(system.users) == [guest.name]
        assert [info.group for info in guest.do(im_pb2.GroupsRequest()).groups] == [group]
    assert len(owner.members(group)) == count


def test_who_blocks_the_host_is_not_invited(cluster: Cluster) -> None:
    # Given: bob blocks the host, carol, who is a member, too
    owner, bob, carol, dave = people(cluster, 4)
    group = make_group(owner, [carol.name])
    for person in (bob, carol):
        person.do(im_pb2.BlockRequest(user=owner.name))

    # Then: nobody comes in
    request = im_pb2.GroupInviteRequest(group=group, users=[dave.name, bob.name])
    answer = owner.call(request)
    assert answer.error.name == "BLOCKED"
    assert bob.name in answer.error.message
    assert owner.members(group).keys() == {owner.name, carol.name}
    # Then: who is a member already is no obstacle
    request = im_pb2.GroupInviteRequest(group=group, users=[dave.name, carol.name])
    assert owner.do(request).group.members == 3


# ---------------------------------------------------------------- remove


def test_who_may_remove_whom(cluster: Cluster) -> None:
    # Given
    owner, admin, other_admin, bob, carol, stranger = people(cluster, 6)
    everybody = [admin.name, other_admin.name, bob.name, carol.name]
    group = make_group(owner, everybody)
    for name in (admin.name, other_admin.name):
        owner.do(im_pb2.GroupSetRoleRequest(group=group, user=name, role=im_pb2.ADMIN))
    before = owner.info(group)

    def remove(*names: str) -> im_pb2.GroupRemoveRequest:
        return im_pb2.GroupRemoveRequest(group=group, users=names)

    # Then: nobody takes out who is not below them, and then nobody goes
    for actor, names in (
        (bob, [carol.name]),
        (bob, [stranger.name]),
        (admin, [owner.name]),
        (admin, [carol.name, other_admin.name]),
    ):
        assert actor.refused(remove(*names)) == "FORBIDDEN", names
    assert owner.refused(remove(owner.name)) == "BAD_REQUEST"
    assert owner.refused(remove()) == "BAD_REQUEST"
    # Then: who is not in it is passed over
    assert owner.do(remove(stranger.name)).group == before
    assert owner.info(group) == before

    # When
    after = admin.do(remove(bob.name, carol.name, stranger.name, bob.name)).group

    # Then: one message names all of them
    assert after.members == 3
    system = owner.happened(group)[-1]
    assert (system.kind, system.actor) == (im_pb2.REMOVED, admin.name)
    assert list(system.users) == [bob.name, carol.name]
    assert admin.do(remove(bob.name)).group == after
    # Then: the owner takes out admins
    assert owner.do(remove(admin.name, other_admin.name)).group.members == 1
    assert owner.kinds(group) == ["CREATED", "ROLE", "ROLE", "REMOVED", "REMOVED"]
