"""Many polls that begin at once, while every call to Redis takes its time: they wait for turns."""

import select
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPResponse
from urllib.parse import urlsplit

import pytest
from redis import Redis

from chaos.proxy import Proxy
from dev.clients.wait import DEADLINE_S, wait_until
from dev.clients.wire import ok, refused, text_to
from models import keys
from proto import im_pb2
from tests.support.cluster import Cluster
from tests.support.groups import make_group
from web.admission import AT_ONCE

CROWD = 300
FEW = 100  # members of a group that is made at once
REDIS_DELAY_S = 0.08  # each way: 16 connections make 100 calls a second


class Far:
    """A web process that is far from its Redis, and what Redis knows of it."""

    def __init__(self, cluster: Cluster, proxy: Proxy, redis: Redis) -> None:
        self.proxy = proxy
        self.port = cluster.platform.port("web.far")
        self._redis = redis
        self._marker = cluster.person()
        cluster.connect(self._marker, "web.far")
        self.name = self.named()

    def named(self, other_than: str = "") -> str:
        """Its name in the registry, once it has another one."""
        found: list[str] = []

        def look() -> bool:
            names = [name.decode().partition(":")[2] for name in self._redis.scan_iter("process:*")]
            found[:] = [n for n in names if n != other_than and self._marker in self._members(n)]
            return bool(found)

        wait_until(look, what="the name of the process")
        return found[0]

    def counted(self, name: str = "") -> set[str]:
        """The users it counted in."""
        return self._members(name or self.name) - {self._marker}

    def heard_of(self, users: list[str]) -> int:
        """Of how many it listens to what comes for them."""
        channels = [keys.channel(user) for user in users]
        return sum(number > 0 for _, number in self._redis.pubsub_numsub(*channels))

    def forget(self) -> None:
        """As after Redis was emptied: it takes another name and counts its connections anew."""
        self._redis.delete(keys.process(self.name))

    def _members(self, name: str) -> set[str]:
        members = self._redis.smembers(keys.attended(name))
        return {user.decode() for user in members if isinstance(user, bytes)}


@pytest.fixture
def far(cluster: Cluster) -> Iterator[Far]:
    url = urlsplit(cluster.redis.url())
    assert url.port
    with Proxy(url.port) as proxy, cluster.redis_client() as redis:
        proxy.weather.delay_s = REDIS_DELAY_S
        there = url._replace(netloc=f"127.0.0.1:{proxy.port}").geturl()
        cluster.platform.start("web.far", env={"IM_REDIS_URL": there})
        try:
            yield Far(cluster, proxy, redis)
        finally:
            cluster.hang_up()
            cluster.platform.stop("web.far")


@pytest.fixture(scope="module")
def users(shared_cluster: Cluster) -> list[str]:
    """People whom the caches know, so that a poll takes one call to Redis."""
    named = [shared_cluster.person() for _ in range(CROWD)]
    for user in named:
        with closing(shared_cluster.short(shared_cluster.token(user))) as short:
            ok(short.call(im_pb2.VersionsRequest()))
    return named


def test_a_crowd_takes_turns_and_waits(cluster: Cluster, far: Far, users: list[str]) -> None:
    # When: more begin at once than Redis could count in within its timeout
    said = cluster.platform.log("web.far").count("not counted")
    with _crowd(cluster, far, users, wait_s=15) as polls:
        # Then: each is counted in, and nobody is answered before his time
        wait_until(lambda: far.counted() == set(users), what="the crowd")
        assert not select.select(polls, [], [], 0)[0]
        for poll in polls:
            answer = ok(_answer(poll))
            assert not answer.events, "told that something may have been missed"
            assert not answer.messages
    assert cluster.platform.log("web.far").count("not counted") == said


