"""Peers that vanish are found out by the kernel, and a herd comes back without the database."""

from collections.abc import Callable
from pathlib import Path

import pytest

from dev.clients.mars import MarsClient
from dev.clients.wait import wait_until
from dev.clients.wire import insist, ok, refused, text_to
from models import keys
from proto import im_pb2
from tests.support.cluster import Cluster

ESTABLISHED = "01"
KEEPALIVE_TIMER = "02"
TCP_TABLE = Path("/proc/net/tcp")


@pytest.mark.skipif(not TCP_TABLE.exists(), reason="the kernel's table of sockets is needed")
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_an_idle_tcp_connection_is_kept_alive(cluster: Cluster, tls: bool) -> None:
    # Given: quiet, before and behind authentication
    for client in (cluster.tcp(tls=tls), cluster.tcp(cluster.person(), tls=tls)):
        # Then: the kernel has a timer for it on the server's side
        wait_until(_timer_of(client), what="the keepalive timer")


@pytest.mark.chaos
def test_who_comes_back_is_let_in_without_mysql(fragile: Cluster) -> None:
    # Given: somebody whose latest version Redis knows, and somebody who never was here
    alice, bob = fragile.pair("other database")
    client, watcher = fragile.connect(alice), fragile.connect(bob)
    version = watcher.wait_message(ok(client.call(text_to(bob))).id).version
    with fragile.redis_client() as redis:
        wait_until(lambda: redis.get(keys.latest(bob)) == b"%d" % version)
    stranger = fragile.token(fragile.person())
    token = fragile.token(bob)

    # When
    fragile.mariadb.pause()
    try:
        # Then: the one logs in, and knows that there is nothing to sync
        for newcomer in (fragile.connect_bare(), fragile.connect_bare(json=True), fragile.tcp()):
            answer = newcomer.auth(token)
            assert answer.version == version
            assert ok(newcomer.call(im_pb2.PingRequest())).version == version
        assert fragile.events(bob).opening.version == version
        # Then: the other is told to try again, on the connection they have
        waits = fragile.connect_bare()
        request = im_pb2.AuthRequest(token=stranger)
        assert refused(waits.call(request)) in ("TIMEOUT", "UNAVAILABLE")
    finally:
        fragile.mariadb.resume()
    insist(waits, request)


def _timer_of(client: MarsClient) -> Callable[[], bool]:
    """Looks whether the server's end of the connection has a keepalive timer running."""
    ours, theirs = client.sock.getsockname()[1], client.sock.getpeername()[1]

    def runs() -> bool:
        for line in TCP_TABLE.read_text().splitlines()[1:]:
            _, local, remote, state, _, timer, *_ = line.split()
            ports = tuple(int(address.rpartition(":")[2], 16) for address in (local, remote))
            if ports == (theirs, ours) and state == ESTABLISHED:
                return timer.partition(":")[0] == KEEPALIVE_TIMER
        return False

    return runs
