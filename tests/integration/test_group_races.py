"""Who is removed is pushed nothing that was said later, whatever comes in between.

Every version that a device was pushed is compared with the rows by which its user came and went.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from dev.clients.device import Device
from dev.clients.wait import wait_until
from dev.clients.wire import Caller, ok
from proto import im_pb2
from tests.support.cluster import Cluster, Kind
from tests.support.groups import check_pushed, make_group, pushed_versions, say, stays

PLACES: tuple[tuple[Kind, str], ...] = (
    ("ws-frames", "web"),
    ("ws-json", "web.2"),
    ("tcp", "web"),
    ("tls", "web.2"),
    ("events", "web.2"),
)


@contextmanager
def streaming(caller: Caller, group: str) -> Iterator[list[str]]:
    """Somebody talks without a pause; the ids of what is said."""
    said: list[str] = []
    over = threading.Event()
    failures: list[BaseException] = []

    def talk() -> None:
        try:
            while not over.is_set():
                said.append(ok(caller.call(say(group, f"{len(said)}"))).id)
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=talk)
    thread.start()
    try:
        yield said
    finally:
        over.set()
        thread.join()
    assert not failures, failures


def drain(
    owner: Caller, group: str, witnesses: Sequence[Device], devices: Sequence[Device]
) -> None:
    """Return when everything that was published has reached the devices."""
    last = ok(owner.call(say(group, "the last"))).id
    for witness in witnesses:
        witness.wait_message(last)
    for device in devices:
        device.settle()
        device.poll(0.05)


@pytest.mark.parametrize("at_once", [1, 3])
def test_coming_and_going_while_others_talk(cluster: Cluster, at_once: int) -> None:
    # Given: guests in all processes, and somebody in each who sees everything
    owner, talker = cluster.person(), cluster.person()
    boss, sender = cluster.connect(owner), cluster.connect(talker, "web.2")
    guests = [cluster.person() for _ in range(at_once)]
    group = make_group(boss, [talker, *guests])
    devices = [
        (guest, cluster.device(kind, guest, web, device=f"d{n}"))
        for n, (kind, web) in enumerate(PLACES)
        for guest in guests
    ]
    witnesses: list[Device] = [
        cluster.connect(talker),
        cluster.connect(talker, "web.2"),
        cluster.tcp(talker),
        cluster.tcp(talker, "gateway.2"),
    ]

    # When
    with streaming(sender, group) as said:
        for _ in range(12):
            heard = len(said)
            ok(boss.call(im_pb2.GroupRemoveRequest(group=group, users=guests)))
            wait_until(lambda h=heard: len(said) > h + 3)  # type: ignore[misc]
            ok(boss.call(im_pb2.GroupInviteRequest(group=group, users=guests)))
            wait_until(lambda h=heard: len(said) > h + 8)  # type: ignore[misc]
        ok(boss.call(im_pb2.GroupRemoveRequest(group=group, users=guests)))

    # Then
    drain(boss, group, witnesses, [device for _, device in devices])
    for guest, device in devices:
        check_pushed(cluster, group, device, guest)
        assert len(pushed_versions(device, group)) > 12, "the guest heard something"


def test_coming_and_going_back_to_back(cluster: Cluster) -> None:
    """Rows of coming and going lie in one delivery, with what is said between them."""
    # Given
    owner, guest = cluster.person(), cluster.person()
    boss = cluster.connect(owner)
    group = make_group(boss, [guest])
    devices = [cluster.connect(guest, web) for web in ("web", "web.2")]
    witnesses: list[Device] = [cluster.connect(owner, web) for web in ("web", "web.2")]

    # When
    seqs = []
    for _ in range(20):
        seqs.append(boss.post(im_pb2.GroupRemoveRequest(group=group, users=[guest])))
        seqs += [boss.post(say(group, "secret")) for _ in range(3)]
        seqs.append(boss.post(im_pb2.GroupInviteRequest(group=group, users=[guest])))
        seqs += [boss.post(say(group, "open")) for _ in range(3)]
    for seq in seqs:
        ok(boss.answer(seq).body)

    # Then
    drain(boss, group, witnesses, devices)
    for device in devices:
        check_pushed(cluster, group, device, guest)


def test_connecting_at_the_very_moment_of_the_removal(cluster: Cluster) -> None:
    # Given
    owner, guest = cluster.person(), cluster.person()
    boss = cluster.connect(owner)
    group = make_group(boss)
    witnesses: list[Device] = [cluster.connect(owner, web) for web in ("web", "web.2")]
    token = cluster.token(guest)
    for n in range(25):
        ok(boss.call(im_pb2.GroupInviteRequest(group=group, users=[guest])))
        devices = [cluster.connect_bare("web"), cluster.connect_bare("web.2")]
        start = threading.Barrier(3)
        threads = [
            threading.Thread(target=_enter, args=[start, device, token]) for device in devices
        ]
        for thread in threads:
            thread.start()

        # When
        seqs = [boss.post(say(group)) for _ in range(n % 4)]
        start.wait()
        seqs.append(boss.post(im_pb2.GroupRemoveRequest(group=group, users=[guest])))
        seqs += [boss.post(say(group)) for _ in range(10)]
        for seq in seqs:
            ok(boss.answer(seq).body)
        for thread in threads:
            thread.join()

        # Then
        drain(boss, group, witnesses, devices)
        for device in devices:
            check_pushed(cluster, group, device, guest)
            assert pushed_versions(device, group)[-1:] <= [stays(cluster, group, guest)[-1][1]]
            device.close()


def heard_or_told(device: Device, message: str) -> bool:
    """Whether a device has the message, or word to sync."""
    device.poll(0.05)
    told = any(p.cmd in (im_pb2.CMD_PUSH_GROUPS, im_pb2.CMD_PUSH_RESYNC) for p in device.pushes)
    return told or message in {message.id for message in device.messages()}


def test_connecting_at_the_very_moment_of_the_join(cluster: Cluster) -> None:
    """What was said before somebody came is not pushed to them; what is said later is."""
    # Given
    owner, guest = cluster.person(), cluster.person()
    boss = cluster.connect(owner)
    witnesses: list[Device] = [cluster.connect(owner, web) for web in ("web", "web.2")]
    for _ in range(15):
        group = make_group(boss)
        device = cluster.connect_bare("web.2")

        # When
        seqs = [boss.post(say(group)) for _ in range(30)]
        seqs.append(boss.post(im_pb2.GroupInviteRequest(group=group, users=[guest])))
        boss.answer(seqs[-1])
        device.auth(cluster.token(guest))
        last = ok(boss.call(say(group))).id

        # Then
        drain(boss, group, witnesses, [device])
        check_pushed(cluster, group, device, guest)
        wait_until(lambda d=device, m=last: heard_or_told(d, m))  # type: ignore[misc]
        device.close()


def _enter(start: threading.Barrier, device: Device, token: str) -> None:
    start.wait()
    device.auth(token, device=f"d{id(device)}")
