"""The gateway as a process: whom it lets go of, who takes over, how it ends."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
import requests

from dev.clients.device import Closed
from dev.clients.mars import NOOP, NOOP_SEQ, MarsClient
from dev.clients.wait import DEADLINE_S, wait_until
from dev.clients.wire import insist, ok, sync_all, text_to
from proto import im_pb2
from tests.support.cluster import Cluster

RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@contextmanager
def gateway(cluster: Cluster, name: str, **env: str) -> Iterator[str]:
    """A gateway of its own, under other settings."""
    cluster.platform.start(name, env=env)
    try:
        yield name
    finally:
        cluster.platform.stop(name)


# ---------------------------------------------------------------- who says nothing


def test_empty_connections_harm_nobody(cluster: Cluster) -> None:
    """A Mars client tries several addresses at once and drops the losers without a byte."""
    # Given
    good = cluster.tcp(cluster.person("good"))
    before = tcp_connections(cluster)

    # When: many come and go, in order and with a reset
    for number in range(100):
        empty = cluster.tcp(tls=number % 10 == 0)
        if number % 2:
            option = (socket.SOL_SOCKET, socket.SO_LINGER)
            empty.sock.setsockopt(*option, RESET_ON_CLOSE)
        empty.close()

    # Then: the next is served, who was there still is, and nothing is kept of the others
    ok(cluster.tcp(cluster.person("next")).call(im_pb2.PingRequest()))
    good.noop()
    wait_until(lambda: tcp_connections(cluster) == before + 1)


def tcp_connections(cluster: Cluster) -> float:
    samples = cluster.metrics("gateway")
    return sum(
        value
        for name, value in samples.items()
        if name.startswith("im_connections{") and 'transport="t' in name
    )


def test_who_is_silent_for_too_long_is_cut(shared_cluster: Cluster, cluster: Cluster) -> None:
    # Given
    hurry = {"IM_AUTH_DEADLINE_S": "1", "IM_IDLE_TIMEOUT_S": "3"}
    heartbeats = {f"IM_HEARTBEAT_{kind}_S": "1" for kind in ("WEB", "MOBILE", "DESKTOP")}
    with gateway(shared_cluster, "gateway.hurried", **hurry, **heartbeats) as name:
        # When: strangers who say nothing or only heartbeats, and a friend who falls silent
        friend = cluster.tcp(cluster.person("alice"), name)
        busy = cluster.tcp(cluster.person("bob"), name)
        stranger, secure = cluster.tcp(gateway=name), cluster.tcp(gateway=name, tls=True)
        beating = cluster.tcp(gateway=name)

        # Then: they are cut between frames; who sends heartbeats stays for as long as it likes
        for client in (stranger, secure, beating, friend):
            assert _end_beside(client, busy, beats=client is beating).code == 1000
            assert not client.pushes
        ok(busy.call(im_pb2.PingRequest()))


def _end_beside(client: MarsClient, busy: MarsClient, *, beats: bool) -> Closed:
    def ended() -> Closed | None:
        busy.noop()
        try:
            if beats:
                client.send_frame(NOOP, NOOP_SEQ, b"")
            client.poll(0.1)
        except Closed as closed:
            return closed
        return None

    closed = wait_until(ended, what="the end of the silent connection")
    assert closed is not None
    return closed


# ---------------------------------------------------------------- several of them


def test_two_gateways_share_a_port(shared_cluster: Cluster, cluster: Cluster) -> None:
    port = str(cluster.platform.port("gateway.one"))
    with gateway(shared_cluster, "gateway.one"):
        with gateway(shared_cluster, "gateway.two", IM_GATEWAY_PORT=port):
            # Given: so many connections that both have some, unless the odds are 1 in 2 ** 39
            clients = [cluster.tcp(gateway="gateway.one") for _ in range(40)]
            for client in clients:
                client.noop()
            # When: one of the two ends
        ended = [client for client in clients if _has_ended(client)]
        # Then: it had served some, the other serves the rest, and everybody new
        assert 0 < len(ended) < len(clients)
        assert all(p.cmd == im_pb2.CMD_PUSH_GO_AWAY for client in ended for p in client.pushes)
        for _ in range(len(clients)):
            cluster.tcp(gateway="gateway.one").noop()


def _has_ended(client: MarsClient) -> bool:
    try:
        client.noop()
    except Closed:
        return True
    return False


@pytest.mark.chaos
def test_a_killed_gateway_loses_and_doubles_nothing(
    shared_cluster: Cluster, cluster: Cluster
) -> None:
    # Given: both sides on a gateway; some sends are acknowledged, others on their way
    alice, bob = cluster.pair("other database")
    messages = [text_to(bob, f"number {n}") for n in range(60)]
    with gateway(shared_cluster, "gateway.doomed") as doomed:
        client, watcher = cluster.tcp(alice, doomed), cluster.tcp(bob, doomed)
        posted = {client.post(message): message.sequence for message in messages}
        acked = {posted[seq]: ok(client.answer(seq).body).id for seq in list(posted)[:20]}

        # When
        cluster.platform.kill(doomed)
        client.wait_closed()
        watcher.wait_closed()
    answers = client.answers()
    acked |= {posted[seq]: ok(answer.body).id for seq, answer in answers.items()}

    # When: they go to another one, and whatever was sent is sent again
    client, watcher = cluster.tcp(alice), cluster.tcp(bob)
    ids = {message.sequence: insist(client, message).id for message in messages}

    # Then: acks stand, and each message is there once, on both sides
    assert ids.items() >= acked.items()
    wait_until(lambda: {m.id for m in sync_all(watcher)} >= set(ids.values()))
    for identifier in ids.values():
        assert len(cluster.store.by_id(identifier)) == 2, "one row in each mailbox"
    for reader in (client, watcher):
        assert sorted(m.sequence for m in sync_all(reader)) == sorted(ids)
    watcher.wait_message(ok(client.call(text_to(bob, "after"))).id)


def test_a_stopping_gateway_sends_everybody_away(shared_cluster: Cluster, cluster: Cluster) -> None:
    # Given: clients of both ports, one of them unknown, one that said nothing, one in the middle
    alice, bob = cluster.pair("other database")
    with gateway(shared_cluster, "gateway.leaving") as name:
        friends = [
            cluster.tcp(cluster.person("friend"), name, tls=tls) for tls in (False, True) * 4
        ]
        stranger, silent = cluster.tcp(gateway=name), cluster.tcp(gateway=name)
        stranger.noop()
        client = cluster.tcp(alice, name)
        messages = {client.post(m): m for m in (text_to(bob, f"number {n}") for n in range(50))}

        # When
        stop = threading.Thread(target=cluster.platform.stop, args=(name,), daemon=True)
        stop.start()

        # Then: everybody is told when and where to come back, and cut between frames
        delays = []
        for told in (*friends, stranger, client):
            assert told.wait_closed().code == 1000
            told.close()
            (away,) = [p.body for p in told.pushes if p.cmd == im_pb2.CMD_PUSH_GO_AWAY]
            assert {"tcp", "tls"} <= {address.scheme for address in away.addresses}
            delays.append(away.delay_ms)
        assert silent.wait_closed().code == 1000
        assert not silent.pushes, "its version is not known"
        assert len(set(delays)) > 1, "not all at once"
        stop.join(DEADLINE_S)
        assert not cluster.platform.alive(name)
        assert '"level": "error"' not in cluster.platform.log(name)

    # Then: what it acknowledged is stored, what it did not can be sent again
    acked = {seq: a.body.id for seq, a in client.answers().items() if not a.body.error.code}
    client = cluster.tcp(alice)
    stored = {message.sequence: message.id for message in sync_all(client)}
    assert stored.items() >= {messages[seq].sequence: i for seq, i in acked.items()}.items()
    ids = [insist(client, message).id for message in messages.values()]
    assert sorted(m.id for m in sync_all(client)) == sorted(ids)


# ---------------------------------------------------------------- its other port


def test_health_and_metrics_on_their_own_port(cluster: Cluster) -> None:
    # Given
    cluster.tcp(cluster.person("alice"))
    url = cluster.platform.url("gateway.metrics")

    # Then
    assert requests.get(f"{url}/healthz", timeout=10).status_code == 200
    ready = requests.get(f"{url}/readyz", timeout=10)
    assert (ready.status_code, ready.json()["ready"]) == (200, True)
    assert {"redis"} < set(ready.json()["dependencies"])
    metrics = requests.get(f"{url}/metrics", timeout=10)
    assert metrics.headers["Content-Type"].startswith("text/plain")
    assert tcp_connections(cluster) >= 1
    assert requests.get(f"{url}/im/ping", timeout=10).status_code == 404
    # Then: nor does the port of frames speak HTTP
    with suppress(requests.ConnectionError):
        requests.get(f"{cluster.platform.url('gateway')}/metrics", timeout=10)
        raise AssertionError("answered")
