"""Long polls that are refused or end early: tokens, bodies, device policy, stops, no Redis."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from dev.clients.wait import DEADLINE_S
from dev.clients.wire import ok, refused, text_to
from proto import im_pb2
from tests.support.cluster import Cluster
from tests.support.parked import parked

LONG_S = 20
LEAVING = "web.leaving"


@pytest.fixture
def leaving(shared_cluster: Cluster) -> Iterator[str]:
    """A web process to be stopped."""
    shared_cluster.platform.start(LEAVING)
    yield LEAVING
    shared_cluster.platform.stop(LEAVING)


@pytest.mark.parametrize("json", [True, False], ids=["json", "protobuf"])
def test_a_bad_token_is_refused(cluster: Cluster, json: bool) -> None:
    user = cluster.person()
    for token in ("nonsense", cluster.token(user)[:-5] + "AAAAA", "ä".encode().hex()):
        polls = cluster.polls(user, json=json, token=token)
        assert refused(polls.poll(0, wait_s=LONG_S)) == "UNAUTHENTICATED"
        assert polls.status == (401 if json else 200)


@pytest.mark.parametrize("json", [True, False], ids=["json", "protobuf"])
def test_a_bad_body_is_refused(cluster: Cluster, json: bool) -> None:
    polls = cluster.polls(cluster.person(), json=json)
    nonsense = [b"{", b"[]", b'{"since": "x"}', b'{"since": -1}'] if json else [b"\xff", b"\x08"]
    for body in nonsense:
        assert refused(polls.post(body)) == "BAD_REQUEST"
        assert polls.status == (400 if json else 200)
    assert refused(polls.post(b" " * 65537)) == "TOO_LARGE"
    assert polls.status == (413 if json else 200)
    assert refused(polls.poll(2**64 - 1, wait_s=1, device="x" * 65)) == "BAD_REQUEST"
    assert refused(polls.poll(0, wait_s=1, platform="x" * 33)) == "BAD_REQUEST"
    ok(polls.poll(0, wait_s=1))


@pytest.mark.parametrize("end", ["TOKEN_REVOKED", "UNAUTHENTICATED"], ids=["revoked", "expired"])
def test_a_waiting_poll_ends_with_its_token(cluster: Cluster, end: str) -> None:
    # Given
    alice = cluster.person()
    token = cluster.new_token(alice) if end == "TOKEN_REVOKED" else cluster.token(alice, ttl_s=4)
    polls = cluster.polls(alice, token=token)

    # When
    with parked(cluster, alice, lambda: polls.poll(0, wait_s=LONG_S)) as answer:
        if end == "TOKEN_REVOKED":
            cluster.usercenter("/revoke", {"token": token})

        # Then: it does not wait to its end, which would be an answer without error
        assert refused(answer.result(DEADLINE_S)) == end
    assert refused(polls.poll(0, wait_s=1)) in ("TOKEN_REVOKED", "UNAUTHENTICATED")


def test_a_waiting_poll_is_kicked_by_too_many_devices(cluster: Cluster) -> None:
    # Given: one phone that waits; two are allowed
    alice = cluster.person()
    polls = cluster.polls(alice)

    def poll(wait_s: int = LONG_S) -> Any:
        return polls.poll(0, wait_s, "phone 1", "ios")

    with parked(cluster, alice, poll) as answer:
        # When: two others come
        for n in (2, 3):
            cluster.connect_bare("web.2").auth(cluster.token(alice), f"phone {n}", "ios")

        # Then: it is told so, once; coming again is another log-in
        assert refused(answer.result(DEADLINE_S)) == "KICKED"
    assert polls.status == 409
    ok(poll(1))


def test_a_device_between_two_polls_is_kicked_too(cluster: Cluster) -> None:
    # Given: one phone between two polls
    alice = cluster.person()
    polls = cluster.polls(alice)
    ok(polls.poll(0, 1, "phone 1", "ios"))

    # When
    phones = [cluster.connect_bare() for _ in range(2)]
    for n, phone in enumerate(phones, 2):
        phone.auth(cluster.token(alice), f"phone {n}", "ios")

    # Then: its next poll hears of it, by whichever process, and only that one
    other = cluster.polls(alice, "web.2")
    assert refused(other.poll(0, 1, "phone 1", "ios")) == "KICKED"
    ok(polls.poll(0, 1, "phone 1", "ios"))
    assert phones[0].wait_push(im_pb2.CMD_PUSH_KICKED).error.name == "KICKED"


def test_a_device_that_connects_again_ends_its_poll(cluster: Cluster) -> None:
    # Given
    alice, bob = cluster.pair()
    polls = cluster.polls(bob)

    # When: the same device comes by WebSocket, to another process
    with parked(cluster, bob, lambda: polls.poll(0, LONG_S, "browser")) as answer:
        device = cluster.connect_bare("web.2")
        device.auth(cluster.token(bob), "browser", "web")

        # Then: one of the two is enough
        assert refused(answer.result(DEADLINE_S)) == "KICKED"
    device.wait_message(ok(cluster.connect(alice).call(text_to(bob))).id)


def test_a_stopping_process_sends_its_polls_elsewhere(cluster: Cluster, leaving: str) -> None:
    # Given
    alice, bob = cluster.pair("other database")
    polls = cluster.polls(bob, leaving)

    # When
    with parked(cluster, bob, lambda: polls.poll(0, LONG_S, "phone")) as waiting:
        stopping = threading.Thread(target=cluster.platform.stop, args=(leaving,))
        stopping.start()
        answer = ok(waiting.result(DEADLINE_S))

        # Then: the poll ends where it was, and is told to come back
        (event,) = answer.events
        assert event.WhichOneof("body") == "go_away"
        assert event.go_away.delay_ms < 10_000
        assert (answer.since, len(answer.messages)) == (0, 0)
        stopping.join()

    # When: something is sent meanwhile
    sent = ok(cluster.connect(alice).call(text_to(bob, "meanwhile")))

    # Then: the next poll goes on elsewhere
    elsewhere = cluster.polls(bob, "web.2")
    (message,) = ok(elsewhere.poll(answer.since, LONG_S, "phone")).messages
    assert message.id == sent.id


@pytest.mark.chaos
def test_without_redis_a_poll_answers_what_mysql_has(fragile: Cluster) -> None:
    # Given
    alice, bob = fragile.pair("other database")
    client = fragile.connect(alice)
    with fragile.connect(bob) as watcher:
        first = ok(client.call(text_to(bob, "before")))
        since = watcher.wait_message(first.id).version

    # When: Redis dies while one poll waits
    polls = fragile.polls(bob)
    with parked(fragile, bob, lambda: polls.poll(since, wait_s=5)) as waiting:
        fragile.redis.kill()
        kept = ok(client.call(text_to(bob, "during")))
        ended = ok(waiting.result(DEADLINE_S))

    # Then: that one ends without an error, others answer what is there: of what was sent
    # meanwhile the sender's copy at least
    for json in (True, False):
        answer = ok(fragile.polls(bob, json=json).poll(0, wait_s=1))
        assert answer.messages[0].id == first.id
        answer = ok(fragile.polls(alice, json=json).poll(0, wait_s=1))
        assert [m.id for m in answer.messages] == [first.id, kept.id]

    # When
    fragile.mend()

    # Then: polls go on where they were
    device = fragile.comet(bob, since=ended.since)
    after = ok(client.call(text_to(bob, "after")))
    device.wait_message(after.id)
    shown = [*ended.messages, *device.messages()]
    assert [m.id for m in shown] == [kept.id, after.id]
