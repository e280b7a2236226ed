"""One dependency at a time dies or freezes: what was acknowledged is kept, the rest may repeat."""

import threading
import time
from contextlib import suppress
from functools import partial
from typing import Any

import pytest

from dev.clients.device import Closed
from dev.clients.wait import DEADLINE_S, wait_until
from dev.clients.wire import insist, ok, refused, sync_all, text_to
from dev.clients.ws import LOST, WebSocketClient
from proto import im_pb2
from tests.support.cluster import Cluster
from tests.support.parked import parked

pytestmark = pytest.mark.chaos

REQUEST_TIMEOUT_S = 6.0
"""WIRE.md: every request is answered by then, or a Mars client drops its whole link."""

GRACE_S = 6.0
"""For this machine being busy."""

LONG_S = 24
"""How long a poll waits."""

STOP_S = 10.0
"""IM_DRAIN_S, and as much again."""


def test_mysql_down_is_a_retryable_error_and_the_resend_is_stored_once(fragile: Cluster) -> None:
    # Given
    alice, bob = fragile.pair("other database")
    client, watcher = fragile.connect(alice), fragile.connect(bob)
    first = ok(client.call(text_to(bob, "before")))
    watcher.wait_message(first.id)
    request = text_to(bob, "during")

    # When
    fragile.mariadb.kill()

    # Then: no ack, an error that says to repeat, in time; the connection lives on
    for command in (request, im_pb2.SyncRequest(), im_pb2.HistoryRequest(peer=bob)):
        started = time.monotonic()
        _must_be_retryable(client.call(command))
        assert time.monotonic() - started < REQUEST_TIMEOUT_S + GRACE_S
    short = fragile.short(fragile.token(alice), json=True)
    _must_be_retryable(short.call(request))
    assert short.status in (503, 504)

    # When
    fragile.mariadb.start()

    # Then: the same sequence goes through on the same connection, and is stored once
    answer = insist(client, request)
    watcher.wait_message(answer.id)
    assert insist(client, request).id == answer.id
    assert len(fragile.store.by_sequence(alice, request.sequence)) == 2, "one per mailbox"
    assert [m.id for m in sync_all(client, patient=True)] == [first.id, answer.id]
    assert [m.id for m in watcher.messages()] == [first.id, answer.id]


def test_mysql_down_ends_no_log_in(fragile: Cluster) -> None:
    """A refusal closes: the token is no good. A database that is away says nothing of tokens."""
    # Given: pools with several connections, and people who were never here
    readers = [fragile.connect(fragile.person()) for _ in range(8)]
    for seq, reader in [(reader.post(im_pb2.ContactsRequest()), reader) for reader in readers]:
        ok(reader.answer(seq).body)
    newcomers = [fragile.connect_bare() for _ in range(16)]
    tokens = [fragile.token(fragile.person()) for _ in newcomers]
    before = {name: len(log) for name, log in fragile.logs().items()}

    # When MySQL is down, and when it is back but the pools still hold what broke
    fragile.mariadb.kill()
    for client, token in zip(newcomers[:8], tokens, strict=False):
        _must_be_retryable(client.call(im_pb2.AuthRequest(token=token)))
    fragile.mariadb.start()
    for client, token in zip(newcomers, tokens, strict=True):
        # Then: all get in on the connection they have, and nothing worse is said on the way
        for request in (im_pb2.AuthRequest(token=token), im_pb2.ContactsRequest()):
            insist(client, request, unless=("INTERNAL",))
    # Then: nor was anything unexpected to the processes
    for name, log in fragile.logs().items():
        assert "Traceback" not in log[before[name] :], name


