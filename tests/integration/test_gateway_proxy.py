"""PROXY v2 at the gateway: required of our proxies and believed, never looked for from others."""

import itertools
import socket
import struct
from collections.abc import Iterator
from ipaddress import ip_address

import pytest

from dev.clients.device import Closed
from dev.clients.mars import NOOP, NOOP_SEQ, MarsClient, pack
from dev.clients.wait import wait_until
from dev.clients.wire import ok
from proto import im_pb2
from tests.support.cluster import Cluster

GATEWAY, DUAL = "gateway.proxied", "gateway.dual"
PROXY = "127.0.9.1"
PER_IP_MAX = 2
ENV = {
    "IM_TRUSTED_PROXIES": "127.0.9.0/24",
    "IM_CONNECTIONS_PER_IP_MAX": str(PER_IP_MAX),
    "IM_HANDSHAKE_DEADLINE_S": "1",
}
SIGNATURE = bytes.fromhex("0d0a0d0a000d0a515549540a")
NUMBERS = itertools.count(2)
"""Of addresses nobody came from before: who left is counted out some time later."""


def header(
    client: str, *, command: int = 0x21, size: int | None = None, more: bytes = b""
) -> bytes:
    """What a proxy says of its client; `size` lies about the length."""
    source = ip_address(client)
    addresses = source.packed + (b"\x7f\0\0\1" if source.version == 4 else b"\0" * 15 + b"\1")
    body = addresses + struct.pack(">2H", 40000, 8002) + more
    family = 0x11 if source.version == 4 else 0x21
    head = struct.pack(">2BH", command, family, len(body) if size is None else size)
    return SIGNATURE + head + body


NOOP_FRAME = pack(NOOP, NOOP_SEQ, b"")
GOOD = header("198.51.100.1")
NONSENSE = {
    "none": b"",
    "a heartbeat": NOOP_FRAME,
    "version 1": b"PROXY TCP4 203.0.113.7 127.0.0.1 40000 8002\r\n",
    "http": b"GET / HTTP/1.1\r\nHost: im\r\n\r\n",
    "another signature": b"X" + GOOD[1:],
    "another version": GOOD[:12] + b"\x31" + GOOD[13:],
    "another command": GOOD[:12] + b"\x2f" + GOOD[13:],
    "addresses too short": GOOD[:14] + b"\x00\x04" + GOOD[16:20],
    "too long": header("198.51.100.1", size=0xFFFF) + bytes(2000),
    "cut in the head": GOOD[:10],
    "cut in the addresses": GOOD[:-1],
}


def new_client() -> str:
    return f"203.0.113.{next(NUMBERS)}"


def new_stranger() -> str:
    return f"127.0.10.{next(NUMBERS)}"


@pytest.fixture(scope="module")
def proxied(shared_cluster: Cluster) -> Iterator[str]:
    """A gateway behind a proxy; its listeners take IPv4 alone."""
    shared_cluster.platform.start(GATEWAY, env=ENV)
    yield GATEWAY
    shared_cluster.platform.stop(GATEWAY)


class Door:
    """One port of a gateway and a proxy before it; connections end with the test."""

    def __init__(self, cluster: Cluster, name: str, tls: bool) -> None:
        self.cluster = cluster
        self.proxy = f"127.0.9.{next(NUMBERS)}"
        self._port = cluster.platform.port(f"{name}.tls" if tls else name)
        self._certificate = cluster.certificate if tls else None
        self._open: list[MarsClient] = []

    def dial(self, said: bytes = b"", source: str = "") -> MarsClient:
        """A connection that has had a heartbeat answered; Closed when it is not let in."""
        try:
            client = MarsClient(
                self._port,
                certificate=self._certificate,
                source=source or self.proxy,
                header=said,
            )
        except OSError as error:  # TLS saw its end first
            raise Closed(1006, str(error)) from None
        self._open.append(client)
        client.noop()
        return client

    def is_shut(self, said: bytes = b"", source: str = "") -> bool:
        """Whether nobody is let in who says this."""
        try:
            self.dial(said, source).close()
        except Closed:
            return True
        return False

    def close(self) -> None:
        for client in self._open:
            client.close()


