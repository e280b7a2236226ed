"""TLS at the gateway: handshakes that never end, the wrong language, certificates anew."""

import shutil
import signal
import socket
import ssl
import warnings
from collections.abc import Iterator
from os import kill
from pathlib import Path

import pytest

from dev.certificate import make_certificate
from dev.clients.device import Closed
from dev.clients.mars import NOOP, NOOP_SEQ, MarsClient, pack
from dev.clients.wait import DEADLINE_S, wait_until
from dev.clients.wire import ok
from proto import im_pb2
from tests.support.cluster import Cluster

GATEWAY = "gateway.secure"
HELLO = bytes.fromhex("160301")
"""The beginning of every TLS connection."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the gateway's certificate lies."""
    return make_certificate(tmp_path_factory.mktemp("served"))


@pytest.fixture(scope="module")
def secure(shared_cluster: Cluster, folder: Path) -> Iterator[str]:
    """A gateway with a certificate of its own and little patience for handshakes."""
    env = {
        "IM_HANDSHAKE_DEADLINE_S": "1",
        "IM_TLS_CERTIFICATE": str(folder / "certificate.pem"),
        "IM_TLS_KEY": str(folder / "key.pem"),
    }
    shared_cluster.platform.start(GATEWAY, env=env)
    yield GATEWAY
    shared_cluster.platform.stop(GATEWAY)


def dial(cluster: Cluster, trusted: Path) -> MarsClient:
    """A TLS client that trusts what lies in this folder."""
    port = cluster.platform.port(f"{GATEWAY}.tls")
    return MarsClient(port, certificate=trusted / "certificate.pem")


def raw(cluster: Cluster, name: str) -> socket.socket:
    return socket.create_connection(("127.0.0.1", cluster.platform.port(name)), DEADLINE_S)


def read_to_the_end(sock: socket.socket) -> bytes:
    """Everything until the server hangs up, in whatever way."""
    data = b""
    try:
        while more := sock.recv(4096):
            data += more
    except ConnectionResetError:
        pass
    return data


# ---------------------------------------------------------------- no handshake


@pytest.mark.parametrize("said", [b"", HELLO, HELLO + b"\x02\x00\x01\x00\x01\xfc\x03\x03"])
def test_a_handshake_that_never_ends_is_cut(
    cluster: Cluster, secure: str, folder: Path, said: bytes
) -> None:
    # Given: several that stop at the same place
    stuck = [raw(cluster, f"{secure}.tls") for _ in range(5)]
    for sock in stuck:
        sock.sendall(said)
    # Then: others are served meanwhile, and these are cut without a word
    with dial(cluster, folder) as good:
        good.noop()
        for sock in stuck:
            with sock:
                assert read_to_the_end(sock) == b""
        good.noop()


@pytest.mark.parametrize("said", [pack(NOOP, NOOP_SEQ, b""), b"GET / HTTP/1.1\r\n\r\n", b"\0" * 99])
def test_plain_bytes_on_the_tls_port_are_refused(
    cluster: Cluster, secure: str, folder: Path, said: bytes
) -> None:
    with raw(cluster, f"{secure}.tls") as sock:
        sock.sendall(said)
        answer = read_to_the_end(sock)
    assert answer[:1] in (b"", b"\x15"), "at most an alert (RFC 8446, section 6)"
    with dial(cluster, folder) as good:
        good.noop()


def test_tls_on_the_plain_port_is_refused(cluster: Cluster, secure: str, folder: Path) -> None:
    port = cluster.platform.port(secure)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        MarsClient(port, certificate=folder / "certificate.pem")
    with MarsClient(port) as good:
        good.noop()


def test_old_versions_of_tls_are_refused(cluster: Cluster, secure: str, folder: Path) -> None:
    for version, served in (
        (ssl.TLSVersion.TLSv1, False),
        (ssl.TLSVersion.TLSv1_1, False),
        (ssl.TLSVersion.TLSv1_2, True),
        (ssl.TLSVersion.TLSv1_3, True),
    ):
        # Given: a client that speaks this version alone
        context = ssl.create_default_context(cafile=str(folder / "certificate.pem"))
        context.set_ciphers("ALL:@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = context.maximum_version = version
        with raw(cluster, f"{secure}.tls") as sock:
            if served:
                with context.wrap_socket(sock, server_hostname="localhost") as wrapped:
                    wrapped.sendall(pack(NOOP, NOOP_SEQ, b""))
                    assert wrapped.recv(20) == pack(NOOP, NOOP_SEQ, b"")
                continue
            # Then: it is the server who says no
            with pytest.raises(ssl.SSLError) as refusal:
                context.wrap_socket(sock, server_hostname="localhost")
            assert refusal.value.reason == "TLSV1_ALERT_PROTOCOL_VERSION"


# ---------------------------------------------------------------- certificates


def test_sighup_reads_the_certificate_again(
    cluster: Cluster, secure: str, folder: Path, tmp_path: Path
) -> None:
    # Given: one who is connected under the old certificate, and a new one
    old, new = shutil.copytree(folder, tmp_path / "old"), make_certificate(tmp_path)
    connected = dial(cluster, old)
    connected.auth(cluster.token(cluster.person("alice")))

    # When
    for name in ("key.pem", "certificate.pem"):
        shutil.copy(new / name, folder / name)
    kill(cluster.platform.pid(secure), signal.SIGHUP)

    # Then: newcomers see the new one, who was there stays
    wait_until(lambda: _is_served(cluster, new), what="the new certificate")
    assert not _is_served(cluster, old)
    ok(connected.call(im_pb2.PingRequest()))
    connected.close()


@pytest.mark.parametrize("broken", ["certificate without its key", "no certificate", "no file"])
def test_a_broken_certificate_is_not_taken(
    cluster: Cluster, secure: str, folder: Path, tmp_path: Path, broken: str
) -> None:
    # Given
    good, other = shutil.copytree(folder, tmp_path / "good"), make_certificate(tmp_path)
    served = folder / "certificate.pem"
    if broken == "no file":
        served.unlink()
    elif broken == "no certificate":
        served.write_text("nonsense")
    else:
        shutil.copy(other / "certificate.pem", served)
    said = cluster.platform.log(secure).count("certificate not read")

    # When
    kill(cluster.platform.pid(secure), signal.SIGHUP)
    wait_until(lambda: cluster.platform.log(secure).count("certificate not read") > said)

    # Then: it goes on with what it has
    assert _is_served(cluster, good)
    shutil.copy(good / "certificate.pem", served)


def _is_served(cluster: Cluster, trusted: Path) -> bool:
    try:
        with dial(cluster, trusted) as client:
            client.noop()
    except (ssl.SSLError, Closed):
        return False
    return True
