"""A bounded cache with deadlines and a single-flight, both safe for threads and greenlets."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

from models.errors import Code, IMError

V = TypeVar("V")


class BoundedCache(Generic[V]):
    """At most `size` values, the least recently used leaves first."""

    def __init__(self, size: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._size = size
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: OrderedDict[bytes, tuple[float, V]] = OrderedDict()

    def get(self, key: bytes) -> V | None:
        """The value, while it is fresh."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None or entry[0] <= self._clock():
                return None
            self._entries.move_to_end(key)
            return entry[1]

    def last_known(self, key: bytes) -> V | None:
        """The value, fresh or not, if it was not pushed out."""
        with self._lock:
            entry = self._entries.get(key)
            return None if entry is None else entry[1]

    def put(self, key: bytes, value: V, ttl_s: float) -> None:
        """Keep `value` for `ttl_s` seconds."""
        with self._lock:
            self._entries[key] = (self._clock() + ttl_s, value)
            self._entries.move_to_end(key)
            if len(self._entries) > self._size:
                self._entries.popitem(last=False)

    def drop(self, key: bytes) -> None:
        with self._lock:
            self._entries.pop(key, None)

    def __len__(self) -> int:
        return len(self._entries)


class SingleFlight(Generic[V]):
    """Concurrent calls with one key share one execution and its outcome."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._flights: dict[bytes, Future[V]] = {}

    def run(self, key: bytes, call: Callable[[], V]) -> V:
        """The outcome of `call`, or of the execution under way; an IMError reaches everybody.

        If the executing caller is interrupted (a greenlet killed, a request out of time), the
        others get UNAVAILABLE instead of its interruption.
        """
        with self._lock:
            flight = self._flights.get(key)
            leads = flight is None
            if flight is None:
                flight = self._flights[key] = Future()
        if not leads:
            return _outcome(flight)
        try:
            value = call()
        except BaseException as error:
            self._land(key)
            known = isinstance(error, IMError)
            flight.set_exception(
                error if known else IMError(Code.UNAVAILABLE, "the call was interrupted")
            )
            raise
        self._land(key)
        flight.set_result(value)
        return value

    def _land(self, key: bytes) -> None:
        with self._lock:
            del self._flights[key]


def _outcome(flight: Future[V]) -> V:
    error = flight.exception()
    if isinstance(error, IMError):
        raise IMError(error.code, error.message, error.retry_after_ms)
    return flight.result()