def test_frozen_mysql_still_answers_in_time(fragile: Cluster) -> None:
    # Given
    alice, bob = fragile.pair("other database")
    client, watcher = fragile.connect(alice), fragile.connect(bob)
    short = fragile.short(fragile.token(alice))
    first = ok(client.call(text_to(bob, "before")))
    requests = [text_to(bob, f"during {n}") for n in range(3)]

    # When: a device has several requests under way, a short call comes beside them
    late: dict[str, float] = {}
    fragile.mariadb.pause()
    started = time.monotonic()
    try:
        posted = {
            client.post(request): f"{type(request).__name__} {n}"
            for n, request in enumerate(
                (requests[0], requests[1], im_pb2.SyncRequest(), im_pb2.HistoryRequest(peer=bob))
            )
        }
        _must_be_retryable(short.call(requests[2]))
        late["short"] = time.monotonic() - started
        while posted:
            client.poll(0.1)
            for seq, answer in client.answers().items():
                late[posted.pop(seq)] = time.monotonic() - started
                _must_be_retryable(answer.body)
            assert time.monotonic() - started < 30, f"never answered: {posted}"
    finally:
        fragile.mariadb.resume()

    # Then: whatever became of them, the resend stores each once
    ids = [insist(client, request).id for request in requests]
    for identifier in ids:
        watcher.wait_message(identifier)
        assert len(fragile.store.by_id(identifier)) == 2
    assert {m.id for m in sync_all(watcher, patient=True)} == {first.id, *ids}
    # Then: and nobody had waited longer than WIRE.md allows
    assert max(late.values()) < REQUEST_TIMEOUT_S + GRACE_S, late


@pytest.mark.parametrize("frozen", [False, True], ids=["killed", "frozen"])
def test_without_redis_sends_are_stored_and_delivered_later(fragile: Cluster, frozen: bool) -> None:
    # Given
    alice, bob = fragile.pair("other database")
    client, watcher = fragile.connect(alice), fragile.connect(bob)
    blocked = fragile.person("blocked")
    ok(client.call(im_pb2.BlockRequest(user=blocked)))
    cursor = watcher.wait_message(ok(client.call(text_to(bob, "before"))).id).version
    stranger = fragile.connect(blocked)

    # When
    if frozen:
        fragile.redis.pause()
    else:
        fragile.redis.kill()

    # Then: acks come in time, also for a second device that connects now
    sent = []
    late = []
    try:
        for n in range(5):
            started = time.monotonic()
            sent.append(ok(client.call(text_to(bob, f"during {n}"))).id)
            late.append(time.monotonic() - started)
        started = time.monotonic()
        newcomer = fragile.connect(alice)
        late.append(time.monotonic() - started)
        sent.append(ok(newcomer.call(text_to(bob, "from another device"))).id)
        # Then: the sender's own mailbox can be read, and the block list still holds
        assert [m.id for m in sync_all(client)][1:] == sent
        assert len(ok(client.call(im_pb2.HistoryRequest(peer=bob))).messages) == 7
        assert ok(client.call(im_pb2.ContactsRequest())).contacts[0].last.id == sent[-1]
        assert refused(stranger.call(text_to(alice))) == "BLOCKED"
    finally:
        if frozen:
            fragile.redis.resume()
        else:
            fragile.redis.start()
    assert max(late) < REQUEST_TIMEOUT_S + GRACE_S, late

    # Then: once it is back the receiver hears of it without asking: by message or by resync
    _wait_delivered(fragile)
    wait_until(lambda: _heard_of(watcher, sent))
    assert [m.id for m in sync_all(watcher, cursor)] == sent
    # Then: pushes flow again
    after = ok(client.call(text_to(bob, "after")))
    watcher.wait_message(after.id)
    wait_until(lambda: _unread(fragile, bob, alice) == 8)


def test_without_a_worker_sends_are_acknowledged_and_the_sweep_delivers(fragile: Cluster) -> None:
    # Given: no worker, and every wake-up of Redis is lost
    alice, bob = fragile.pair("other database")
    client, watcher = fragile.connect(alice), fragile.connect(bob)
    wait_until(lambda: fragile.store.undelivered() == 0)
    fragile.platform.kill("worker")

    # When
    sent = [ok(client.call(text_to(bob, f"number {n}"))).id for n in range(20)]

    # Then: stored for the sender, not yet delivered
    assert [m.id for m in sync_all(client)] == sent
    assert fragile.store.undelivered() == 20
    fragile.redis.flush()

    # When
    fragile.start("worker")

    # Then
    for identifier in sent:
        watcher.wait_message(identifier)
    assert [m.id for m in watcher.messages()] == sent
    assert [m.id for m in sync_all(watcher)] == sent
    assert _unread(fragile, bob, alice) == 20


