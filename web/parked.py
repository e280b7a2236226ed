"""A poll that waits outside gunicorn: a socket, a timer, and no greenlet until there is an answer.

A request parked in its own greenlet costs 36 KiB with Flask's and gunicorn's parts, this 5
(measured; docs/performance.md). Only while a poll waits for its turn to begin it has a bare one.
"""

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import gevent
from google.protobuf.message import Message

from web.httpcall import respond
from web.reading import READ

GATHER_S = 0.005
"""What arrives this soon after the first message goes with it."""

if TYPE_CHECKING:
    from web.comet import Comet, Waiting


class Parked:
    """Holds one poll's connection until it is answered or given up."""

    __slots__ = ("_again", "_comet", "_headers", "_io", "_looking", "_sock", "_timer", "_waiting")

    def __init__(
        self, comet: "Comet", waiting: "Waiting", sock: Any, headers: dict[str, str]
    ) -> None:
        self._comet = comet
        self._waiting = waiting
        self._sock = sock
        self._headers = headers
        self._looking = False  # one look is on its way
        self._again = False  # something came since it began
        loop = gevent.get_hub().loop
        self._io: Any = loop.io(sock.fileno(), READ)
        self._io.start(self._readable)
        self._timer: Any = loop.timer(max(0.0, waiting.deadline - time.monotonic()))
        self._timer.start(self._wake)
        waiting.poll.notify = self._wake
        if waiting.arrival is not None:
            self._again = self._looking = True
            gevent.spawn(self._look)
        elif waiting.poll.pending:
            self._wake()

    def _readable(self) -> None:
        """Nothing should come any more; an end means that nobody waits."""
        try:
            data = self._sock._sock.recv(1024)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._end()

    def _wake(self) -> None:
        """Look for an answer soon: what arrives together goes together."""
        self._again = True
        if not self._looking:
            self._looking = True
            gevent.spawn_later(GATHER_S, self._look)

    def _look(self) -> None:
        """Look, and again for what came meanwhile; one at a time."""
        while self._again and self._sock is not None:
            self._again = False
            answer = self._comet.look(self._waiting)
            if answer is not None and self._sock is not None:
                self._comet.count(answer)
                self._write(answer)
        self._looking = False
        self._rearm()

    def _rearm(self) -> None:
        """Wake at the deadline; libev counts from the start of its turn, so it may be early."""
        if self._timer is not None and not self._timer.active:
            left_s = max(0.0, self._waiting.deadline - time.monotonic())
            self._timer.close()
            self._timer = gevent.get_hub().loop.timer(left_s)
            self._timer.start(self._wake)

    def _write(self, answer: Message) -> None:
        """Write the whole response and hang up."""
        response = respond(answer, self._waiting.as_json)
        response.headers.update(self._headers)
        response.headers["Connection"] = "close"
        head = f"HTTP/1.1 {response.status}\r\n{response.headers}"
        self._stop()
        with suppress(OSError), gevent.Timeout(self._comet.write_timeout_s, False):  # type: ignore[arg-type]
            self._sock.sendall(head.encode("latin-1") + response.get_data())
        self._end()

    def _stop(self) -> None:
        for watcher in (self._io, self._timer):
            if watcher is not None:
                watcher.stop()
                watcher.close()
        self._io = self._timer = None

    def _end(self) -> None:
        if self._sock is None:
            return
        self._stop()
        sock, self._sock = self._sock, None
        self._comet.leave(self._waiting)
        sock.close()
