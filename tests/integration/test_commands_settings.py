"""Commands under settings other than the defaults, on web processes of their own."""

import time
from collections.abc import Iterator

import pytest

from dev.clients.wait import wait_until
from dev.clients.wire import ok, refused, sync_all, text_to
from proto import im_pb2
from tests.support.cluster import APART, Apart, Cluster

OTHER = "web.other"


@pytest.fixture(scope="module")
def other_web(shared_cluster: Cluster) -> Iterator[str]:
    """A web process that recalls nothing, drops for who blocks, and has short limits."""
    env = {
        "IM_RECALL_WINDOW_S": "0",
        "IM_BLOCKED_POLICY": "drop",
        "IM_BLOCKED_USERS_MAX": "2",
    }
    shared_cluster.platform.start(OTHER, env=env)
    yield OTHER
    shared_cluster.platform.stop(OTHER)


@pytest.mark.parametrize("apart", APART)
def test_an_expired_recall_changes_nothing(cluster: Cluster, other_web: str, apart: Apart) -> None:
    # Given: a delivered message, older than the window
    alice, bob = cluster.pair(apart)
    client, watcher = cluster.connect(alice, other_web), cluster.connect(bob)
    answer = ok(client.call(text_to(bob, "stays")))
    watcher.wait_message(answer.id)
    wait_until(lambda: time.time() * 1000 > answer.send_time + 5)

    # When
    refusal = client.call(im_pb2.RecallRequest(id=answer.id))

    # Then
    assert refused(refusal) == "RECALL_EXPIRED"
    assert not refusal.error.retryable
    for user in (alice, bob):
        (message,) = sync_all(cluster.connect(user))
        assert (message.withdraw_time, message.content.text.text) == (0, "stays")


def test_a_dropped_message_looks_sent_and_is_nowhere(cluster: Cluster, other_web: str) -> None:
    # Given
    alice, bob = cluster.pair("other database")
    client, watcher = cluster.connect(alice, other_web), cluster.connect(bob)
    device = cluster.connect(alice)
    earlier = text_to(bob, "before")
    stored = ok(client.call(earlier))
    watcher.wait_message(stored.id)
    device.wait_message(stored.id)
    ok(watcher.call(im_pb2.BlockRequest(user=alice)))

    # When
    request = text_to(bob, "never seen")
    answer = ok(client.call(request))

    # Then: an ack like any other, also when it is repeated
    assert len(answer.id) == 32
    assert answer.send_time > 0
    ok(client.call(request))
    assert ok(client.call(earlier)) == stored
    # Then: stored nowhere, shown nowhere; what comes later is
    later = ok(client.call(text_to(cluster.person(), "to somebody else")))
    device.wait_message(later.id)
    assert [m.id for m in device.messages()] == [stored.id, later.id]
    assert not cluster.store.by_sequence(alice, request.sequence)
    ok(watcher.call(im_pb2.PingRequest()))
    assert [m.id for m in watcher.messages()] == [stored.id]
    assert [m.id for m in sync_all(watcher)] == [stored.id]


def test_a_full_block_list_says_so(cluster: Cluster, other_web: str) -> None:
    client = cluster.connect(cluster.person(), other_web)
    first, second, third = (cluster.person() for _ in range(3))
    for user in (first, second, second):
        ok(client.call(im_pb2.BlockRequest(user=user)))
    assert refused(client.call(im_pb2.BlockRequest(user=third))) == "LIMIT_EXCEEDED"
    ok(client.call(im_pb2.UnblockRequest(user=first)))
    ok(client.call(im_pb2.BlockRequest(user=third)))
