"""One suite for every transport: what is refused, how, and what a limit asks of the sender."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from dev.clients.device import Closed, Device
from dev.clients.http import ShortClient
from dev.clients.wait import wait_until
from dev.clients.wire import Caller, ok, refused, sync_all, text_to
from proto import im_pb2
from tests.integration.test_conformance import caller
from tests.support.cluster import KINDS, Cluster, Kind, Transport
from tests.support.polls import CometDevice, EventDevice

SHORT: tuple[Transport, ...] = ("http-json", "http-protobuf")
everywhere = pytest.mark.parametrize("kind", [*KINDS, *SHORT])
devices = pytest.mark.parametrize("kind", KINDS)
LIMITED = ("web.limited", "gateway.limited")
BODY_BYTES_MAX = 65536


@pytest.fixture(scope="module")
def limited(shared_cluster: Cluster) -> Iterator[str]:
    """A web process and a gateway that let everybody send two messages, then one a second."""
    env = {"IM_SEND_RATE_PER_S": "1", "IM_SEND_BURST": "2"}
    for name in LIMITED:
        shared_cluster.platform.start(name, env=env)
    yield LIMITED[0]
    shared_cluster.platform.stop(*LIMITED)


@everywhere
def test_an_unknown_command_is_named_so(cluster: Cluster, kind: Kind | Transport) -> None:
    client = caller(cluster, kind, cluster.person())
    assert refused(ask(client, "nonsense", 9999, b"")) == "UNKNOWN_COMMAND"
    # Then: nor may a client say what only the server says
    push = ask(client, "push_messages", im_pb2.CMD_PUSH_MESSAGES, b"")
    assert refused(push) == "UNKNOWN_COMMAND"
    ok(client.call(im_pb2.PingRequest()))


@everywhere
@pytest.mark.parametrize("body", [b"\xff\xff\xff", b'{"receiver": 5'], ids=["bytes", "text"])
def test_a_bad_body_is_a_bad_request(cluster: Cluster, kind: Kind | Transport, body: bytes) -> None:
    client = caller(cluster, kind, cluster.person())
    if kind == "ws-json":
        assert isinstance(client, Device)
        client.send_text('{"cmd": "send", "seq": 7, "body": {"receiver": []}}')
        answer = client.answer(7).body
    else:
        answer = ask(client, "send", im_pb2.CMD_SEND, body)
    assert refused(answer) == "BAD_REQUEST"
    ok(client.call(im_pb2.PingRequest()))


@everywhere
def test_a_blocked_sender_is_told(cluster: Cluster, kind: Kind | Transport) -> None:
    # Given
    alice, bob = cluster.pair("other database")
    sender, receiver = caller(cluster, kind, alice), caller(cluster, kind, bob, "web.2")
    request = text_to(bob, "let me in")

    # When
    ok(receiver.call(im_pb2.BlockRequest(user=alice)))

    # Then: as soon as every process knows; nothing of it is kept
    wait_until(lambda: sender.call(text_to(bob)).error.name == "BLOCKED")
    assert refused(sender.call(request)) == "BLOCKED"
    assert not cluster.store.by_sequence(alice, request.sequence)

    # When: it is forgiven, the same message goes through
    ok(receiver.call(im_pb2.UnblockRequest(user=alice)))
    answer = wait_until(lambda: accepted(sender.call(request)))
    wait_until(lambda: answer.id in [m.id for m in sync_all(receiver)])


@everywhere
def test_a_used_sequence_is_a_conflict(cluster: Cluster, kind: Kind | Transport) -> None:
    alice, bob = cluster.pair()
    client = caller(cluster, kind, alice)
    request = text_to(bob, "the first")
    first = ok(client.call(request))
    assert refused(client.call(text_to(bob, "another", request.sequence))) == "SEQUENCE_CONFLICT"
    assert ok(client.call(request)) == first


@everywhere
def test_rules_of_the_content(cluster: Cluster, kind: Kind | Transport) -> None:
    alice, bob = cluster.pair()
    client = caller(cluster, kind, alice)
    assert refused(client.call(text_to(bob, ""))) == "INVALID_CONTENT"
    too_long = client.call(text_to(bob, "x" * 8193))
    assert refused(too_long) in ("INVALID_CONTENT", "TOO_LARGE")
    assert refused(client.call(text_to(bob, "hello", "x" * 65))) == "BAD_REQUEST"
    assert sync_all(client) == []


@everywhere
def test_a_body_beyond_64_kib(cluster: Cluster, kind: Kind | Transport) -> None:
    # Given
    alice = cluster.person()
    client = caller(cluster, kind, alice)
    body = b" " * (BODY_BYTES_MAX + 1)

    # Then: WebSocket has a close code for it; a TCP client hears it, then the connection ends
    if kind in ("ws-frames", "ws-json"):
        assert isinstance(client, Device)
        with suppress(Closed):
            client.send_text(body.decode()) if client.json else client.send_frame(3, 7, body)
        assert client.wait_closed().code == 1009
    elif isinstance(client, Device) and kind in ("tcp", "tls"):
        client.send_frame(im_pb2.CMD_SEND, 7, body)
        assert refused(client.answer(7).body) == "TOO_LARGE"
        client.wait_closed()
    else:
        assert refused(ask(client, "send", im_pb2.CMD_SEND, body)) == "TOO_LARGE"
        assert short_of(client).status == (200 if kind == "http-protobuf" else 413)
    # Then: the user is none the worse for it
    ok(caller(cluster, kind, alice).call(im_pb2.PingRequest()))


@pytest.mark.parametrize("kind", ["ws-frames", "ws-json", "tcp", "tls"])
def test_nothing_goes_before_authentication(cluster: Cluster, kind: Kind) -> None:
    # Given
    alice, bob = cluster.pair()
    client: Device
    if kind.startswith("ws"):
        client = cluster.connect_bare(json=kind == "ws-json")
    else:
        client = cluster.tcp(tls=kind == "tls")

    # Then
    for request in (text_to(bob), im_pb2.SyncRequest(), im_pb2.TicketRequest()):
        assert refused(client.call(request)) == "UNAUTHENTICATED"
    client.auth(cluster.token(alice))
    ok(client.call(text_to(bob)))


@pytest.mark.parametrize("kind", ["ws-frames", "ws-json", "tcp", "tls"])
def test_a_bad_token_is_answered_then_closed(cluster: Cluster, kind: Kind) -> None:
    if kind.startswith("ws"):
        client: Device = cluster.connect_bare(json=kind == "ws-json")
    else:
        client = cluster.tcp(tls=kind == "tls")
    assert refused(client.call(im_pb2.AuthRequest(token="nonsense"))) == "UNAUTHENTICATED"
    client.wait_closed()


def test_without_a_good_token_there_is_nothing_by_http(cluster: Cluster) -> None:
    user = cluster.person()
    for token in ("nonsense", cluster.token(user)[:-5] + "AAAAA"):
        assert cluster.events(user, token=token).status == 401
        assert cluster.comet(user, token=token).wait_closed().reason == "UNAUTHENTICATED"
        for json in (False, True):
            assert refused(cluster.short(token, json=json).call(im_pb2.PingRequest()))


@devices
@pytest.mark.parametrize("end", ["TOKEN_REVOKED", "UNAUTHENTICATED"], ids=["revoked", "expired"])
def test_a_token_that_ends_ends_the_connection(cluster: Cluster, kind: Kind, end: str) -> None:
    # Given: connected
    alice, bob = cluster.pair()
    token = cluster.new_token(alice) if end == "TOKEN_REVOKED" else cluster.token(alice, ttl_s=4)
    client = cluster.device(kind, alice, token=token)
    ok(client.call(im_pb2.PingRequest()))

    # When
    if end == "TOKEN_REVOKED":
        cluster.usercenter("/revoke", {"token": token})

    # Then: it is told why, and closed
    closed = client.wait_closed()
    if isinstance(client, CometDevice):
        assert closed.reason == end
    else:
        assert client.wait_push(im_pb2.CMD_PUSH_KICKED).error.name == end
        assert closed.code == (4401 if kind.startswith("ws") else 1000)
    # Then: and the token opens nothing any more
    short = cluster.short(token)
    wait_until(lambda: short.call(text_to(bob)).error.name in ("TOKEN_REVOKED", "UNAUTHENTICATED"))


@everywhere
def test_who_sends_too_fast_is_told_when_to_go_on(
    cluster: Cluster, limited: str, kind: Kind | Transport
) -> None:
    # Given
    alice, bob = cluster.pair("other shard")
    client = caller(cluster, kind, alice, limited)
    sent: list[str] = []

    # When: it sends without pause
    def too_fast() -> Any:
        request = text_to(bob, f"number {len(sent)}")
        answer = client.call(request)
        if answer.error.code:
            return request, answer
        sent.append(answer.id)
        return None

    request, answer = wait_until(too_fast)

    # Then: it hears when there is room again
    assert refused(answer) == "RATE_LIMITED"
    assert answer.error.retryable
    assert 0 < answer.error.retry_after_ms <= 1000
    assert len(sent) >= 2
    if isinstance(client, ShortClient) and client.json:
        assert client.status == 429
        assert client.headers["Retry-After"] == "1"

    # When: it insists, refused or not
    again = wait_until(lambda: accepted(client.call(request)))

    # Then: the message is there once, behind the others
    assert accepted_or_limited(client.call(request)) in (again.id, "RATE_LIMITED")
    assert len(cluster.store.by_sequence(alice, request.sequence)) >= 1
    assert [m.id for m in sync_all(client)] == [*sent, again.id]


def accepted(answer: Any) -> Any:
    """The answer; None when it must be asked for again."""
    if answer.error.code:
        assert answer.error.name in ("RATE_LIMITED", "BLOCKED")
        return None
    return answer


def accepted_or_limited(answer: Any) -> str:
    return str(answer.error.name or answer.id)


def short_of(client: Caller) -> ShortClient:
    """The short link of a client that makes its calls over it."""
    if isinstance(client, CometDevice | EventDevice):
        return client.short
    assert isinstance(client, ShortClient)
    return client


def ask(client: Caller, name: str, number: int, body: bytes) -> Any:
    """The answer to any command with any body."""
    if not isinstance(client, Device) or isinstance(client, CometDevice | EventDevice):
        return short_of(client).post(name, body)
    if client.json:
        client.send_text(f'{{"cmd": "{name}", "seq": 7, "body": {{}}}}')
    else:
        client.send_frame(number, 7, body)
    return client.answer(7).body
