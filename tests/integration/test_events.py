"""Server-sent events: where a stream goes on, who may open one, and how it stays alive."""

import threading
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest

from dev.clients.wait import wait_until
from dev.clients.wire import ok, text_to
from dev.clients.ws import WebSocketClient
from models import keys
from proto import im_pb2
from tests.integration.test_slow_reader import MEMORY_BYTES_MAX, Bystander, flood, memory
from tests.support.cluster import Cluster
from tests.support.raw import RawSocket

OUTBOUND_BYTES_MAX = 256 * 1024
SLOW = "web.slow-streams"
HEARTBEAT_S = 15 + 2 + 30  # web/keeper.py, and for this machine being busy


@pytest.fixture(scope="module")
def slow_web(shared_cluster: Cluster) -> Iterator[str]:
    """A web process that gives up on a reader after two seconds."""
    env = {"IM_WRITE_TIMEOUT_S": "2", "IM_OUTBOUND_BYTES_MAX": str(OUTBOUND_BYTES_MAX)}
    shared_cluster.platform.start(SLOW, env=env)
    yield SLOW
    shared_cluster.platform.stop(SLOW)


def test_a_stream_carries_messages(cluster: Cluster) -> None:
    alice, bob = cluster.pair("other database")
    sender = cluster.connect(alice)
    early = ok(sender.call(text_to(bob, "early")))
    stream = cluster.events(bob, since=0)
    assert stream.headers["content-type"] == "text/event-stream"
    assert stream.user == bob
    stream.wait_message(early.id)
    late = ok(sender.call(text_to(bob, "late")))
    stream.wait_message(late.id)
    assert [m.id for m in stream.messages()] == [early.id, late.id]
    ok(stream.call(im_pb2.ReadRequest(peer=alice, id=late.id)))
    assert stream.wait_push(im_pb2.CMD_PUSH_READ).id == late.id


def test_an_id_is_the_version_reached(cluster: Cluster) -> None:
    # Given: events of both kinds
    alice, bob = cluster.pair()
    sender = cluster.connect(alice)
    sent = send(sender, bob, 5)
    stream = cluster.events(bob, since=0)
    for identifier in sent:
        stream.wait_message(identifier)
    ok(sender.call(im_pb2.TypingRequest(receiver=bob)))
    typing = stream.wait_push(im_pb2.CMD_PUSH_TYPING)
    assert typing.sender == alice

    # Then: messages have one, nothing else has
    reached = [str(push.body.messages[-1].version) for push in stream.pushes]
    assert stream.ids == ["", *reached, ""], "the first is the opening"


def test_a_stream_without_a_cursor_starts_now(cluster: Cluster) -> None:
    # Given
    alice, bob = cluster.pair()
    sender = cluster.connect(alice)
    (early,) = send(sender, bob, 1)
    cluster.events(bob, since=0).wait_message(early)

    # When
    stream = cluster.events(bob)
    (late,) = send(sender, bob, 1)

    # Then: only what is new, and where that starts is said
    version = stream.wait_message(late).version
    assert [m.id for m in stream.messages()] == [late]
    assert 0 < stream.opening.version < version


def test_a_reconnecting_browser_goes_on_where_it_was(cluster: Cluster) -> None:
    # Given: an address with an old cursor, as EventSource opens it again and again
    alice, bob = cluster.pair("other database")
    sender = cluster.connect(alice)
    sent: list[str] = []
    shown: list[str] = []
    last = ""

    # When: it is cut after every few messages, and comes back to either process
    for n in range(6):
        sent += send(sender, bob, 3)
        with cluster.events(bob, ("web", "web.2")[n % 2], since=0, last_event_id=last) as stream:
            sent += send(sender, bob, 3)
            stream.wait_message(sent[-1])
            shown += [m.id for m in stream.messages()]
            last = [identifier for identifier in stream.ids if identifier][-1]

    # Then: no gap, no repetition
    assert shown == sent


@pytest.mark.parametrize("since", ["x", "-1", "1.5", "٣", "9" * 20, "1%00"])
def test_a_cursor_that_is_none_is_refused(cluster: Cluster, since: str) -> None:
    status, body = refusal(cluster, {"since": since}, cluster.token(cluster.person()))
    assert (status, b"BAD_REQUEST" in body) == (400, True)


def test_a_ticket_opens_one_stream(cluster: Cluster) -> None:
    # Given
    alice, bob = cluster.pair()
    issued = ok(cluster.short(cluster.token(bob)).call(im_pb2.TicketRequest()))
    assert issued.expires_in_s == 30

    # When
    stream = cluster.events(bob, "web.2", ticket=issued.ticket)

    # Then: without any token
    assert (stream.status, stream.user) == (200, bob)
    stream.wait_message(send(cluster.connect(alice), bob, 1)[0])
    # Then: once
    for web in ("web", "web.2"):
        again = cluster.events(bob, web, ticket=issued.ticket)
        assert again.status == 401
        assert b"UNAUTHENTICATED" in again.refusal


