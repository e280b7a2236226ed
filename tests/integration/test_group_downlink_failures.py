"""Groups' downlinks come back after Redis or the worker were away, and for members alone."""

from collections.abc import Iterator
from functools import partial

import pytest

from dev.clients.device import Device
from dev.clients.wait import wait_until
from dev.clients.wire import insist, ok
from proto import im_pb2
from tests.support.cluster import Cluster
from tests.support.groups import Reader, check_pushed, make_group, pushes_of, say

pytestmark = pytest.mark.chaos


@pytest.fixture
def wide(fragile: Cluster) -> Iterator[Cluster]:
    """A second web process and a second gateway beside the first ones."""
    names = ("web.2", "gateway.2")
    fragile.start(*names)
    yield fragile
    fragile.hang_up()
    fragile.platform.stop(*names)


def everywhere(cluster: Cluster, user: str, name: str = "stream") -> list[Device]:
    """A device of the user in every process."""
    return [
        cluster.connect(user, "web"),
        cluster.connect(user, "web.2", json=True),
        cluster.tcp(user),
        cluster.tcp(user, "gateway.2", tls=True),
        cluster.events(user, "web.2", device=name),
    ]


def say_until_heard(cluster: Cluster, speaker: Device, group: str, devices: list[Device]) -> str:
    """Talk until one message was pushed to all of them; its id."""

    def heard_by_all() -> str:
        cluster.revive("worker", "beat")  # which may end when Redis does
        sent = insist(speaker, say(group, "again")).id
        for device in devices:
            try:
                device.wait_message(sent, timeout_s=1)
            except AssertionError:
                return ""
        return str(sent)

    return wait_until(heard_by_all, what="downlinks of the group")


@pytest.mark.parametrize("what", ["killed", "flushed", "cut off"])
def test_live_members_hear_again_and_who_went_meanwhile_does_not(wide: Cluster, what: str) -> None:
    # Given
    owner, stays, goes, comes = (wide.person(name) for name in ("owner", "stays", "goes", "comes"))
    boss = wide.connect(owner)
    group = make_group(boss, [stays, goes])
    mine, theirs, new = (everywhere(wide, user) for user in (stays, goes, comes))
    say_until_heard(wide, boss, group, [*mine, *theirs])

    # When: nothing is heard for a moment, and the members change
    if what == "killed":
        wide.redis.kill()
    elif what == "flushed":
        wide.redis.flush()
    else:
        with wide.redis_client() as redis:
            redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
    insist(boss, im_pb2.GroupRemoveRequest(group=group, users=[goes]))
    insist(boss, im_pb2.GroupInviteRequest(group=group, users=[comes]))
    insist(boss, say(group, "in the gap"))
    if what == "killed":
        wide.redis.start()

    # Then
    say_until_heard(wide, boss, group, [*mine, *new])
    for device in theirs:
        device.settle()
        device.poll(0.05)
    for user, devices in ((stays, mine), (goes, theirs), (comes, new)):
        for device in devices:
            check_pushed(wide, group, device, user)
    # Then: who compares sums finds what was lost
    for device in mine[:4]:
        reader = Reader(device)
        reader.sync()
        assert "in the gap" in reader.texts(group)
        wait_until(partial(_agrees, device, reader), what="the sum of the cursors")
    # Then: a chain that has a hole says so
    for device in mine:
        versions: set[int] = set()
        for push in pushes_of(device, group):
            assert push.previous < push.messages[0].version
            versions |= {message.version for message in push.messages}


def _agrees(device: Device, reader: Reader) -> bool:
    return bool(ok(device.call(im_pb2.PingRequest())).groups_version == reader.version)


def test_what_was_said_before_a_join_is_not_pushed_when_it_is_late(wide: Cluster) -> None:
    """The index of a user's groups is ahead of the delivery: what is in it proves nothing."""
    # Given: nothing is delivered for a while
    owner, guest, back = wide.person(), wide.person(), wide.person()
    boss = wide.connect(owner)
    group = make_group(boss, [back])
    was_there = everywhere(wide, back)
    say_until_heard(wide, boss, group, [boss, *was_there])
    wide.platform.stop("worker")

    # When: somebody comes behind what is said, somebody goes before it and comes back
    ok(boss.call(im_pb2.GroupRemoveRequest(group=group, users=[back])))
    secret = ok(boss.call(say(group, "not for them"))).id
    ok(boss.call(im_pb2.GroupInviteRequest(group=group, users=[guest, back])))
    welcome = ok(boss.call(say(group, "welcome"))).id
    new = [*everywhere(wide, guest), *everywhere(wide, back, "other")]
    wide.start("worker")

    # Then
    boss.wait_message(secret)
    boss.wait_message(welcome)
    say_until_heard(wide, boss, group, [*new, *was_there])
    for n, device in enumerate(new):
        check_pushed(wide, group, device, guest if n < len(new) // 2 else back)
    for device in was_there:
        check_pushed(wide, group, device, back)


def test_deliveries_that_are_repeated_push_nothing_to_who_was_not_there(wide: Cluster) -> None:
    """A FLUSHALL lets the delivery publish again what it has published already."""
    # Given
    owner, guest = wide.person(), wide.person()
    boss = wide.connect(owner)
    group = make_group(boss)
    devices = everywhere(wide, guest)

    # When
    for _ in range(10):
        seqs = [boss.post(im_pb2.GroupInviteRequest(group=group, users=[guest]))]
        seqs += [boss.post(say(group, "open")) for _ in range(2)]
        seqs.append(boss.post(im_pb2.GroupRemoveRequest(group=group, users=[guest])))
        seqs += [boss.post(say(group, "secret")) for _ in range(2)]
        wide.redis.flush()
        for seq in seqs:
            ok(boss.answer(seq).body)
    ok(boss.call(im_pb2.GroupInviteRequest(group=group, users=[guest])))

    # Then
    say_until_heard(wide, boss, group, [boss, *devices])
    for device in devices:
        check_pushed(wide, group, device, guest)