def test_what_comes_for_who_waits_in_line(cluster: Cluster, far: Far, users: list[str]) -> None:
    sender = cluster.connect(cluster.person())
    lucky = [cluster.person() for _ in range(3)]
    everybody = [*users, *lucky]
    # When: they are sent something while most of the crowd has not had its turn
    with _crowd(cluster, far, everybody, wait_s=15) as polls:
        wait_until(lambda: far.heard_of(everybody) == len(everybody), what="the crowd")
        ids = [ok(sender.call(text_to(user))).id for user in lucky]
        answers = [ok(_answer(poll)) for poll in polls]
    # Then: each gets it once, and nobody else anything
    assert [[m.id for m in answer.messages] for answer in answers[-3:]] == [[i] for i in ids]
    assert not any(answer.messages for answer in answers[:-3])


def test_who_goes_away_before_their_turn_leaves_nothing(
    cluster: Cluster, far: Far, users: list[str]
) -> None:
    # When: all hang up while some begin in their own turn, behind others
    with _crowd(cluster, far, users):
        wait_until(lambda: len(far.counted()) > 2 * AT_ONCE, what="the first of the crowd")
    # Then
    wait_until(lambda: not far.heard_of(users), what="the end of the crowd")
    ok(cluster.polls(cluster.person(), "web.far").poll(0, wait_s=5))  # the last turns are over
    # Then: nor does the process take any of them for connected when it counts anew
    far.forget()
    assert not far.counted(far.named(other_than=far.name))


def test_who_is_logged_out_in_line(cluster: Cluster, far: Far, users: list[str]) -> None:
    # Given: a device that has polled before, and polls again behind a crowd
    alice = cluster.person()
    ok(cluster.polls(alice).poll(0, device="lost"))
    desk = cluster.connect_bare()
    ok(desk.call(im_pb2.AuthRequest(token=cluster.new_token(alice), device="desk")))
    with _crowd(cluster, far, [*users, alice], device="lost", wait_s=25) as polls:
        wait_until(lambda: far.heard_of([*users, alice]) == CROWD + 1, what="the crowd")
        # When
        ok(desk.call(im_pb2.LogOutRequest(device="lost")))
        # Then: it is told so, and does not count as connected
        assert refused(_answer(polls[-1])) == "TOKEN_REVOKED"
    listed = ok(desk.call(im_pb2.DevicesRequest())).devices
    assert "lost" not in [device.device for device in listed if device.online]


def test_a_stopping_process_sends_the_line_away(
    cluster: Cluster, far: Far, users: list[str]
) -> None:
    with _crowd(cluster, far, users, wait_s=25) as polls:
        wait_until(lambda: far.heard_of(users) == CROWD, what="the crowd")
        # When
        cluster.platform.terminate("web.far")
        # Then: each is answered, whether it had its turn or not
        for poll in polls:
            events = ok(_answer(poll)).events
            assert [event.WhichOneof("body") for event in events] == ["go_away"]


def test_without_redis_members_of_groups_do_not_wait_in_line(
    cluster: Cluster, far: Far, users: list[str]
) -> None:
    # Given: the process loses its Redis, and users who are in a group
    members = users[:FEW]
    make_group(cluster.connect(cluster.person()), members)
    far.proxy.__exit__()
    # When, then: MySQL knows what there is; nobody is told to come later
    with _crowd(cluster, far, members) as polls:
        for poll in polls:
            ok(_answer(poll))


@contextmanager
def _crowd(
    cluster: Cluster, far: Far, users: list[str], *, wait_s: int = 4, device: str = "d"
) -> Iterator[list[socket.socket]]:
    """Polls of all of them, sent at once."""
    body = im_pb2.CometRequest(wait_s=wait_s, platform="web", device=device).SerializeToString()
    with ExitStack() as stack:
        polls = [
            stack.enter_context(socket.create_connection(("127.0.0.1", far.port), DEADLINE_S))
            for _ in users
        ]
        for poll, user in zip(polls, users, strict=True):
            poll.sendall(_request(cluster.token(user), body))
        yield polls


def _request(token: str, body: bytes) -> bytes:
    return (
        f"POST /comet HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/octet-stream\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def _answer(poll: socket.socket) -> im_pb2.CometResponse:
    with closing(HTTPResponse(poll)) as answer:
        answer.begin()
        assert answer.status == 200
        return im_pb2.CometResponse.FromString(answer.read())
