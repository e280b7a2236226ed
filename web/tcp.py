"""TCP and TCP+TLS: Mars frames one after the other, nothing around them."""

import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import gevent

from proto import frame
from web.codec import Shape
from web.connection import CLOSE_LINGER_S, run
from web.session import ABNORMAL, Session
from web.wire import SocketWire

if TYPE_CHECKING:
    from web.services import Services


class TcpWire(SocketWire):
    """The bytes of one TCP connection; the session's wire."""

    __slots__ = ()

    def wrap(self, data: bytes) -> bytes:
        return data

    def shut(self, session: Session, code: int, reason: str) -> None:
        gevent.spawn(self._shut, session, code)

    def _shut(self, session: Session, code: int) -> None:
        """Send what is queued and our end; give the client a moment to hang up; cut."""
        with gevent.Timeout(CLOSE_LINGER_S, False):  # type: ignore[arg-type]
            session.outbox.drain()
            self.shutdown(socket.SHUT_WR)
            while code != ABNORMAL and not session.gone:
                gevent.sleep(0.05)
        self.shutdown(socket.SHUT_RDWR)


class Frames:
    """Cuts a stream into frames for the session; behind nonsense everything is discarded."""

    __slots__ = ("_decoder", "_session")

    def __init__(self, session: Session, size_max: int) -> None:
        self._decoder: frame.Decoder | None = frame.Decoder(size_max)
        self._session = session

    def feed(self, data: bytes) -> Iterator[frame.Frame | frame.FrameError]:
        """The frames these bytes complete; an error behind the last of a stream gone wrong."""
        if self._decoder is None:
            return
        try:
            yield from self._decoder.feed(data)
        except frame.FrameError as error:
            yield error

    def take(self, message: frame.Frame | frame.FrameError) -> None:
        """Hand a frame to the session; nonsense ends the connection."""
        if self._decoder is None:
            return
        session = self._session
        try:
            if isinstance(message, frame.FrameError):
                raise message
            if not session.closing:
                session.receive_frame(message)
            elif message.cmd == frame.NOOP_CMD:
                session.answer_noop(message)
        except frame.FrameError as error:
            self._decoder = None
            session.refuse_frame(error)

    def fed(self) -> bool:
        return self._decoder is not None and self._decoder.unfinished


def serve(services: "Services", sock: Any, ip: str, transport: str) -> None:
    """Serve one connection; see `run`."""
    wire = TcpWire(sock)
    session = Session(services, wire, Shape.MARS, transport, ip)
    run(session, wire, Frames(session, services.settings.body_bytes_max))
