"""What waits to be written to one connection: bounded, in order, with one writer at a time."""

from collections import deque
from typing import TYPE_CHECKING, Protocol

import gevent
import structlog

from web.wire import Wire

if TYPE_CHECKING:
    from web.services import Services

log = structlog.get_logger()

WRITE_BYTES = 1 << 16


class Owner(Protocol):
    """Whose outbox it is."""

    def made_room(self) -> None:
        """Something was taken out."""

    def write_failed(self) -> None:
        """Nothing can be written any more."""


class Outbox:
    """See the module. Downlinks may be dropped, because sync replaces them; answers may not."""

    __slots__ = ("_owner", "_queue", "_services", "_wire", "_writing", "queued_bytes")

    def __init__(self, services: "Services", wire: Wire, owner: Owner) -> None:
        self._services = services
        self._wire = wire
        self._owner = owner
        self._queue: deque[tuple[bytes, bool]] = deque()  # data, and whether it may be dropped
        self._writing = False
        self.queued_bytes = 0

    def put(self, data: bytes, droppable: bool = False) -> None:
        """Queue bytes; they leave in the same turn of the loop when the socket takes them."""
        self._queue.append((data, droppable))
        self.queued_bytes += len(data)
        if not self._writing:
            self._services.flusher.add(self)

    def send(self, data: bytes) -> bool:
        """Write what may be dropped at once, where nothing waits; False when that is not so.

        For what goes to many: it costs half of what queueing does.
        """
        if self._queue or self._writing:
            return False
        try:
            sent = self._wire.send_now(data)
        except OSError:
            self._owner.write_failed()
            return True
        if sent < len(data):
            if not sent:
                return False
            self._writing = True
            gevent.spawn(self._write, data[sent:])
        return True

    def has_room(self, size: int) -> bool:
        """Whether a downlink of this size may be added."""
        settings = self._services.settings
        return (
            len(self._queue) < settings.outbound_frames_max
            and self.queued_bytes + size <= settings.outbound_bytes_max
        )

    def drop_downlinks(self) -> None:
        """Throw away what can be read again by sync."""
        self._queue = deque((data, droppable) for data, droppable in self._queue if not droppable)
        self.queued_bytes = sum(len(data) for data, _ in self._queue)

    def clear(self) -> None:
        """Throw away everything."""
        self._queue.clear()
        self.queued_bytes = 0

    def flush(self) -> None:
        """Write what is queued; what does not fit now is written by a greenlet of its own."""
        while self._queue and not self._writing:
            data = self._take()
            try:
                sent = self._wire.send_now(data)
            except OSError:
                self._owner.write_failed()
                return
            if sent < len(data):
                self._writing = True
                gevent.spawn(self._write, data[sent:])

    def drain(self) -> None:
        """Wait until everything queued is written, or writing failed."""
        self.flush()
        while self._queue or self._writing:
            gevent.sleep(0.01)
            self.flush()

    def _take(self) -> bytes:
        """What goes into one system call: a large queue is not copied as a whole."""
        queue = self._queue
        if len(queue) == 1:
            data = queue.popleft()[0]
        else:
            parts: list[bytes] = []
            size = 0
            while queue and size < WRITE_BYTES:
                parts.append(queue.popleft()[0])
                size += len(parts[-1])
            data = b"".join(parts)
        self.queued_bytes -= len(data)
        self._owner.made_room()
        return data

    def _write(self, data: bytes) -> None:
        """Write until nothing is left; a piece that the client does not take in time ends it."""
        timeout_s = self._services.settings.write_timeout_s
        try:
            self._send_all(data, timeout_s)
            while self._queue:
                self._send_all(self._take(), timeout_s)
        except OSError:
            self._owner.write_failed()
        except Exception as error:
            log.error("write failed", exc_info=error)
            self._owner.write_failed()
        finally:
            self._writing = False

    def _send_all(self, data: bytes, timeout_s: float) -> None:
        with gevent.Timeout(timeout_s, TimeoutError()):
            self._wire.send_all(data)
