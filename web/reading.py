"""Reading a connection: bytes in, messages to its session, and a pause while the session is full.

A plain socket is read from the event loop itself. A greenlet that waits in `recv` costs 7.5 KiB, a
watcher 0.3 (measured; docs/performance.md). A TLS socket may hold bytes that no watcher sees, so
it is read by a greenlet.
"""

import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import gevent
import structlog
from gevent.event import Event

from web.session import Session

log = structlog.get_logger()

RECV_BYTES = 8192
READ = 1  # libev: EV_READ


class Inbound(Protocol):
    """How a transport cuts bytes; nothing here blocks."""

    def feed(self, data: bytes) -> Iterator[Any]:
        """The messages these bytes complete, behind those that are not taken yet."""

    def take(self, message: Any) -> None:
        """Hand one message to the session."""

    def fed(self) -> bool:
        """Everything received so far was taken; whether a message is incomplete."""


class LoopReader:
    """Reads a plain socket in callbacks of the event loop; `ended` is called once, at the end."""

    __slots__ = ("_ended", "_inbound", "_io", "_messages", "_session", "_sock")

    def __init__(
        self, sock: Any, session: Session, inbound: Inbound, ended: Callable[[], None]
    ) -> None:
        self._sock = sock._sock  # below gevent's: it must not wait
        self._session = session
        self._inbound = inbound
        self._ended = ended
        self._messages: Iterator[Any] = iter(())
        self._io: Any = gevent.get_hub().loop.io(sock.fileno(), READ)
        self._io.start(self._readable)

    def _readable(self) -> None:
        try:
            data = self._sock.recv(RECV_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        try:
            if data:
                self._session.heard_at = time.monotonic()
                self._messages = self._inbound.feed(data)
                self._pump()
                return
        except Exception as error:
            log.error("connection failed", exc_info=error)
        self._end()

    def _pump(self) -> None:
        """Take what was received; stop reading where the session is full."""
        session, take = self._session, self._inbound.take
        for message in self._messages:
            take(message)
            if session.is_full:
                self._pause()
                return
        _note(session, self._inbound.fed())

    def _pause(self) -> None:
        self._io.stop()
        self._session.when_room(self._resume)

    def _resume(self) -> None:
        gevent.get_hub().loop.run_callback(self._go_on)

    def _go_on(self) -> None:
        """Take the rest, then read on."""
        if self._io is None:
            return
        if self._session.is_full:
            self._pause()
            return
        self._io.start(self._readable)
        try:
            self._pump()
        except Exception as error:
            log.error("connection failed", exc_info=error)
            self._end()

    def _end(self) -> None:
        io, self._io = self._io, None
        io.stop()
        io.close()
        self._ended()


def read_in_greenlet(sock: Any, session: Session, inbound: Inbound) -> None:
    """The same for a TLS socket, in the caller's greenlet; returns at the end."""
    while data := _recv(sock):
        session.heard_at = time.monotonic()
        for message in inbound.feed(data):
            inbound.take(message)
            while session.is_full:
                room = Event()
                session.when_room(room.set)
                room.wait()
        _note(session, inbound.fed())
        if len(data) == RECV_BYTES:
            gevent.sleep(0)  # who sends without pause lets others in between


def _note(session: Session, unfinished: bool) -> None:
    """Remember since when a message has been incomplete: who sends too slowly is cut."""
    if not unfinished:
        session.unfinished_at = 0.0
    elif not session.unfinished_at:
        session.unfinished_at = session.heard_at


def _recv(sock: Any) -> bytes:
    try:
        data: bytes = sock.recv(RECV_BYTES)
        return data
    except OSError:
        return b""
