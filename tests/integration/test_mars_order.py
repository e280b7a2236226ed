"""One Mars connection, many requests: who is slow holds up nobody, heartbeats least of all."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import unquote, urlsplit

import pymysql
import pytest

from dev.clients.mars import NOOP, NOOP_SEQ, MarsClient, pack
from dev.clients.wire import insist, ok, sync_all, text_to
from proto import im_pb2
from tests.support.cluster import Cluster

pytestmark = pytest.mark.parametrize("tls", [False, True], ids=["tcp", "tls"])


@contextmanager
def held_up(cluster: Cluster, user: str) -> Iterator[None]:
    """Meanwhile nothing is appended to the user's log: somebody holds its lock."""
    shard = cluster.store.shard_of(user)
    (url,) = (u for u in cluster.platform.env["IM_MYSQL_URL"].split(",") if shard.database in u)
    parts = urlsplit(url)
    connection = pymysql.connect(
        host=parts.hostname,
        port=parts.port or 0,
        user=parts.username,
        password=unquote(parts.password or ""),
        database=shard.database,
        ssl_disabled=True,
    )
    with connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT version FROM shard_log WHERE shard = {shard.number} FOR UPDATE")
        yield
        connection.rollback()


def test_a_slow_request_holds_up_neither_others_nor_heartbeats(cluster: Cluster, tls: bool) -> None:
    # Given
    alice, bob = cluster.pair("other database")
    client = cluster.tcp(alice, tls=tls)
    requests = [text_to(bob, f"number {n}") for n in range(3)]

    # When: sends wait for the database, and the client goes on asking
    with held_up(cluster, alice):
        sends = [client.post(request) for request in requests]
        for _ in range(3):
            client.noop()
            ok(client.call(im_pb2.PingRequest()))
            ok(client.call(im_pb2.AddressesRequest()))
        # Then: it is answered, heartbeats too, before anything could be stored
        answered = client.answers()
        assert not any(seq in answered and not answered[seq].body.error.code for seq in sends)

    # Then: the sends are stored as well, once, whether or not they were given up meanwhile
    for seq in sends:
        if seq not in answered:
            client.answer(seq)
    ids = [insist(client, request).id for request in requests]
    assert sorted(m.id for m in sync_all(client)) == sorted(ids)
    assert len(set(ids)) == len(requests)


def test_heartbeats_in_every_state(cluster: Cluster, tls: bool) -> None:
    client = cluster.tcp(tls=tls)
    # When nothing else was said; while it authenticates; when it is open; when it was refused
    client.noop()
    client.post(im_pb2.AuthRequest(token=cluster.token(cluster.person("alice"))))
    client.noop()
    ok(client.answer(1).body)
    client.noop()
    client.send_frame(im_pb2.CMD_SEND, 2, b"\xff")
    client.noop()
    # Then: with many requests under way, each heartbeat has its reply
    batch = [pack(im_pb2.CMD_VERSIONS, seq, b"") for seq in range(100, 150)]
    client.send_bytes(pack(NOOP, NOOP_SEQ, b"").join(batch))
    for _ in range(len(batch) - 1):
        client.wait_noop()
    for seq in range(100, 150):
        ok(client.answer(seq).body)


def test_nothing_is_pushed_before_the_first_frame(cluster: Cluster, tls: bool) -> None:
    """The server does not know which version the client wants to see in its frames."""
    # Given: one who has said nothing yet, and one who has
    silent = cluster.tcp(tls=tls)
    known = cluster.tcp(cluster.person("alice"), tls=tls)
    # When: everybody on the gateway is told to sync
    with cluster.redis_client() as redis:
        redis.client_kill_filter(_type="pubsub")
    known.wait_push(im_pb2.CMD_PUSH_RESYNC)
    known.settle()

    # Then: the first thing the silent one hears is the answer to its own first frame
    silent.client_version = 9
    assert_first_is_noop(silent)
    silent.auth(cluster.token(cluster.person("bob")))
    assert not silent.pushes


def assert_first_is_noop(client: MarsClient) -> None:
    client.send_frame(NOOP, NOOP_SEQ, b"")
    assert client.read() == (client.client_version, NOOP, NOOP_SEQ, b"")
