"""What is said in groups reaches members at once, by every transport, and nobody else."""

from itertools import pairwise

import pytest

from dev.clients.device import Device
from dev.clients.wait import wait_until
from dev.clients.wire import ok
from proto import im_pb2
from tests.support.cluster import Cluster, Kind
from tests.support.groups import Reader, make_group, pushed_versions, pushes_of, say

PUSHED: tuple[Kind, ...] = ("ws-frames", "ws-json", "tcp", "tls", "events")


def joined(device: Device, group: str) -> None:
    """Wait until the device hears that its user came into the group."""
    device.wait_push(lambda push: push.cmd == im_pb2.CMD_PUSH_GROUPS and push.body.joined == group)


def left(device: Device, group: str) -> None:
    """Wait until the device hears that its user is not in the group any more."""
    device.wait_push(lambda push: push.cmd == im_pb2.CMD_PUSH_GROUPS and push.body.left == group)


def check_chain(device: Device, group: str, start: int) -> None:
    """Each push begins where the one before it ended, the first one behind `start` there."""
    for push in pushes_of(device, group):
        if push.messages[-1].version <= start:
            continue  # published late, to who was there already
        assert push.previous == start
        versions = [message.version for message in push.messages]
        assert versions == sorted(versions)
        assert versions[0] > start
        start = versions[-1]


@pytest.mark.parametrize("kind", PUSHED)
def test_members_hear_all_without_holes_wherever_they_are(cluster: Cluster, kind: Kind) -> None:
    # Given: members in both processes, one of them in two
    names = [cluster.person() for _ in range(2)]
    owner = cluster.connect(cluster.person(), "web.2")
    group = make_group(owner, names)
    start = Reader(owner)
    start.sync()
    wait_until(lambda: ok(owner.call(im_pb2.PingRequest())).groups_version == start.version)
    places = [(names[0], "web"), (names[0], "web.2"), (names[1], "web"), (names[1], "web")]
    devices = [
        cluster.device(kind, user, web, device=f"d{n}") for n, (user, web) in enumerate(places)
    ]
    others = cluster.device(kind, cluster.person(), "web")

    # When: twenty messages, and one of them recalled
    ids = [ok(owner.call(say(group, f"{n}"))).id for n in range(20)]
    ok(owner.call(im_pb2.RecallRequest(id=ids[3])))

    # Then
    reader = Reader(owner)
    reader.sync()
    for device in devices:
        device.wait_message(ids[3], recalled=True)
        check_chain(device, group, start.cursors[group])
        assert pushed_versions(device, group)[-1] == reader.cursors[group]
        assert [m.id for m in device.messages() if not m.withdraw_time] == ids
        kept = {message.id: message for message in device.messages()}
        for message in kept.values():
            assert message == reader.messages[group][message.id]
    others.settle()
    assert not others.messages()


@pytest.mark.parametrize("kind", PUSHED)
def test_coming_and_going_take_effect_on_live_connections(cluster: Cluster, kind: Kind) -> None:
    # Given
    owner, guest = cluster.connect(cluster.person()), cluster.person()
    group = make_group(owner, [witness := cluster.person()])
    devices = [cluster.device(kind, guest, web, device=web) for web in ("web", "web.2")]
    watchers = [cluster.connect(witness, web) for web in ("web", "web.2")]
    for _ in range(2):
        # When
        ok(owner.call(im_pb2.GroupInviteRequest(group=group, users=[guest])))

        # Then: told first, and behind that everything comes
        for device in devices:
            joined(device, group)
        welcome = ok(owner.call(say(group, "welcome"))).id
        for device in devices:
            device.wait_message(welcome)

        # When
        ok(owner.call(im_pb2.GroupRemoveRequest(group=group, users=[guest])))
        secret = ok(owner.call(say(group, "without the guest"))).id

        # Then: they see the row of their going, and nothing behind it
        for device, watcher in zip(devices, watchers, strict=True):
            left(device, group)
            watcher.wait_message(secret)
            device.settle()
            assert secret not in {message.id for message in device.messages()}
            assert device.messages()[-1].content.system.kind == im_pb2.REMOVED
        # Then: their own leave is heard as well
    ok(owner.call(im_pb2.GroupInviteRequest(group=group, users=[guest])))
    for device in devices:
        joined(device, group)
    ok(cluster.short(cluster.token(guest)).call(im_pb2.GroupLeaveRequest(group=group)))
    for device in devices:
        left(device, group)


def test_one_connection_hears_groups_and_mailbox_apart(cluster: Cluster) -> None:
    # Given
    owner, guest = cluster.connect(cluster.person()), cluster.person()
    groups = [make_group(owner, [guest]) for _ in range(5)]
    device = cluster.connect(guest)

    # When
    ids = [ok(owner.call(say(group))).id for _ in range(4) for group in groups]

    # Then: each group is a chain of its own
    for message in ids:
        device.wait_message(message)
    for group in groups:
        pushes = pushes_of(device, group)
        assert sum(len(push.messages) for push in pushes) == 4
        assert all(b.previous == a.messages[-1].version for a, b in pairwise(pushes))


def test_versions_of_groups_are_one_number(cluster: Cluster) -> None:
    # Given
    owner, guest = cluster.connect(cluster.person()), cluster.person()
    groups = [make_group(owner, [guest]) for _ in range(3)]
    device = cluster.connect(guest, "web.2")
    reader = Reader(device)

    def heard() -> int:
        return int(ok(device.call(im_pb2.PingRequest())).groups_version)

    def catch_up() -> None:
        reader.sync()
        wait_until(lambda: heard() == reader.version, what="the sum of the cursors")
        assert ok(device.call(im_pb2.VersionsRequest())).groups_version == reader.version
        again = cluster.connect_bare()
        assert again.auth(cluster.token(guest)).groups_version == reader.version

    catch_up()
    for step in (
        lambda: owner.call(say(groups[0])),
        lambda: owner.call(im_pb2.GroupRemoveRequest(group=groups[1], users=[guest])),
        lambda: owner.call(im_pb2.GroupInviteRequest(group=groups[1], users=[guest])),
        lambda: owner.call(im_pb2.GroupDisbandRequest(group=groups[2])),
        lambda: device.call(im_pb2.GroupLeaveRequest(group=groups[2])),
    ):
        # When
        before = reader.version
        ok(step())
        # Then: it differs until the client has caught up
        wait_until(lambda b=before: heard() != b, what="another sum")  # type: ignore[misc]
        catch_up()
