"""The proxy carries bytes as they are, and breaks what it is to break."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from chaos.proxy import Proxy, Weather


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that says what it hears."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve(connection: socket.socket) -> None:
            with connection:
                while data := connection.recv(65536):
                    connection.sendall(data)

        def accept() -> None:
            try:
                while True:
                    connection, _ = listener.accept()
                    threading.Thread(target=serve, args=(connection,), daemon=True).start()
            except OSError:
                return

        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def talk(port: int, data: bytes) -> tuple[bytes, float]:
    """What comes back, and how long it took."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        began = time.monotonic()
        threading.Thread(target=client.sendall, args=(data,), daemon=True).start()
        heard = b""
        while len(heard) < len(data):
            heard += client.recv(65536)
        return heard, time.monotonic() - began


def test_bytes_come_through_in_order_also_in_bad_weather(echo: int) -> None:
    # Given
    data = bytes(range(256)) * 4000
    with Proxy(echo) as proxy:
        # Then
        assert talk(proxy.port, data)[0] == data
        # When
        proxy.weather = Weather(jitter_s=0.01, loss=0.05, retransmit_s=0.05)
        # Then
        assert talk(proxy.port, data)[0] == data


def test_delay_is_felt_each_way(echo: int) -> None:
    with Proxy(echo) as proxy:
        proxy.weather = Weather(delay_s=0.1)
        assert talk(proxy.port, b"hello")[1] >= 0.2


def test_cut_ends_connections(echo: int) -> None:
    with Proxy(echo) as proxy, socket.create_connection(("127.0.0.1", proxy.port)) as client:
        client.settimeout(5)
        client.sendall(b"hello")
        assert client.recv(5) == b"hello"
        # When
        assert proxy.cut() == 1
        # Then
        assert client.recv(1) == b""


def test_a_forgotten_connection_is_silent_and_others_go_on(echo: int) -> None:
    with Proxy(echo) as proxy, socket.create_connection(("127.0.0.1", proxy.port)) as client:
        client.settimeout(0.3)
        client.sendall(b"hello")
        assert client.recv(5) == b"hello"
        # When
        assert proxy.forget(1.0) == 1
        # Then
        client.sendall(b"hello?")
        with pytest.raises(TimeoutError):
            client.recv(1)
        assert talk(proxy.port, b"another")[0] == b"another"


def test_half_open_connections_can_be_ended(echo: int) -> None:
    with (
        Proxy(echo) as proxy,
        socket.create_connection(("127.0.0.1", proxy.port), timeout=30) as client,
    ):
        client.sendall(b"hello")
        assert client.recv(5) == b"hello"
        # When
        assert proxy.bury() == 0
        assert proxy.forget(1.0) == 1
        # Then
        assert proxy.bury() == 1
        assert client.recv(5) == b""
