"""Going from groups; one owner and one count of members, whoever comes and goes at once."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from dev.clients.wait import wait_until
from proto import im_pb2
from tests.support.cluster import Cluster
from tests.support.groups import make_group
from tests.support.people import Person, people


def test_the_owner_leaves_last(cluster: Cluster) -> None:
    # Given
    owner, bob = people(cluster, 2)
    group = make_group(owner, [bob.name])
    leave = im_pb2.GroupLeaveRequest(group=group)

    # Then
    assert owner.refused(leave) == "FORBIDDEN"
    # When
    assert not bob.do(leave).HasField("group")
    # Then
    assert bob.refused(leave) == "NOT_FOUND"
    assert owner.kinds(group) == ["CREATED", "LEFT"]
    assert owner.info(group).members == 1
    # When: the last one goes, the group ends
    assert not owner.do(leave).HasField("group")
    # Then
    for person in (owner, bob):
        assert person.refused(im_pb2.GroupInfoRequest(group=group)) == "NOT_FOUND"
        assert person.refused(im_pb2.GroupJoinRequest(group=group)) == "NOT_FOUND"
        assert not person.do(im_pb2.GroupsRequest()).groups
        assert person.contact(group) is None


@pytest.mark.parametrize("round_", range(6))
def test_a_group_has_one_owner_whoever_leaves_at_once(cluster: Cluster, round_: int) -> None:
    """The owner gives it away and goes, while the heir goes too, in any order."""
    # Given
    owner, heir, third = people(cluster, 3)
    group = make_group(owner, [heir.name, third.name])
    leave = im_pb2.GroupLeaveRequest(group=group)

    def give_and_go() -> None:
        owner.call(im_pb2.GroupTransferRequest(group=group, user=heir.name))
        owner.call(leave)

    def go() -> None:
        for _ in range(1 + round_ % 3):
            heir.call(leave)

    # When
    with ThreadPoolExecutor(3) as pool:
        for future in [
            pool.submit(give_and_go),
            pool.submit(go),
            pool.submit(heir.call, im_pb2.GroupTransferRequest(group=group, user=owner.name)),
        ]:
            future.result()

    # Then
    roles = third.members(group)
    assert list(roles.values()).count(im_pb2.OWNER) == 1
    info = third.info(group)
    assert (info.members, info.disband_time) == (len(roles), 0)
    # Then: the log tells the same
    members = {owner.name, heir.name, third.name}
    owned_by = owner.name
    for system in third.happened(group)[1:]:
        if system.kind == im_pb2.TRANSFERRED:
            assert system.actor == owned_by
            (owned_by,) = system.users
        else:
            assert system.kind == im_pb2.LEFT
            assert system.actor != owned_by
            members.remove(system.actor)
        assert owned_by in members
    assert roles.keys() == members
    assert roles[owned_by] == im_pb2.OWNER


def test_one_seat_is_taken_once(cluster: Cluster) -> None:
    """Many join and are removed at once: the number of members is that of the list."""
    owner, *others = people(cluster, 9)
    group = make_group(owner)

    def come_and_go(person: Person) -> None:
        for _ in range(3):
            person.do(im_pb2.GroupJoinRequest(group=group))
            person.do(im_pb2.GroupLeaveRequest(group=group))
        person.do(im_pb2.GroupJoinRequest(group=group))

    with ThreadPoolExecutor(len(others)) as pool:
        list(pool.map(come_and_go, others))
    assert owner.info(group).members == len(owner.members(group)) == 9
    assert sorted(owner.kinds(group)) == sorted(["CREATED", *["JOINED"] * 32, *["LEFT"] * 24])
    for person in others:
        assert [info.group for info in person.do(im_pb2.GroupsRequest()).groups] == [group]
    wait_until(lambda: cluster.store.undelivered() == 0)
    for person in others:
        assert [info.group for info in person.do(im_pb2.GroupsRequest()).groups] == [group]
