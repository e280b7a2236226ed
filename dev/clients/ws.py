"""A WebSocket client that waits: Mars frames in binary, or the `im.json` subprotocol."""

from contextlib import ExitStack
from typing import Any

from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from dev.clients.device import FRAME_BYTES_MAX, OUTBOUND_BYTES_MAX, Closed, Device
from dev.clients.wait import DEADLINE_S
from proto import frame

LOST = (Closed, OSError, InvalidHandshake, EOFError)
"""How a connection does not come about, or ends: time for another."""


class WebSocketClient(Device):
    """One WebSocket; OSError or `InvalidHandshake` when it does not come about."""

    def __init__(self, url: str, *, json: bool = False, **options: Any) -> None:
        super().__init__(json=json)
        self._stack = ExitStack()
        self._socket = self._stack.enter_context(_connect(url, json=json, **options))
        assert self._socket.subprotocol == ("im.json" if json else None)

    def close(self) -> None:
        self._stack.close()

    def send_frame(self, cmd: int, seq: int, body: bytes) -> None:
        self.send_bytes(frame.encode(cmd, seq, body, self.client_version))

    def send_bytes(self, data: bytes) -> None:
        """Send any binary message."""
        self._send(data)

    def send_text(self, text: str) -> None:
        self._send(text)

    def ping(self, data: bytes) -> bool:
        """Whether a WebSocket ping with this payload is answered."""
        return self._socket.ping(data).wait(DEADLINE_S)

    def _receive(self, timeout_s: float) -> None:
        try:
            data = self._socket.recv(timeout=timeout_s)
        except ConnectionClosed as error:
            raise self._ended(error) from None
        if self.json:
            assert isinstance(data, str)
            self._take_text(data)
            return
        assert isinstance(data, bytes), "text instead of a frame"
        assert len(data) <= OUTBOUND_BYTES_MAX, "WIRE.md: Mars takes no more"
        received = frame.decode(data, FRAME_BYTES_MAX)
        assert received.client_version == self.client_version, "every frame echoes it"
        self._take_frame(received.cmd, received.seq, received.body)

    def _send(self, data: bytes | str) -> None:
        try:
            self._socket.send(data)
        except ConnectionClosed as error:
            raise self._ended(error) from None

    def _ended(self, error: ConnectionClosed) -> Closed:
        close = error.rcvd
        self.closed = Closed(close.code, close.reason) if close else Closed(1006, "cut")
        return self.closed


def _connect(url: str, *, json: bool, **options: Any) -> ClientConnection:
    """OSError or `InvalidHandshake` when that fails; a server that dies meanwhile is the former."""
    try:
        opened: ClientConnection = connect(
            url.replace("http", "ws", 1) + "/ws",
            subprotocols=[Subprotocol("im.json")] if json else None,
            compression=None,
            ping_interval=None,
            close_timeout=2,
            max_size=FRAME_BYTES_MAX,
            proxy=None,
            **options,
        )
        return opened
    except ConnectionClosed as error:
        raise ConnectionError("closed before the handshake") from error
