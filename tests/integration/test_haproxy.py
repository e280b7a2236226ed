"""`deploy/haproxy.cfg` in front of the platform: every way in, and processes that come and go."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import closing

import pytest
import requests

from dev.clients.device import Device
from dev.clients.http import make_session
from dev.clients.wait import DEADLINE_S, wait_until
from dev.clients.wire import ok, text_to
from proto import im_pb2
from tests.support.cluster import Cluster
from tests.support.haproxy import GATEWAYS, WEBS, HAProxy, behind, running
from tests.support.secure import Secure, context_of

POLLS = 'im_connections{transport="comet"}'
SHORTER = {
    f"timeout {name} {value}": f"timeout {name} 1s"
    for name, value in (("client", "30s"), ("server", "15s"), ("http-keep-alive", "10s"))
}


@pytest.fixture(scope="module")
def proxy(shared_cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HAProxy]:
    with (
        behind(shared_cluster) as platform,
        running(HAProxy(tmp_path_factory.mktemp("haproxy"), platform)) as started,
    ):
        yield started


@pytest.fixture
def secure(cluster: Cluster, proxy: HAProxy) -> Iterator[Secure]:
    clients = proxy.secure()
    yield clients
    clients.close()


# ---------------------------------------------------------------- ways in


@pytest.mark.parametrize("json", [False, True], ids=["frames", "json"])
def test_a_websocket(cluster: Cluster, secure: Secure, json: bool) -> None:
    # Given: one end through the proxy
    alice, bob = cluster.pair("other database")
    client, plain = secure.websocket(alice, json=json), cluster.connect(bob)

    # Then
    for text in ("hello", "x" * 8000):
        client.wait_message(ok(plain.call(text_to(alice, text))).id)
        plain.wait_message(ok(client.call(text_to(bob, text))).id)
    seqs = [client.post(text_to(alice, "x" * 8000)) for _ in range(50)]
    for seq in seqs:
        client.wait_message(ok(client.answer(seq).body).id)
    assert client.ping(b"are you there")


@pytest.mark.parametrize("kind", ["comet", "events"])
def test_devices_that_poll_or_stream(cluster: Cluster, secure: Secure, kind: str) -> None:
    alice, bob = cluster.pair("other shard")
    sender = cluster.connect(alice)
    early = ok(sender.call(text_to(bob, "early")))
    device: Device = secure.comet(bob) if kind == "comet" else secure.events(bob, since=0)
    device.wait_message(early.id)
    ids = [early.id]
    for n in range(5):
        ids.append(ok(sender.call(text_to(bob, f"{n}" * 2000))).id)
        device.wait_message(ids[-1])
    assert [message.id for message in device.messages()] == ids
    ok(device.call(im_pb2.ReadRequest(peer=alice, id=early.id)))


@pytest.mark.parametrize("json", [False, True], ids=["protobuf", "json"])
def test_short_calls(cluster: Cluster, proxy: HAProxy, secure: Secure, json: bool) -> None:
    """Over plain HTTP as well: the open Mars client has no TLS."""
    alice, bob = cluster.pair("other database")
    watcher = cluster.connect(bob)
    short = secure.short(alice, json=json)
    for n in range(3):
        watcher.wait_message(ok(short.call(text_to(bob, f"number {n}"))).id)
    with make_session(cluster.token(alice)) as session:
        url = f"http://127.0.0.1:{proxy.ports['HTTP']}"
        assert session.post(f"{url}/im/ping", json={}, timeout=DEADLINE_S).status_code == 200
        # Then: nothing else is taken there
        for path in ("/ws", "/comet", "/events"):
            answer = session.get(url + path, timeout=DEADLINE_S, allow_redirects=False)
            assert answer.status_code == 308
            assert answer.headers["Location"].startswith("https://")


@pytest.mark.parametrize("tls", [False, True], ids=["tcp", "tls"])
def test_mars(cluster: Cluster, proxy: HAProxy, tls: bool) -> None:
    alice, bob = cluster.pair("other database")
    watcher = cluster.connect(bob)
    with closing(proxy.mars(tls=tls)) as client:
        client.noop()
        client.auth(cluster.token(alice))
        for text in ("hello", "x" * 8000):
            watcher.wait_message(ok(client.call(text_to(bob, text))).id)
            client.wait_message(ok(watcher.call(text_to(alice, text))).id)


def test_silence_is_no_reason_to_cut(
    cluster: Cluster, proxy: HAProxy, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """What holds for 30 seconds holds for the 900 of an idle connection: one rule, less time."""
    # Given: a proxy that waits a second where it may not wait longer, and one of each kind
    shorter = HAProxy(tmp_path_factory.mktemp("shorter"), cluster, changes=SHORTER)
    alice, bob = cluster.pair()
    with running(shorter), closing(shorter.secure()) as secure:
        devices = [secure.websocket(bob), secure.events(bob, since=0)]
        mars = [shorter.mars(tls=tls) for tls in (False, True)]
        for client in mars:
            client.auth(cluster.token(bob))

        # When: a poll waits in vain for three
        polled = ok(secure.polls(bob).poll(0, wait_s=3))
        assert not polled.messages

        # Then: all are still there
        sent = ok(cluster.connect(alice).call(text_to(bob)))
        for device in (*devices, *mars):
            device.wait_message(sent.id)
        for client in mars:
            client.close()


def test_a_poll_that_is_given_up_is_let_go(cluster: Cluster, secure: Secure) -> None:
    # Given
    token = cluster.token(cluster.person())
    before = cluster.metrics().get(POLLS, 0.0)
    address = ("127.0.0.1", int(secure.url.rpartition(":")[2]))
    with (
        socket.create_connection(address, DEADLINE_S) as plain,
        secure.context().wrap_socket(plain, server_hostname="localhost") as sock,
    ):
        sock.sendall(
            b"POST /comet HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Authorization: Bearer %s\r\nContent-Length: 2\r\n\r\n{}" % token.encode()
        )
        wait_until(lambda: cluster.metrics().get(POLLS, 0.0) == before + 1)
    # Then: long before its 25 seconds are over
    wait_until(lambda: cluster.metrics().get(POLLS, 0.0) == before, timeout_s=15)


def test_what_is_not_for_everybody(secure: Secure) -> None:
    for path, status in (("healthz", 200), ("readyz", 404), ("metrics", 404), ("nothing", 404)):
        url = f"{secure.url}/{path}"
        answer = requests.get(url, verify=str(secure.certificate), timeout=DEADLINE_S)
        assert answer.status_code == status, path


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_tls_is_new_and_carries_http_1(proxy: HAProxy) -> None:
    for version in (ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = context_of(version)
        context.set_alpn_protocols(["h2", "http/1.1"])
        with socket.create_connection(("127.0.0.1", proxy.ports["HTTPS"]), DEADLINE_S) as sock:
            if version is ssl.TLSVersion.TLSv1_1:
                with pytest.raises(ssl.SSLError, match="ALERT_PROTOCOL_VERSION"):
                    context.wrap_socket(sock)
            else:
                with context.wrap_socket(sock) as wrapped:
                    assert wrapped.selected_alpn_protocol() == "http/1.1"


# ---------------------------------------------------------------- processes come and go


def test_a_web_process_dies(cluster: Cluster, proxy: HAProxy, secure: Secure) -> None:
    # Given
    alice = cluster.person()
    pid = proxy.pid
    cluster.platform.kill(WEBS[0])
    try:
        # Then: from the first moment on everybody is taken by the other one
        for _ in range(6):
            secure.websocket(alice).close()
            ok(secure.short(alice).call(im_pb2.PingRequest()))
        wait_until(lambda: proxy.status("web", "web1") == "DOWN")
        with closing(secure.websocket(alice)) as client:
            client.settle()
    finally:
        cluster.platform.start(WEBS[0])
    # Then: when it is back it is found, with nothing done to the proxy
    wait_until(lambda: proxy.status("web", "web1") == "UP")
    assert (proxy.pid, proxy.alive) == (pid, True)
    with proxy.drained("web/web2"):
        secure.websocket(alice).settle()


@pytest.mark.parametrize("tls", [False, True], ids=["tcp", "tls"])
def test_a_gateway_dies(cluster: Cluster, proxy: HAProxy, tls: bool) -> None:
    alice = cluster.person()
    cluster.platform.kill(GATEWAYS[1])
    try:
        for _ in range(6):
            with closing(proxy.mars(tls=tls)) as client:
                client.auth(cluster.token(alice))
    finally:
        cluster.platform.start(GATEWAYS[1])
    proxy.wait_up()


def test_a_poll_whose_process_dies_goes_on_elsewhere(
    cluster: Cluster, proxy: HAProxy, secure: Secure
) -> None:
    # Given: a device that polls one process
    alice, bob = cluster.pair()
    sender = cluster.connect(alice)
    with proxy.drained("web/web2"):
        device = secure.comet(bob)
        wait_until(lambda: proxy.status("web", "web1", "scur") != "0")
    cluster.platform.kill(WEBS[0])
    try:
        # Then: the client does not notice (the device ends at any failure)
        sent = ok(sender.call(text_to(bob)))
        device.wait_message(sent.id)
        assert device.closed is None
    finally:
        cluster.platform.start(WEBS[0])
    proxy.wait_up()


def test_a_process_is_drained_and_stopped(cluster: Cluster, proxy: HAProxy, secure: Secure) -> None:
    """As README.md in `deploy/` says."""
    # Given: connections of one process, which then gets no new ones
    alice = cluster.person()
    with proxy.drained("web/web2", "tcp/gateway2", "tls/gateway2"):
        web, mars = secure.websocket(alice), proxy.mars(tls=True)
        mars.auth(cluster.token(alice))
    with proxy.drained("web/web1", "tcp/gateway1", "tls/gateway1"), closing(mars):
        # When
        cluster.platform.terminate(WEBS[0])
        cluster.platform.terminate(GATEWAYS[0])
        # Then: they are told so, and find another process at once
        for client in (web, mars):
            client.wait_push(im_pb2.CMD_PUSH_GO_AWAY)
        assert web.wait_closed().code == 1012
        assert mars.wait_closed().code == 1000
        secure.websocket(alice).settle()
        with closing(proxy.mars(tls=True)) as again:
            again.auth(cluster.token(alice))
        for name in (WEBS[0], GATEWAYS[0]):
            wait_until(lambda name=name: not cluster.platform.alive(name))  # type: ignore[misc]
            assert cluster.platform.returncode(name) == 0
            cluster.platform.start(name)
    proxy.wait_up()
