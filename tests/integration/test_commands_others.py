"""Blocking, typing, versions and the chain of pushes, by every transport."""

import pytest

from dev.clients.wire import ok, refused, text_to
from proto import im_pb2
from tests.integration.conftest import Dial
from tests.support.cluster import APART, TRANSPORTS, Apart, Cluster

pytestmark = pytest.mark.parametrize("transport", TRANSPORTS)
apart = pytest.mark.parametrize("apart", APART)


@apart
def test_a_blocked_sender_is_refused_until_unblocked(
    cluster: Cluster, dial: Dial, apart: Apart
) -> None:
    # Given
    alice, bob = cluster.pair(apart)
    sender, client = dial(alice, "web.2"), dial(bob)
    earlier = text_to(bob, "before")
    stored = ok(sender.call(earlier))
    watcher = cluster.connect(bob)

    # When
    for _ in range(2):
        ok(client.call(im_pb2.BlockRequest(user=alice)))

    # Then: refused and not stored; the other direction is open
    request = text_to(bob, "blocked")
    assert refused(sender.call(request)) == "BLOCKED"
    assert not cluster.store.by_sequence(alice, request.sequence)
    # Then: what was stored before is answered as it was
    assert ok(sender.call(earlier)) == stored
    other = text_to(bob, "something else")
    other.sequence = earlier.sequence
    assert refused(sender.call(other)) == "SEQUENCE_CONFLICT"
    assert list(ok(client.call(im_pb2.BlockedRequest())).users) == [alice]
    ok(client.call(text_to(alice, "back")))

    # When
    for _ in range(2):
        ok(client.call(im_pb2.UnblockRequest(user=alice)))

    # Then: the same sequence goes through
    answer = ok(sender.call(request))
    watcher.wait_message(answer.id)
    assert not ok(client.call(im_pb2.BlockedRequest())).users


def test_the_block_list_is_paged(cluster: Cluster, dial: Dial) -> None:
    client = dial(cluster.person())
    users = sorted(cluster.person() for _ in range(5))
    for user in reversed(users):
        ok(client.call(im_pb2.BlockRequest(user=user)))
    first = ok(client.call(im_pb2.BlockedRequest(limit=3)))
    assert (list(first.users), first.more) == (users[:3], True)
    rest = ok(client.call(im_pb2.BlockedRequest(limit=3, after=users[2])))
    assert (list(rest.users), rest.more) == (users[3:], False)


def test_nobody_blocks_themselves_or_a_user_that_cannot_be(cluster: Cluster, dial: Dial) -> None:
    alice = cluster.person()
    client = dial(alice)
    for user in (alice, "", "a b", "x" * 65, "ä"):
        assert refused(client.call(im_pb2.BlockRequest(user=user))) == "BAD_REQUEST"


def test_typing_is_shown_but_not_to_who_blocks(cluster: Cluster, dial: Dial) -> None:
    # Given
    alice, bob = cluster.pair()
    client, watcher = dial(alice), cluster.connect(bob, "web.2")

    # When
    ok(client.call(im_pb2.TypingRequest(receiver=bob)))
    ok(client.call(im_pb2.TypingRequest(receiver=bob, stopped=True)))

    # Then
    pushes = [watcher.wait_push(im_pb2.CMD_PUSH_TYPING) for _ in range(2)]
    assert [(push.sender, push.stopped) for push in pushes] == [(alice, False), (alice, True)]

    # When: bob blocks alice, who types on; carol types behind her
    ok(watcher.call(im_pb2.BlockRequest(user=alice)))
    ok(client.call(im_pb2.TypingRequest(receiver=bob)))
    carol = cluster.person("carol")
    ok(dial(carol).call(im_pb2.TypingRequest(receiver=bob)))

    # Then: only carol is seen
    assert watcher.wait_push(im_pb2.CMD_PUSH_TYPING).sender == carol


@apart
def test_versions_and_pings_tell_the_end_of_the_mailbox(
    cluster: Cluster, dial: Dial, apart: Apart
) -> None:
    # Given
    alice, bob = cluster.pair(apart)
    client = dial(bob)
    assert ok(client.call(im_pb2.VersionsRequest())).version == 0
    watcher = cluster.connect(bob)

    # When
    answer = ok(dial(alice).call(text_to(bob)))
    version = watcher.wait_message(answer.id).version

    # Then: both say where the mailbox ends, and that is where sync ends
    assert ok(client.call(im_pb2.VersionsRequest())).version == version
    pong = ok(client.call(im_pb2.PingRequest()))
    assert pong.version == version
    assert abs(pong.server_time - answer.send_time) < 60_000
    assert ok(client.call(im_pb2.SyncRequest())).cursor == version
    late = cluster.connect_bare()
    assert late.auth(cluster.token(bob)).version == version


def test_pushes_are_chained_by_the_version_before(cluster: Cluster, dial: Dial) -> None:
    # Given
    alice, bob = cluster.pair()
    watcher = cluster.connect(bob)
    client = dial(alice)

    # When
    for n in range(5):
        watcher.wait_message(ok(client.call(text_to(bob, f"number {n}"))).id)

    # Then: each push starts where the one before it ended
    end = 0
    for push in watcher.pushes:
        assert push.cmd == im_pb2.CMD_PUSH_MESSAGES
        assert push.body.previous == end
        end = push.body.messages[-1].version
