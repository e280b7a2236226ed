"""Behind `deploy/haproxy.cfg`: whose connections are counted, and what slow or many clients get."""

import re
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from dev.clients.device import Closed
from dev.clients.http import make_session
from dev.clients.mars import MarsClient
from dev.clients.wait import DEADLINE_S, wait_until
from dev.clients.wire import ok
from dev.clients.ws import WebSocketClient
from dev.services import find_command, write_private
from proto import im_pb2
from tests.support.cluster import Cluster
from tests.support.haproxy import (
    CONFIGURATION,
    CONNECTIONS_PER_IP_MAX,
    WEBS,
    HAProxy,
    behind,
    running,
)
from tests.support.secure import Secure

FIRST, SECOND = "127.0.0.2", "127.0.0.3"
PROXY_HEADER = (
    b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c" + bytes([9, 9, 9, 9, 127, 0, 0, 1]) + b"\0" * 4
)
STRICT = {
    "IM_LB_ADDRESS_CONNECTIONS_MAX": "3",
    "IM_LB_ADDRESS_REQUESTS_10S": "20",
}
HURRIED = {"timeout http-request 10s": "timeout http-request 1s"}


@pytest.fixture(scope="module")
def platform(shared_cluster: Cluster) -> Iterator[Cluster]:
    with behind(shared_cluster) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def proxy(platform: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HAProxy]:
    """As it is deployed."""
    with running(HAProxy(tmp_path_factory.mktemp("haproxy"), platform)) as started:
        yield started


@pytest.fixture
def strict(platform: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HAProxy]:
    """With low limits, and little patience for requests."""
    root = tmp_path_factory.mktemp("strict")
    with running(HAProxy(root, platform, env=STRICT, changes=HURRIED)) as started:
        yield started


@pytest.fixture
def secure(cluster: Cluster, proxy: HAProxy) -> Iterator[Secure]:
    clients = proxy.secure()
    yield clients
    clients.close()


# ---------------------------------------------------------------- whose connection it is


def test_websockets_count_for_the_address_of_the_client(
    cluster: Cluster, proxy: HAProxy, secure: Secure
) -> None:
    # Given: as many from one address as one process takes
    with proxy.drained("web/web2"):
        for _ in range(CONNECTIONS_PER_IP_MAX):
            secure.websocket(source=FIRST)

        # Then: the next is refused, whatever address it claims to have
        for claim in ("", "9.9.9.9", f"9.9.9.9, {SECOND}", "127.0.0.1", "9.9.9.9, 127.0.0.1"):
            assert refusal(secure, FIRST, {"X-Forwarded-For": claim} if claim else {}) == 429

        # Then: nor when it does not come through the proxy, which alone is believed
        direct = {"X-Forwarded-For": "9.9.9.9"}
        with pytest.raises(InvalidStatus) as refused:
            WebSocketClient(
                cluster.platform.url(WEBS[0]),
                source_address=(FIRST, 0),
                additional_headers=direct,
            )
        assert refused.value.response.status_code == 429

        # Then: another address has its own share
        for _ in range(CONNECTIONS_PER_IP_MAX):
            secure.websocket(source=SECOND)
        assert refusal(secure, SECOND, {}) == 429


def refusal(secure: Secure, source: str, headers: dict[str, str]) -> int:
    """The status a WebSocket handshake is refused with."""
    with pytest.raises(InvalidStatus) as refused:
        secure.websocket(source=source, additional_headers=headers)
    return refused.value.response.status_code


@pytest.mark.parametrize("tls", [False, True], ids=["tcp", "tls"])
def test_mars_clients_count_for_their_own_address(proxy: HAProxy, tls: bool) -> None:
    backend = "tls" if tls else "tcp"
    with proxy.drained(f"{backend}/gateway2"), ExitStack() as stack:

        def connect(source: str) -> MarsClient:
            client = stack.enter_context(closing(proxy.mars(tls=tls, source=source)))
            client.noop()
            return client

        for source in (FIRST, SECOND):
            # When: one address uses its share, after which it is hung up on
            for _ in range(CONNECTIONS_PER_IP_MAX):
                connect(source)
            with pytest.raises((Closed, OSError)):
                connect(source)
            # Then: the other still has its own


def test_a_clients_own_proxy_header_is_none(proxy: HAProxy) -> None:
    """The gateway has read one, HAProxy's; a second one is no frame."""
    client = MarsClient(proxy.ports["TCP"], header=PROXY_HEADER)
    with closing(client):
        client.wait_closed()


# ---------------------------------------------------------------- slow clients


