"""Clients that do not read: bounded memory, whole frames, RESYNC or a close, others unharmed."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from bench.procs import tree, usage
from dev.clients.device import Push
from dev.clients.wait import DEADLINE_S, wait_until
from dev.clients.wire import ok, sync_all, text_to
from dev.clients.ws import WebSocketClient
from proto import frame, im_pb2
from tests.support.cluster import Cluster
from tests.support.raw import BINARY, CLOSE, PING, RawSocket, wire_frame

MEBIBYTE = 1 << 20
OUTBOUND_BYTES_MAX = 256 * 1024
MEMORY_BYTES_MAX = 8 * MEBIBYTE
"""What a web process may grow by under more than that which is not read."""

OTHERS_WAIT_S = 2.0
FLOOD_S = 3.0
BODY = "x" * 8000
PINGS = 'im_requests_total{command="ping",result="ok"}'
WEB = "web.slow"


@pytest.fixture(scope="module")
def slow_web(shared_cluster: Cluster) -> Iterator[str]:
    """A web process that gives up on a reader after two seconds."""
    env = {"IM_WRITE_TIMEOUT_S": "2", "IM_OUTBOUND_BYTES_MAX": str(OUTBOUND_BYTES_MAX)}
    shared_cluster.platform.start(WEB, env=env)
    yield WEB
    shared_cluster.platform.stop(WEB)


class Bystander(threading.Thread):
    """Somebody on the same process who talks to themselves; keeps the longest wait."""

    def __init__(self, cluster: Cluster, web: str) -> None:
        super().__init__(daemon=True)
        self.client = cluster.connect(cluster.person("bystander"), web)
        self.waits_s = [0.0]
        self.failure: BaseException | None = None
        self._over = threading.Event()

    def run(self) -> None:
        try:
            while not self._over.wait(0.05):
                started = time.monotonic()
                answer = ok(self.client.call(text_to(self.client.user)))
                self.client.wait_message(answer.id)
                self.waits_s.append(time.monotonic() - started)
        except BaseException as error:
            self.failure = error

    def __enter__(self) -> "Bystander":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join(DEADLINE_S)
        assert self.failure is None, self.failure
        assert max(self.waits_s) < OTHERS_WAIT_S, f"{max(self.waits_s):.1f} s"


def memory(cluster: Cluster, web: str) -> int:
    return usage(tree(cluster.platform.pid(web))).rss_bytes


def flood(cluster: Cluster, client: WebSocketClient, receiver: str, count: int) -> list[str]:
    """Send large messages, many at once, and wait until they are delivered; their ids."""
    ids: list[str] = []
    for _ in range(count // 10):
        seqs = [client.post(text_to(receiver, BODY)) for _ in range(10)]
        ids += [ok(client.answer(seq).body).id for seq in seqs]
        client.pushes.clear()
    wait_until(lambda: cluster.store.undelivered() == 0, what="delivery")
    return ids


def _fall_behind(cluster: Cluster, sender: WebSocketClient, receiver: str) -> None:
    """Send until the receiver's device has lost its queue."""
    before = behind(cluster)
    wait_until(lambda: flood(cluster, sender, receiver, 50) and behind(cluster) > before)


def behind(cluster: Cluster) -> float:
    return cluster.metrics().get("im_connections_behind_total", 0.0)


def test_a_reader_that_pauses_is_told_to_sync_and_misses_nothing(cluster: Cluster) -> None:
    # Given: a device with a small receive buffer, which stops reading
    alice, bob = cluster.pair("other database")
    sender = cluster.connect(alice, "web.2")
    with RawSocket(cluster.platform.url(), receive_buffer=4096) as device:
        device.upgrade()
        device.auth(cluster.token(bob))
        before, dropped = memory(cluster, "web"), behind(cluster)

        # When: 12 MiB are pushed to it
        with Bystander(cluster, "web"):
            ids = flood(cluster, sender, bob, 1500)
            wait_until(lambda: behind(cluster) > dropped)
            assert memory(cluster, "web") - before < MEMORY_BYTES_MAX

        # Then: it finds whole frames only, and among them that it must sync
        pushed: list[str] = []
        told_to_sync = False
        device.send(wire_frame(BINARY, frame.encode(im_pb2.CMD_PING, 77, b"")))
        while (received := device.mars()).seq != 77:
            if received.cmd == im_pb2.CMD_PUSH_RESYNC:
                told_to_sync = True
                continue
            assert received.cmd == im_pb2.CMD_PUSH_MESSAGES
            push = im_pb2.MessagesPush.FromString(received.body)
            pushed += [message.id for message in push.messages]
        assert told_to_sync
        assert pushed == sorted(pushed)
        assert set(pushed) < set(ids)
    # Then: sync has all of it, in frames of the agreed size
    assert [m.id for m in sync_all(cluster.connect(bob))] == ids