@pytest.mark.parametrize("ticket", ["nonsense", "x" * 65, "ä", " "])
def test_an_unknown_ticket_is_refused(cluster: Cluster, ticket: str) -> None:
    stream = cluster.events(cluster.person(), ticket=ticket)
    assert stream.status == 401
    assert b"UNAUTHENTICATED" in stream.refusal


@pytest.mark.parametrize("name", ["token", "access_token", "ticket", "authorization"])
def test_a_token_in_the_address_is_not_taken(cluster: Cluster, name: str) -> None:
    alice = cluster.person()
    status, body = refusal(cluster, {name: cluster.token(alice)})
    assert (status, b"UNAUTHENTICATED" in body) == (401, True)


def test_a_stream_that_has_nothing_to_say_shows_that_it_lives(cluster: Cluster) -> None:
    stream = cluster.events(cluster.person())
    wait_until(lambda: stream.comments, HEARTBEAT_S, what="a comment")
    assert stream.closed is None


def test_thousands_are_caught_up_with_while_more_are_sent(cluster: Cluster) -> None:
    # Given
    alice, bob = cluster.pair("other database")
    sender = cluster.connect(alice)
    sent = send(sender, bob, 3000)
    wait_until(lambda: cluster.store.undelivered() == 0, what="delivery")

    # When: more are sent while the stream reads the log
    more: list[str] = []
    thread = threading.Thread(target=lambda: more.extend(send(sender, bob, 300, at_once=5)))
    thread.start()
    stream = cluster.events(bob, since=0)
    thread.join()

    # Then: everything in order, each once, in pieces as large as any frame
    stream.wait_message(more[-1])
    assert [m.id for m in stream.messages()] == sent + more


def test_a_stream_nobody_reads_is_cut(cluster: Cluster, slow_web: str) -> None:
    # Given: an open stream with a small receive buffer
    alice, bob = cluster.pair("other shard")
    sender = cluster.connect(alice)
    with RawSocket(cluster.platform.url(slow_web), receive_buffer=4096) as reader:
        reader.send(
            f"GET /events?since=0 HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: Bearer {cluster.token(bob)}\r\n\r\n".encode()
        )
        wait_until(lambda: _listeners(cluster, bob), what="the stream")
        before = memory(cluster, slow_web)

        # When: far more is sent than it may hold back
        with Bystander(cluster, slow_web):
            ids = flood(cluster, sender, bob, 600)
            assert memory(cluster, slow_web) - before < MEMORY_BYTES_MAX

            # Then: it is given up before anything was read, and has carried a part
            wait_until(lambda: not _listeners(cluster, bob), what="the end of the stream")
            received = _rest(reader)
        assert len(received) < 600 * 8000
    # Then: who comes back gets all of it
    stream = cluster.events(bob, slow_web, since=0)
    stream.wait_message(ids[-1])
    assert [m.id for m in stream.messages()] == ids


@pytest.mark.chaos
def test_what_was_read_before_it_was_published_does_not_come_again(fragile: Cluster) -> None:
    # Given: nobody delivers, the sender's copy is in the log already
    alice, bob = fragile.pair("other database")
    client = fragile.connect(alice)
    fragile.platform.kill("worker")
    first = ok(client.call(text_to(bob, "first")))
    stream = fragile.events(alice, since=0)
    stream.wait_message(first.id)

    # When: it is published
    fragile.start("worker")
    second = ok(client.call(text_to(bob, "second")))

    # Then
    stream.wait_message(second.id)
    assert [m.id for m in stream.messages()] == [first.id, second.id]


def send(sender: WebSocketClient, receiver: str, count: int, at_once: int = 50) -> list[str]:
    """Send so many; their ids."""
    ids: list[str] = []
    for start in range(0, count, at_once):
        numbers = range(start, min(start + at_once, count))
        seqs = [sender.post(text_to(receiver, f"number {n}")) for n in numbers]
        ids += [ok(sender.answer(seq).body).id for seq in seqs]
        sender.pushes.clear()
    return ids


def refusal(cluster: Cluster, query: dict[str, str], token: str = "") -> tuple[int, bytes]:
    """Ask for a stream that must not open; status and body of the answer."""
    bearer = f"Authorization: Bearer {token}\r\n" if token else ""
    with RawSocket(cluster.platform.url()) as connection:
        head = f"GET /events?{urlencode(query)} HTTP/1.1\r\nHost: x\r\n{bearer}\r\n"
        status, _, body = connection.request(head.encode())
    return status, body


def _listeners(cluster: Cluster, user: str) -> int:
    """How many processes have the user connected."""
    channel = keys.channel(user)
    with cluster.redis_client() as redis:
        return int(dict(redis.pubsub_numsub(channel))[channel.encode()])


def _rest(reader: RawSocket) -> bytes:
    """What a connection still brings until its end."""
    data = bytearray()
    try:
        while piece := reader.sock.recv(65536):
            data += piece
    except ConnectionResetError:
        pass
    return bytes(data)
