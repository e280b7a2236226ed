"""Writes what sessions queued: one greenlet for all of them, once per turn of the loop.

Frames that reach a connection within one turn leave in one system call.
"""

from typing import TYPE_CHECKING

import gevent
import structlog
from gevent.event import Event

if TYPE_CHECKING:
    from web.outbox import Outbox


log = structlog.get_logger()


class Flusher:
    """Runs for as long as the process."""

    def __init__(self) -> None:
        self._dirty: set[Outbox] = set()
        self._work = Event()
        gevent.spawn(self._run)

    def add(self, outbox: "Outbox") -> None:
        """Flush this outbox soon."""
        self._dirty.add(outbox)
        self._work.set()

    def _run(self) -> None:
        while True:
            self._work.wait()
            self._work.clear()
            dirty, self._dirty = self._dirty, set()
            for outbox in dirty:
                try:
                    outbox.flush()
                except Exception as error:
                    log.error("flush failed", exc_info=error)
