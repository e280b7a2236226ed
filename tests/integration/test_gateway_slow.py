"""Mars clients that read slowly or not at all: whole frames, an order to sync, or the end."""

import threading
from collections.abc import Iterator

import pytest

from bench.procs import tree, usage
from dev.clients.device import Closed, Device
from dev.clients.mars import NOOP, NOOP_SEQ, MarsClient
from dev.clients.wait import wait_until
from dev.clients.wire import ok, sync_all, text_to
from proto import im_pb2
from tests.support.cluster import Cluster

MEBIBYTE = 1 << 20
BODY = "x" * 8000
BACKLOG = 5 * MEBIBYTE // len(BODY) + 50
"""Messages that make more than 5 MB."""

SLOW = "gateway.slow"
MEMORY_BYTES_MAX = 16 * MEBIBYTE
"""What a gateway may grow by: its queue, 64 requests in progress, and what Python keeps."""


@pytest.fixture(params=[False, True], ids=["tcp", "tls"])
def tls(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture(scope="module")
def slow(shared_cluster: Cluster) -> Iterator[str]:
    """A gateway that gives up on a reader after two seconds."""
    env = {"IM_WRITE_TIMEOUT_S": "2", "IM_OUTBOUND_BYTES_MAX": str(MEBIBYTE // 4)}
    shared_cluster.platform.start(SLOW, env=env)
    yield SLOW
    shared_cluster.platform.stop(SLOW)


def lazy(cluster: Cluster, user: str, name: str, tls: bool) -> MarsClient:
    """A client with a small receive buffer; it reads when it is told to."""
    port = cluster.platform.port(f"{name}.tls" if tls else name)
    certificate = cluster.certificate if tls else None
    client = MarsClient(port, certificate=certificate, receive_buffer=4096)
    client.auth(cluster.token(user))
    return client


def flood(cluster: Cluster, sender: Device, receiver: str, count: int = BACKLOG) -> list[str]:
    """Send large messages, many at once, and wait until they are delivered; their ids."""
    ids: list[str] = []
    while len(ids) < count:
        seqs = [sender.post(text_to(receiver, BODY)) for _ in range(10)]
        ids += [ok(sender.answer(seq).body).id for seq in seqs]
        sender.pushes.clear()
    wait_until(lambda: cluster.store.undelivered() == 0, what="delivery")
    return ids


def behind(cluster: Cluster) -> float:
    return cluster.metrics().get("im_connections_behind_total", 0.0)


def memory(cluster: Cluster, name: str) -> int:
    return usage(tree(cluster.platform.pid(name))).rss_bytes


def test_a_backlog_of_5_mb_is_whole_frames_and_an_order_to_sync(
    cluster: Cluster, tls: bool
) -> None:
    # Given
    alice, bob = cluster.pair("other database")
    sender, beside = cluster.connect(alice), cluster.tcp(cluster.person("beside"))
    before, dropped = memory(cluster, "gateway"), behind(cluster)
    with lazy(cluster, bob, "gateway", tls) as device:
        # When: it does not read while all that is pushed to it
        ids = flood(cluster, sender, bob)
        wait_until(lambda: behind(cluster) > dropped)
        # Then: the gateway keeps little of it, and others notice nothing
        assert memory(cluster, "gateway") - before < MEMORY_BYTES_MAX
        beside.noop()
        ok(beside.call(im_pb2.PingRequest()))

        # When it reads again (and checks the framing), Then: pushes in order, and one says: sync
        device.settle()
        device.noop()
        told = [p for p in device.pushes if p.cmd == im_pb2.CMD_PUSH_RESYNC]
        pushed = [m.id for m in device.messages()]
        assert told
        assert pushed == sorted(pushed)
        assert set(pushed) < set(ids)
        # Then: sync over the same connection has all of it, and it lives on
        assert [m.id for m in sync_all(device)] == ids
        device.wait_message(ok(sender.call(text_to(bob, "after"))).id)


def test_who_never_reads_is_cut(cluster: Cluster, slow: str, tls: bool) -> None:
    # Given
    alice, bob = cluster.pair("other database")
    sender, beside = cluster.connect(alice), cluster.tcp(cluster.person("beside"), slow)
    before = memory(cluster, slow)
    with lazy(cluster, bob, slow, tls) as device:
        # When
        ids = flood(cluster, sender, bob)
        wait_until(lambda: not _is_online(beside, bob), what="the end of who does not read")
        # Then: what it held is given back, and others notice nothing
        assert memory(cluster, slow) - before < MEMORY_BYTES_MAX
        beside.noop()
        # Then: whatever the device finds was whole, up to the end
        device.wait_closed()
        pushed = [m.id for m in device.messages()]
        assert pushed == sorted(pushed)
    # Then: it comes again and misses nothing
    with lazy(cluster, bob, slow, tls) as device:
        assert [m.id for m in sync_all(device)] == ids


def test_who_hangs_up_amid_a_backlog_is_no_error(cluster: Cluster, tls: bool) -> None:
    # Given
    alice, bob = cluster.pair("other database")
    sender, dropped = cluster.connect(alice), behind(cluster)
    with lazy(cluster, bob, "gateway", tls):
        flood(cluster, sender, bob)
        wait_until(lambda: behind(cluster) > dropped)
    # When it is gone, Then: nothing of it is left, nor was anything unexpected
    wait_until(lambda: not _is_online(sender, bob))
    sender.settle()
    assert "Traceback" not in cluster.platform.log("gateway")


def _is_online(asking: Device, user: str) -> bool:
    (presence,) = ok(asking.call(im_pb2.PresenceRequest(users=[user]))).presences
    return bool(presence.online)


def test_a_backlog_is_ended_between_frames(cluster: Cluster, tls: bool) -> None:
    """Who is thrown out amid a backlog and goes on reading finds whole frames, then why."""
    # Given: a device behind, and another of the same user
    alice, bob = cluster.pair("other database")
    sender, other = cluster.connect(alice), cluster.connect(bob)
    port = cluster.platform.port("gateway.tls" if tls else "gateway")
    certificate = cluster.certificate if tls else None
    dropped = behind(cluster)
    with MarsClient(port, certificate=certificate, receive_buffer=4096) as device:
        device.auth(cluster.new_token(bob), device="lazy")
        flood(cluster, sender, bob)
        wait_until(lambda: behind(cluster) > dropped)

        # When: it is logged out, and sends a heartbeat that is read behind that
        ok(other.call(im_pb2.LogOutRequest(device="lazy")))
        wait_until(lambda: "lazy" not in _devices(other), what="the log-out")
        device.send_frame(NOOP, NOOP_SEQ, b"")

        # Then
        assert device.wait_closed().code == 1000, "the end lies between frames"
        last = device.pushes[-1]
        assert (last.cmd, last.body.error.name) == (im_pb2.CMD_PUSH_KICKED, "TOKEN_REVOKED")
        assert [m.id for m in device.messages()] == sorted(m.id for m in device.messages())


def _devices(client: Device) -> set[str]:
    return {d.device for d in ok(client.call(im_pb2.DevicesRequest())).devices if d.online}


def test_who_asks_and_never_reads_is_heard_no_more(cluster: Cluster, slow: str, tls: bool) -> None:
    # Given: a mailbox that makes large answers
    alice, bob = cluster.pair("same shard")
    flood(cluster, cluster.connect(alice), bob, 50)
    beside = cluster.tcp(cluster.person("beside"), slow)
    with lazy(cluster, bob, slow, tls) as device:
        before = memory(cluster, slow)
        peaks = [0]
        asking = threading.Thread(target=_ask, args=(device,), daemon=True)

        # When: it asks for them on and on
        asking.start()
        while asking.is_alive():
            beside.noop()
            peaks.append(memory(cluster, slow) - before)
            asking.join(0.1)

        # Then: it is cut, others notice nothing, and the memory has a limit
        assert max(peaks) < MEMORY_BYTES_MAX, f"{max(peaks) >> 20} MiB"
        ok(beside.call(im_pb2.PingRequest()))


def _ask(device: MarsClient) -> None:
    """Ask without reading, until the connection is cut."""
    try:
        while True:
            device.post(im_pb2.SyncRequest())
    except (Closed, OSError):
        return
