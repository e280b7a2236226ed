"""What a session needs of its transport, and the part of it that every socket shares."""

import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from web.session import Session


class Wire(Protocol):
    """The bytes of one connection."""

    @property
    def kind(self) -> int:
        """Wires of one kind frame alike."""

    def wrap(self, data: bytes) -> bytes:
        """Add the transport's own framing to one encoded frame."""

    def send_now(self, data: bytes) -> int:
        """Write what fits without blocking; return how many bytes that was."""

    def send_all(self, data: bytes) -> None:
        """Write everything, waiting as long as it takes."""

    def shut(self, session: "Session", code: int, reason: str) -> None:
        """Write what the session has queued, then end the connection. Never blocks."""


class SocketWire:
    """A socket of gevent's, plain or TLS."""

    __slots__ = ("_raw", "sock")

    @property
    def kind(self) -> int:
        """No framing of its own."""
        return 0

    def __init__(self, sock: Any) -> None:
        self.sock = sock
        # Below gevent's, for what must not wait; TLS is written by a greenlet.
        self._raw = None if isinstance(sock, ssl.SSLSocket) else sock._sock

    def send_now(self, data: bytes) -> int:
        if self._raw is None:
            return 0
        try:
            sent: int = self._raw.send(data)
            return sent
        except BlockingIOError:
            return 0

    def send_all(self, data: bytes) -> None:
        try:
            self.sock.sendall(data)
        except AttributeError as error:  # gevent's TLS socket, closed while this waited
            raise ConnectionAbortedError from error

    def shutdown(self, how: int) -> None:
        """Tell the other side below TLS: gevent's socket would forget how to read what comes."""
        with suppress(OSError):  # the client was faster
            self.sock._sock.shutdown(how)

    def close(self) -> None:
        """Let go of the socket; once nothing more is read."""
        with suppress(OSError):
            self.sock.close()