def test_a_worker_that_starts_before_mysql_delivers_once_it_can(fragile: Cluster) -> None:
    # Given: something to deliver
    alice, bob = fragile.pair("other database")
    client, watcher = fragile.connect(alice), fragile.connect(bob)
    fragile.platform.kill("worker")
    sent = ok(client.call(text_to(bob))).id

    # When
    fragile.mariadb.kill()
    fragile.start("worker")
    wait_until(lambda: "failed" in fragile.platform.log("worker"))
    fragile.mariadb.start()

    # Then: without another start
    watcher.wait_message(sent)
    assert fragile.platform.alive("worker")


def test_without_beat_the_wake_ups_deliver(fragile: Cluster) -> None:
    # Given
    alice, bob = fragile.pair("other database")
    client, watcher = fragile.connect(alice), fragile.connect(bob)

    # When
    fragile.platform.kill("beat")

    # Then
    for n in range(5):
        watcher.wait_message(ok(client.call(text_to(bob, f"number {n}"))).id)


def test_lost_pushes_are_found_by_the_next_ping(fragile: Cluster) -> None:
    # Given: a device whose process misses every publish
    alice, bob = fragile.pair("other shard")
    client, watcher = fragile.connect(alice), fragile.connect(bob)
    with fragile.redis_client() as redis:
        redis.client_kill_filter(_type="pubsub")
        answer = ok(client.call(text_to(bob)))

        # Then: the pong says that there is more, and sync has it
        wait_until(lambda: ok(watcher.call(im_pb2.PingRequest())).version > 0)
        wait_until(lambda: [m.id for m in sync_all(watcher)] == [answer.id])
    # Then: the subscription comes back by itself
    watcher.wait_push(im_pb2.CMD_PUSH_RESYNC)
    watcher.wait_message(ok(client.call(text_to(bob))).id)


def test_a_stopping_web_process_sends_everybody_away(fragile: Cluster) -> None:
    # Given: clients that come back at once, whatever delay they are advised
    closes: list[Closed] = []
    told: list[bool] = []

    def come_back(client: WebSocketClient) -> None:
        with suppress(*LOST):
            while True:
                closes.append(client.wait_closed())
                told.append(any(push.cmd == im_pb2.CMD_PUSH_GO_AWAY for push in client.pushes))
                client = fragile.connect(client.user)

    clients = [fragile.connect(fragile.person()) for _ in range(5)]
    threads = [threading.Thread(target=come_back, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()

    # When
    started = time.monotonic()
    fragile.platform.stop("web", timeout_s=DEADLINE_S)
    took_s = time.monotonic() - started
    for thread in threads:
        thread.join()

    # Then: everybody was told to go and nobody was cut, those who came back included
    assert {close.code for close in closes} == {1012}
    assert all(told)
    # Then: and it did not hold up the restart
    assert took_s < STOP_S


def _must_be_retryable(answer: Any) -> None:
    assert refused(answer) in ("UNAVAILABLE", "TIMEOUT", "OVERLOADED")
    assert answer.error.retryable


def _heard_of(watcher: WebSocketClient, sent: list[str]) -> bool:
    """Whether the device was pushed these messages, or told to sync."""
    watcher.settle()
    told = any(push.cmd == im_pb2.CMD_PUSH_RESYNC for push in watcher.pushes)
    return told or {m.id for m in watcher.messages()} >= set(sent)


def _wait_delivered(cluster: Cluster) -> None:
    """Wait for all logs to be delivered, by a worker that lives on or was started again."""

    def delivered() -> bool:
        cluster.revive("worker", "beat")
        return cluster.store.undelivered() == 0

    wait_until(delivered, what="delivery")


def _unread(cluster: Cluster, user: str, peer: str) -> int:
    with cluster.connect(user) as client:
        contacts = ok(client.call(im_pb2.ContactsRequest())).contacts
    return next((c.unread for c in contacts if c.peer == peer), -1)


def test_a_poll_that_waits_through_a_gap_is_answered(fragile: Cluster) -> None:
    # Given a poll, and what is published while its process is not subscribed
    alice, bob = fragile.pair("other shard")
    client, polls = fragile.connect(alice), fragile.polls(bob)
    with (
        fragile.redis_client() as redis,
        parked(fragile, bob, partial(polls.poll, 0, LONG_S)) as poll,
    ):
        started = time.monotonic()
        redis.client_kill_filter(_type="pubsub")
        sent = ok(client.call(text_to(bob))).id

        # Then: it hears of it before its time is over
        answer = ok(poll.result())
    assert [message.id for message in answer.messages] == [sent]
    assert time.monotonic() - started < LONG_S - GRACE_S
