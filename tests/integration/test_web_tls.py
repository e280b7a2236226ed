"""gunicorn's own TLS, for small installations: everything of the web port, and TLS 1.2 or later."""

import socket
import ssl
from collections.abc import Iterator

import pytest
import requests

from dev.clients.device import Device
from dev.clients.wait import DEADLINE_S, wait_until
from dev.clients.wire import ok, text_to
from proto import im_pb2
from tests.support.cluster import Cluster
from tests.support.secure import Secure, context_of

WEB = "web.secure"
HANDSHAKE_DEADLINE_S = 1
ENV = {"IM_WEB_TLS": "true", "IM_HANDSHAKE_DEADLINE_S": str(HANDSHAKE_DEADLINE_S)}


@pytest.fixture(scope="module")
def secure_web(shared_cluster: Cluster) -> Iterator[str]:
    """A web process that speaks TLS only."""
    shared_cluster.platform.start(WEB, env=ENV)
    yield WEB
    shared_cluster.platform.stop(WEB)


@pytest.fixture
def secure(cluster: Cluster, secure_web: str) -> Iterator[Secure]:
    clients = Secure(cluster, cluster.platform.port(secure_web))
    yield clients
    clients.close()


@pytest.fixture
def sock(cluster: Cluster, secure_web: str) -> Iterator[socket.socket]:
    """A TCP connection to the port."""
    address = ("127.0.0.1", cluster.platform.port(secure_web))
    with socket.create_connection(address, DEADLINE_S) as made:
        yield made


@pytest.mark.parametrize("json", [False, True], ids=["frames", "json"])
def test_a_websocket(cluster: Cluster, secure: Secure, json: bool) -> None:
    # Given: one end on TLS, the other on another process
    alice, bob = cluster.pair("other database")
    client, plain = secure.websocket(alice, json=json), cluster.connect(bob)

    # Then: both ways, many at once, and up to the largest content
    for text in ("hello", "x" * 8000):
        client.wait_message(ok(plain.call(text_to(alice, text))).id)
        plain.wait_message(ok(client.call(text_to(bob, text))).id)
    seqs = [client.post(text_to(alice, "x" * 8000)) for _ in range(100)]
    for seq in seqs:
        client.wait_message(ok(client.answer(seq).body).id)
    assert client.ping(b"are you there")


@pytest.mark.parametrize("kind", ["comet", "events"])
def test_devices_that_poll_or_stream(cluster: Cluster, secure: Secure, kind: str) -> None:
    # Given: something that was there before, and a device
    alice, bob = cluster.pair("other shard")
    sender = cluster.connect(alice)
    early = ok(sender.call(text_to(bob, "early")))
    device: Device = secure.comet(bob) if kind == "comet" else secure.events(bob, since=0)

    # Then
    device.wait_message(early.id)
    ids = [early.id]
    for n in range(5):
        ids.append(ok(sender.call(text_to(bob, f"{n}" * 2000))).id)
        device.wait_message(ids[-1])
    assert [message.id for message in device.messages()] == ids
    ok(device.call(im_pb2.ReadRequest(peer=alice, id=early.id)))


@pytest.mark.parametrize("json", [False, True], ids=["protobuf", "json"])
def test_short_calls(cluster: Cluster, secure: Secure, json: bool) -> None:
    alice, bob = cluster.pair("other database")
    short, watcher = secure.short(alice, json=json), cluster.connect(bob)
    for n in range(3):
        watcher.wait_message(ok(short.call(text_to(bob, f"number {n}"))).id)
    schemes = {a.scheme for a in ok(short.call(im_pb2.AddressesRequest())).addresses}
    assert schemes >= {"wss", "https"}
    assert not schemes & {"ws", "http"}


def test_health(secure: Secure) -> None:
    for path in ("healthz", "readyz"):
        url = f"{secure.url}/{path}"
        answer = requests.get(url, verify=str(secure.certificate), timeout=DEADLINE_S)
        assert answer.status_code == 200, answer.text


# ---------------------------------------------------------------- who does not fit


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_old_versions_are_refused(sock: socket.socket, version: ssl.TLSVersion) -> None:
    with pytest.raises(ssl.SSLError) as refused:
        context_of(version).wrap_socket(sock)
    assert refused.value.reason == "TLSV1_ALERT_PROTOCOL_VERSION", "said by the server"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_new_versions_are_not(sock: socket.socket, version: ssl.TLSVersion) -> None:
    with context_of(version).wrap_socket(sock) as wrapped:
        wrapped.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert wrapped.recv(1024).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("said", [b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", b"\x00" * 100, b""])
def test_who_speaks_no_tls_is_hung_up_on(
    cluster: Cluster, secure: Secure, sock: socket.socket, said: bytes
) -> None:
    """Who says nothing, within the time for a handshake."""
    # Given
    beside = secure.websocket(cluster.person())

    # When
    sock.sendall(said)

    # Then: it is the server that ends it, and nothing but perhaps a TLS alert is said
    assert len(read_to_end(sock)) < 100
    ok(beside.call(im_pb2.PingRequest()))
    assert "Traceback" not in cluster.platform.log(WEB)


def read_to_end(sock: socket.socket) -> bytes:
    """What comes until the server hangs up."""
    data = b""
    try:
        while more := sock.recv(4096):
            data += more
    except ConnectionResetError:
        pass
    return data


# ---------------------------------------------------------------- the end


def test_a_process_that_stops_sends_everybody_away(cluster: Cluster) -> None:
    # Given: one of each kind on a process of their own
    name = "web.secure-leaving"
    cluster.platform.start(name, env=ENV)
    secure = Secure(cluster, cluster.platform.port(name))
    try:
        people = [cluster.person() for _ in range(4)]
        sockets = [secure.websocket(people[0]), secure.websocket(people[1], json=True)]
        stream, poll = secure.events(people[2]), secure.comet(people[3])
        silent = secure.websocket()
        wait_until(lambda: cluster.metrics()['im_connections{transport="comet"}'] >= 1)

        # When
        cluster.platform.terminate(name)

        # Then: each is told so first
        for client in (*sockets, stream, poll):
            away = client.wait_push(im_pb2.CMD_PUSH_GO_AWAY)
            assert away.delay_ms >= 0
            assert away.addresses
        for client in (*sockets, silent):
            assert client.wait_closed().code == 1012
        assert stream.wait_closed().code == 1000
        poll.wait_closed()

        # Then: the process ends by itself, and well
        wait_until(lambda: not cluster.platform.alive(name))
        assert cluster.platform.returncode(name) == 0
        assert "Traceback" not in cluster.platform.log(name)
    finally:
        secure.close()
        cluster.platform.stop(name)
