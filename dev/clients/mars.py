"""A fake Mars STN client, written from WIRE.md: its bytes owe nothing to the server's code."""

import select
import socket
import ssl
import struct
import time
from pathlib import Path
from typing import NamedTuple

from dev.clients.device import OUTBOUND_BYTES_MAX, Closed, Device
from dev.clients.wait import DEADLINE_S

NOOP, SIGNALLING = 6, 243
NOOP_SEQ, IDENTIFY_SEQ, SIGNALLING_SEQ = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
PUSH_SEQ = 0
WORDS = struct.Struct(">5I")


class MarsFrame(NamedTuple):
    client_version: int
    cmd: int
    seq: int
    body: bytes


def pack(cmd: int, seq: int, body: bytes, *, version: int = 200, extension: bytes = b"") -> bytes:
    """A frame as Mars' packer makes it."""
    return WORDS.pack(20 + len(extension), version, cmd, seq, len(body)) + extension + body


class MarsClient(Device):
    """One TCP connection, or TLS with a certificate to trust.

    It comes from the loopback address `source`; `header` goes out before anything else.
    """

    def __init__(
        self,
        port: int,
        *,
        certificate: Path | None = None,
        receive_buffer: int = 0,
        source: str = "",
        header: bytes = b"",
    ) -> None:
        super().__init__()
        plain = socket.socket()
        if receive_buffer:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        plain.settimeout(DEADLINE_S)
        try:
            if source:
                plain.bind((source, 0))
            plain.connect(("127.0.0.1", port))
            plain.sendall(header)
            self.sock: socket.socket = plain
            if certificate is not None:
                context = ssl.create_default_context(cafile=str(certificate))
                self.sock = context.wrap_socket(plain, server_hostname="localhost")
        except BaseException:
            plain.close()
            raise
        self._data = b""

    def close(self) -> None:
        self.sock.close()

    def send_frame(self, cmd: int, seq: int, body: bytes) -> None:
        self.send_bytes(pack(cmd, seq, body, version=self.client_version))

    def send_bytes(self, data: bytes) -> None:
        """Send any bytes."""
        try:
            self.sock.sendall(data)
        except (ConnectionError, ssl.SSLError):
            raise self._ended() from None

    def read(self, timeout_s: float = DEADLINE_S) -> MarsFrame:
        """The next frame, checked as Mars does; Closed at the end of the connection."""
        deadline = time.monotonic() + timeout_s
        while (received := self._cut()) is None:
            self._more(max(0.0, deadline - time.monotonic()))
        return received

    def noop(self) -> None:
        """Send a heartbeat and wait for its reply."""
        self.send_frame(NOOP, NOOP_SEQ, b"")
        self.wait_noop()

    def wait_noop(self) -> None:
        """Wait for the reply to a heartbeat, past whatever comes before it."""
        while True:
            received = self.read()
            if received.cmd == NOOP:
                assert received[2:] == (NOOP_SEQ, b"")
                return
            self._take_frame(received.cmd, received.seq, received.body)

    def _receive(self, timeout_s: float) -> None:
        received = self.read(timeout_s)
        self._take_frame(received.cmd, received.seq, received.body)

    def _cut(self) -> MarsFrame | None:
        if len(self._data) < WORDS.size:
            return None
        head, version, cmd, seq, size = WORDS.unpack_from(self._data)
        assert head == 20, f"a head of {head} bytes"
        assert version == self.client_version, "every frame echoes the client's version"
        assert head + size <= OUTBOUND_BYTES_MAX, "WIRE.md: Mars takes no more"
        if len(self._data) < head + size:
            return None
        body, self._data = self._data[head : head + size], self._data[head + size :]
        return MarsFrame(version, cmd, seq, body)

    def _more(self, timeout_s: float) -> None:
        pending = isinstance(self.sock, ssl.SSLSocket) and self.sock.pending()
        if not pending and not select.select([self.sock], [], [], timeout_s)[0]:
            raise TimeoutError
        try:
            data = self.sock.recv(65536)
        except (ConnectionError, ssl.SSLError):
            data = b""
        if not data:
            raise self._ended()
        self._data += data

    def _ended(self) -> Closed:
        self.closed = Closed(1000 if not self._data else 1006, "the server hung up")
        return self.closed
