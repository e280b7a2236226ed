"""Groups by long polls: what comes while one is open, and versions that are compared."""

from functools import partial
from typing import Any

import pytest
from google.protobuf.message import Message

from dev.clients.wait import wait_until
from dev.clients.wire import ok
from proto import im_pb2
from tests.support.cluster import Cluster
from tests.support.groups import Reader, make_group, say
from tests.support.parked import parked

LONG_S = 20
"""Longer than anything takes here: who answers earlier was woken."""

TRIES = 20


def settled(cluster: Cluster, user: str) -> Reader:
    """A client of the user that has everything, once that is delivered."""
    reader = Reader(cluster.short(cluster.token(user)))
    reader.sync()

    def heard() -> int:
        return int(ok(reader.caller.call(im_pb2.VersionsRequest())).groups_version)

    wait_until(lambda: heard() == reader.version, what="the sum of the cursors")
    return reader


@pytest.mark.parametrize("json", [False, True], ids=["protobuf", "json"])
def test_an_open_poll_is_answered_with_what_is_said(cluster: Cluster, json: bool) -> None:
    # Given
    owner, guest = cluster.connect(cluster.person()), cluster.person()
    group = make_group(owner, [guest])
    polls = cluster.polls(guest, "web.2", json=json)
    for _ in range(TRIES):
        reader = settled(cluster, guest)
        # When: it is said while a poll waits
        long = partial(polls.poll, 0, LONG_S, groups_version=reader.version)
        with parked(cluster, guest, long) as poll:
            sent = ok(owner.call(say(group))).id
            answer = ok(poll.result())
        # Then: the poll carries it, or says that there is more than the client has
        if answer.group_messages:
            (push,) = answer.group_messages
            assert (push.group, push.previous) == (group, reader.cursors[group])
            reader.sync()
            assert [*push.messages] == [reader.messages[group][sent]]
            assert not answer.messages
            return
        assert answer.groups_version != reader.version
    raise AssertionError("nothing was ever said while a poll was open")


def test_a_poll_compares_the_versions_of_groups(cluster: Cluster) -> None:
    # Given
    owner, guest = cluster.connect(cluster.person()), cluster.person()
    make_group(owner, [guest])
    polls = cluster.polls(guest)
    reader = settled(cluster, guest)

    # Then: another number is answered at once, in any process
    for wrong in (0, reader.version - 1, reader.version + 1, (1 << 64) - 1):
        answer = ok(polls.poll(0, LONG_S, groups_version=wrong))
        assert answer.groups_version == reader.version
        assert not answer.messages
    # Then: the same one waits, and so does who keeps no cursors
    for same in (reader.version, None):
        answer = ok(polls.poll(0, 1, groups_version=same))
        assert not answer.HasField("groups_version")
        assert not answer.group_messages
        assert not answer.events


def test_who_is_in_no_group_has_the_number_zero(cluster: Cluster) -> None:
    polls = cluster.polls(cluster.person())
    assert not ok(polls.poll(0, 1, groups_version=0)).HasField("groups_version")
    answer = ok(polls.poll(0, LONG_S, groups_version=1))
    assert answer.HasField("groups_version")
    assert answer.groups_version == 0


def test_an_open_poll_hears_of_coming_and_going(cluster: Cluster) -> None:
    # Given
    owner, guest = cluster.connect(cluster.person()), cluster.person()
    group = make_group(owner)
    polls = cluster.polls(guest, "web.2")

    def change(asked: int, request: Message) -> Any:
        long = partial(polls.poll, 0, LONG_S, groups_version=asked)
        with parked(cluster, guest, long) as poll:
            ok(owner.call(request))
            return ok(poll.result())

    # When
    answer = change(0, im_pb2.GroupInviteRequest(group=group, users=[guest]))
    # Then
    reader = settled(cluster, guest)
    assert [e.groups.joined for e in answer.events] in ([group], [])
    assert answer.events or answer.groups_version == reader.version
    # When
    answer = change(reader.version, im_pb2.GroupRemoveRequest(group=group, users=[guest]))
    # Then: told of the going, and of nothing behind it
    assert [e.groups.left for e in answer.events] in ([group], [])
    assert answer.events or answer.HasField("groups_version")
    for push in answer.group_messages:
        assert push.messages[-1].content.system.kind == im_pb2.REMOVED
    reader.sync()
    assert reader.gone == {group}
    assert not ok(polls.poll(0, 1, groups_version=0)).HasField("groups_version")


def test_clients_that_poll_miss_nothing(cluster: Cluster) -> None:
    """What is said between two polls is found by the sum, as an SDK does it."""
    # Given
    owner, guest = cluster.connect(cluster.person()), cluster.person()
    group = make_group(owner, [guest])
    polls = cluster.polls(guest)
    reader = settled(cluster, guest)

    # When: it is said as fast as possible, while the client polls and syncs by turns
    sent = [ok(owner.call(say(group, f"{n}"))).id for n in range(5)]
    seqs = [owner.post(say(group, f"{n}")) for n in range(5, 60)]

    def all_there() -> bool:
        answer = ok(polls.poll(0, 2, groups_version=reader.version))
        if answer.group_messages or answer.HasField("groups_version") or answer.events:
            reader.sync()
        return len(reader.texts(group)) == 60

    # Then
    wait_until(all_there, what="everything that was said")
    sent += [owner.answer(seq).body.id for seq in seqs]
    assert sorted(sent) == sorted(m.id for m in reader.messages[group].values() if m.sender)
    assert reader.texts(group) == [f"{n}" for n in range(60)]