def test_a_slow_reader_loses_pushes_but_no_answers(cluster: Cluster) -> None:
    """WIRE.md: every request is answered; silence costs a Mars client its whole link."""
    # Given: a device whose queue is full
    alice, bob = cluster.pair("same shard")
    sender = cluster.connect(alice, "web.2")
    with RawSocket(cluster.platform.url(), receive_buffer=4096) as device:
        device.upgrade()
        device.auth(cluster.token(bob))
        _fall_behind(cluster, sender, bob)

        # When: it asks something, and falls behind again before it reads the answer
        asked = cluster.metrics().get(PINGS, 0.0)
        device.send(wire_frame(BINARY, frame.encode(im_pb2.CMD_PING, 77, b"")))
        wait_until(lambda: cluster.metrics().get(PINGS, 0.0) > asked)
        _fall_behind(cluster, sender, bob)
        device.send(wire_frame(BINARY, frame.encode(im_pb2.CMD_PING, 78, b"")))

        # Then: both answers come, whatever pushes were dropped
        answered: list[int] = []
        while 78 not in answered:
            answered.append(device.mars().seq)
        assert 77 in answered


def test_a_reader_that_never_reads_is_cut(cluster: Cluster, slow_web: str) -> None:
    # Given
    alice, bob = cluster.pair("same shard")
    sender = cluster.connect(alice)
    with RawSocket(cluster.platform.url(slow_web), receive_buffer=4096) as device:
        device.upgrade()
        device.auth(cluster.token(bob))
        before = memory(cluster, slow_web)

        # When
        with Bystander(cluster, slow_web):
            ids = flood(cluster, sender, bob, 600)
            # Then: it is cut within the write timeout, and what it held is given back
            wait_until(lambda: _is_cut(device))
            assert memory(cluster, slow_web) - before < MEMORY_BYTES_MAX
    assert [m.id for m in sync_all(cluster.connect(bob, slow_web))] == ids


@pytest.mark.parametrize("kind", ["ping", "noop", "sync", "unknown command"])
def test_a_client_that_asks_and_never_reads(cluster: Cluster, slow_web: str, kind: str) -> None:
    # Given: a mailbox that makes large answers
    alice, bob = cluster.pair("same shard")
    flood(cluster, cluster.connect(alice), bob, 50)
    with RawSocket(cluster.platform.url(slow_web), receive_buffer=4096) as device:
        device.upgrade()
        device.auth(cluster.token(bob))
        before = memory(cluster, slow_web)
        request = {
            "ping": wire_frame(PING, b"p" * 125),
            "noop": wire_frame(BINARY, frame.encode(frame.NOOP_CMD, frame.NOOP_SEQ, b"")),
            "sync": wire_frame(BINARY, frame.encode(im_pb2.CMD_SYNC, 5, b"")),
            "unknown command": wire_frame(BINARY, frame.encode(9999, 5, b"x" * 100)),
        }[kind]

        # When: it asks on and on, as fast as the server takes it
        peak = 0
        with Bystander(cluster, slow_web), suppress(TimeoutError, ConnectionError):
            device.sock.settimeout(1.0)
            until = time.monotonic() + FLOOD_S
            while time.monotonic() < until:
                device.sock.sendall(request * 500)
                peak = max(peak, memory(cluster, slow_web) - before)

        # Then
        assert peak < MEMORY_BYTES_MAX, f"{peak >> 20} MiB"
        wait_until(lambda: _is_cut(device), what="the end of the connection")


def test_a_slow_reader_of_json_gets_whole_messages(cluster: Cluster, slow_web: str) -> None:
    # Given: a device that reads a little now and then
    alice, bob = cluster.pair("other shard")
    sender = cluster.connect(alice)
    device = cluster.connect(bob, slow_web, json=True)

    # When
    ids = flood(cluster, sender, bob, 500)
    # Then: whatever came was whole (the client parses it) and in order; what did not is synced
    device.settle()
    shown = [message.id for message in device.messages()]
    assert shown == sorted(shown)
    assert any(map(_is_resync, device.pushes)) or shown == ids
    assert [m.id for m in sync_all(device)] == ids


def _is_resync(push: Push) -> bool:
    return push.cmd == im_pb2.CMD_PUSH_RESYNC


def _is_cut(device: RawSocket) -> bool:
    """Whether the server has let go of the connection, seen without reading what it sent."""
    try:
        device.sock.settimeout(0.2)
        device.sock.sendall(wire_frame(CLOSE, b""))
    except TimeoutError:
        return False
    except OSError:
        return True
    return device.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0
