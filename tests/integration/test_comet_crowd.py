"""Many polls that begin at once, while every call to Redis takes its time."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from urllib.parse import urlsplit

import pytest
from redis import Redis

from chaos.proxy import Proxy
from dev.clients.wait import DEADLINE_S, wait_until
from dev.clients.wire import ok
from models import keys
from proto import im_pb2
from tests.support.cluster import Cluster
from web.admission import AT_ONCE

CROWD = 300
REDIS_DELAY_S = 0.08  # each way: 16 connections make 100 calls a second


@pytest.fixture
def far(cluster: Cluster) -> Iterator[int]:
    """Port of a web process that is far from its Redis."""
    redis = urlsplit(cluster.redis.url())
    assert redis.port
    with Proxy(redis.port) as proxy:
        proxy.weather.delay_s = REDIS_DELAY_S
        url = redis._replace(netloc=f"127.0.0.1:{proxy.port}").geturl()
        cluster.platform.start("web.far", env={"IM_REDIS_URL": url})
        try:
            yield cluster.platform.port("web.far")
        finally:
            cluster.platform.stop("web.far")


def test_a_crowd_takes_turns_and_waits(cluster: Cluster, far: int) -> None:
    # When: more begin at once than Redis could count in within its timeout
    users = _known(cluster)
    with _crowd(cluster, far, users) as polls:
        # Then: each waits for its time, is not told that it may have missed something, and was
        # counted in
        for poll in polls:
            assert not ok(_answer(poll)).events
    assert "not counted" not in cluster.platform.log("web.far")


def test_who_goes_away_before_their_turn_leaves_nothing(cluster: Cluster, far: int) -> None:
    users = _known(cluster)
    channels = [keys.channel(user) for user in users]
    stays = cluster.person()
    cluster.connect(stays, "web.far")
    with cluster.redis_client() as redis:

        def listened() -> int:
            return sum(number > 0 for _, number in redis.pubsub_numsub(*channels))

        def counted_by(process: str) -> set[str]:
            return {user.decode() for user in redis.smembers(keys.attended(process))}

        here = next(entry for entry in _processes(redis) if stays in counted_by(entry))
        # When: all hang up while some begin in their own turn, behind others
        with _crowd(cluster, far, users):
            wait_until(lambda: len(counted_by(here)) > 2 * AT_ONCE, what="the first of the crowd")
        # Then
        wait_until(lambda: not listened(), what="the end of the crowd")
        ok(cluster.polls(cluster.person(), "web.far").poll(0))  # the last turns are over
        # Then: nor does the process take any of them for connected when it counts anew
        redis.delete(keys.process(here))
        wait_until(
            lambda: [new for new in _processes(redis) if new != here and stays in counted_by(new)],
            what="a new name of the process",
        )
        new = next(name for name in _processes(redis) if name != here and stays in counted_by(name))
        assert counted_by(new) == {stays}


def _processes(redis: Redis) -> list[str]:
    return [name.decode().partition(":")[2] for name in redis.scan_iter(match=keys.process("*"))]


def _known(cluster: Cluster) -> list[str]:
    """Users whom the caches know, so that a poll takes one call to Redis."""
    users = [cluster.person() for _ in range(CROWD)]
    for user in users:
        ok(cluster.short(cluster.token(user)).call(im_pb2.VersionsRequest()))
    return users


@contextmanager
def _crowd(cluster: Cluster, port: int, users: list[str]) -> Iterator[list[socket.socket]]:
    """Polls of all of them, sent at once."""
    with ExitStack() as stack:
        polls = [
            stack.enter_context(socket.create_connection(("127.0.0.1", port), DEADLINE_S))
            for _ in users
        ]
        for poll, user in zip(polls, users, strict=True):
            poll.sendall(_request(cluster.token(user)))
        yield polls


def _request(token: str) -> bytes:
    body = im_pb2.CometRequest(wait_s=4, platform="web", device="d").SerializeToString()
    return (
        f"POST /comet HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/octet-stream\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def _answer(poll: socket.socket) -> im_pb2.CometResponse:
    with closing(poll.makefile("rb")) as answer:
        assert answer.readline().split()[1] == b"200"
        length = 0
        while line := answer.readline().strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        return im_pb2.CometResponse.FromString(answer.read(length))