def test_a_slow_body_waits_in_the_proxy(cluster: Cluster, proxy: HAProxy, secure: Secure) -> None:
    # Given: a request of nearly 64 KiB, which comes in pieces
    body = im_pb2.AuthRequest(token="x" * 65000).SerializeToString()
    with slow_call(cluster, proxy, len(body)) as sock:
        before = served(proxy)
        for start in range(0, len(body) - 1, 4096):
            sock.sendall(body[start : min(start + 4096, len(body) - 1)])
        ok(secure.short(cluster.person()).call(im_pb2.PingRequest()))

        # Then: no process has heard of it, others are served
        assert served(proxy) == before + 1

        # When: it is complete
        sock.sendall(body[-1:])

        # Then
        assert sock.recv(100).startswith(b"HTTP/1.1 200")
        assert served(proxy) == before + 2


@pytest.mark.parametrize("part", ["headers", "body"])
def test_who_is_too_slow_is_cut(cluster: Cluster, strict: HAProxy, part: str) -> None:
    before = served(strict)
    with slow_call(cluster, strict, 1000, whole_headers=part == "body") as sock:
        # When: nothing more comes of it
        answer = b""
        while more := sock.recv(1000):
            answer += more
    # Then: it is told why, and no process heard of it
    assert answer.startswith(b"HTTP/1.1 408")
    assert served(strict) == before


def slow_call(
    cluster: Cluster, proxy: HAProxy, length: int, *, whole_headers: bool = True
) -> ssl.SSLSocket:
    """A short call of which only the beginning was sent."""
    token = cluster.token(cluster.person())
    head = (
        f"POST /im/ping HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\n"
        f"Authorization: Bearer {token}\r\nContent-Length: {length}\r\n"
    )
    plain = socket.create_connection(("127.0.0.1", proxy.ports["HTTPS"]), DEADLINE_S)
    context = ssl.create_default_context(cafile=str(cluster.certificate))
    sock = context.wrap_socket(plain, server_hostname="localhost")
    sock.sendall(f"{head}\r\n".encode() if whole_headers else head.encode())
    return sock


def served(proxy: HAProxy) -> int:
    """How many requests the processes were given."""
    return sum(int(proxy.status("web", server, "stot")) for server in ("web1", "web2"))


# ---------------------------------------------------------------- the proxy's own limits


def test_an_address_has_so_many_connections_everywhere(strict: HAProxy) -> None:
    # Given: three of one address, by different ways in
    with closing(strict.secure()) as secure, ExitStack() as stack:
        secure.websocket(source=FIRST)
        plain = stack.enter_context(closing(strict.mars(source=FIRST)))
        stack.enter_context(closing(strict.mars(tls=True, source=FIRST)))
        plain.noop()

        # Then: there is no fourth
        assert not gets_in(strict, FIRST)
        with pytest.raises((OSError, EOFError, Closed)):
            secure.websocket(source=FIRST)
        # Then: for others there is; and for one when another has gone
        assert gets_in(strict, SECOND)
        plain.close()
        wait_until(lambda: gets_in(strict, FIRST))


def gets_in(proxy: HAProxy, source: str) -> bool:
    try:
        with closing(proxy.mars(source=source)) as client:
            client.noop()
    except (OSError, Closed):
        return False
    return True


def test_an_address_has_so_many_requests(cluster: Cluster, strict: HAProxy) -> None:
    with make_session(cluster.token(cluster.person()), cluster.certificate) as session:
        url = f"https://localhost:{strict.ports['HTTPS']}/im/ping"

        def call() -> Any:
            return session.post(url, json={}, timeout=DEADLINE_S)

        wait_until(lambda: call().status_code == 429)
        refused = call()
        assert (refused.status_code, refused.headers["Retry-After"]) == (429, "10")
        # Then: its time comes, if it waits for it: refusals count as well
        wait_until(lambda: rates(strict) == {"0"})
        assert call().status_code == 200


def rates(proxy: HAProxy) -> set[str]:
    """The request rates of all addresses."""
    return set(re.findall(r"http_req_rate\(10000\)=(\d+)", proxy.command("show table addresses")))


def test_the_file_as_it_is_has_no_warnings(cluster: Cluster, tmp_path: Path) -> None:
    """With its own defaults, the user of Debian's package among them."""
    both = tmp_path / "both.pem"
    names = ("IM_TLS_CERTIFICATE", "IM_TLS_KEY")
    write_private(both, "".join(Path(cluster.platform.env[name]).read_text() for name in names))
    done = subprocess.run(
        [find_command("haproxy", "haproxy"), "-c", "-dW", "-f", str(CONFIGURATION)],
        env={"IM_LB_CERTIFICATE": str(both)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