@pytest.fixture(params=[False, True], ids=["tcp", "tls"])
def door(cluster: Cluster, proxied: str, request: pytest.FixtureRequest) -> Iterator[Door]:
    door = Door(cluster, proxied, request.param)
    yield door
    door.close()


def test_connections_are_counted_by_the_address_the_proxy_names(door: Door) -> None:
    # Given: two clients of one proxy with as many connections as an address may have
    first, second = new_client(), f"2001:db8::{next(NUMBERS)}"
    here = {
        address: [door.dial(header(address)) for _ in range(PER_IP_MAX)]
        for address in (first, second)
    }
    # Then: neither gets another one, a third client does
    for address in here:
        assert door.is_shut(header(address))
    client = door.dial(header(new_client(), more=b"\x05\x00\x02id"))
    client.auth(door.cluster.token(door.cluster.person("alice")))
    ok(client.call(im_pb2.PingRequest()))
    # Then: whose connection has ended may open another
    here[first].pop().close()
    wait_until(lambda: not door.is_shut(header(first)))


def test_the_header_may_come_in_pieces_or_with_what_is_behind_it(
    cluster: Cluster, proxied: str
) -> None:
    with MarsClient(cluster.platform.port(proxied), source=PROXY) as client:
        client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        said = header(new_client()) + NOOP_FRAME
        for index in range(len(said)):
            client.send_bytes(said[index : index + 1])
        client.wait_noop()
    with MarsClient(cluster.platform.port(proxied), source=PROXY) as client:
        client.send_bytes(said + NOOP_FRAME)
        client.wait_noop()
        client.wait_noop()


def test_the_proxy_speaks_for_itself_too(door: Door) -> None:
    """Health checks: LOCAL, whatever addresses stand behind it."""
    address = new_client()
    said = header(address, command=0x20)
    clients = [door.dial(said) for _ in range(PER_IP_MAX)]
    assert door.is_shut(said), "it counts as the proxy's own address"
    assert not door.is_shut(header(address))
    assert len(clients) == PER_IP_MAX


@pytest.mark.parametrize("said", NONSENSE.values(), ids=NONSENSE.keys())
def test_no_good_header_from_the_proxy_closes(cluster: Cluster, proxied: str, said: bytes) -> None:
    # When: and whatever comes behind it is not answered
    with MarsClient(cluster.platform.port(proxied), source=PROXY, header=said) as client:
        assert client.wait_closed().code == 1000
    # Then: others are served
    with MarsClient(
        cluster.platform.port(proxied), source=PROXY, header=header(new_client())
    ) as client:
        client.noop()


def test_nobody_else_may_say_who_they_are(door: Door) -> None:
    # When a stranger claims to be somebody: those are no frames, and no handshake
    claimed = new_client()
    assert door.is_shut(header(claimed), new_stranger())
    # Then: without it strangers are served, and counted as who they are
    stranger = new_stranger()
    clients = [door.dial(source=stranger) for _ in range(PER_IP_MAX)]
    assert door.is_shut(source=stranger)
    assert not door.is_shut(header(claimed))
    clients[0].noop()


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="no IPv6 here")
def test_a_proxy_of_ipv4_is_known_to_a_listener_of_ipv6(
    shared_cluster: Cluster, cluster: Cluster
) -> None:
    """Its address is `::ffff:127.0.9.1` or so there."""
    shared_cluster.platform.start(DUAL, env={**ENV, "IM_GATEWAY_HOST": "::"})
    door = Door(cluster, DUAL, tls=False)
    try:
        door.dial(header(new_client()))
        assert door.is_shut()
        door.dial(source=new_stranger())
    finally:
        door.close()
        shared_cluster.platform.stop(DUAL)
