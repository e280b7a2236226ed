"""Who may come in: so many connections per process and address, so many logins per second.

Polls begin in the same turns as logins, which spares Redis a crowd of them.

Counts are this process' own, so they cost nothing; what all processes share is HAProxy's to count.
"""

import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_network

from gevent.lock import Semaphore

from models.errors import Code, IMError
from models.metrics import Metrics
from models.settings import Settings

AT_ONCE = 64
POLLS_AT_ONCE = AT_ONCE // 2
"""Of those so many may be polls: any number of them may wait, and logins find room beside them."""

LOGINS_WAITING_MAX = 256
MIN_WAIT_S = 0.2
JITTER_S = 0.1


class Admission:
    """See the module."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._connections_max = settings.connections_max
        self._per_ip_max = settings.connections_per_ip_max
        self._rate_per_s = settings.admissions_per_s
        self._burst = max(1.0, self._rate_per_s)
        self._refused = metrics.refused
        self._by_ip: Counter[str] = Counter()
        self._count = 0
        self._tokens = self._burst
        self._filled_at = time.monotonic()
        self._slots = Semaphore(AT_ONCE)
        self._poll_slots = Semaphore(POLLS_AT_ONCE)
        self._waiting = 0  # logins, for one of those
        self._next_turn = 0.0  # of who is told to come back
        self.closing = False  # the process ends: nobody new is taken

    def enter(self, ip: str) -> None:
        """Count a connection in; raises OVERLOADED or RATE_LIMITED. `leave` counts it out."""
        ip = subscriber(ip)
        if self.closing:
            self._refused.labels("closing").inc()
            raise IMError(Code.OVERLOADED, "the process is stopping", retry_after_ms=1000)
        if self._count >= self._connections_max:
            self._refused.labels("connections").inc()
            raise IMError(Code.OVERLOADED, "no room for another connection", retry_after_ms=1000)
        if self._by_ip[ip] >= self._per_ip_max:
            self._refused.labels("address").inc()
            raise IMError(
                Code.RATE_LIMITED, "too many connections from this address", retry_after_ms=5000
            )
        self._count += 1
        self._by_ip[ip] += 1

    def leave(self, ip: str) -> None:
        """Count a connection out."""
        ip = subscriber(ip)
        self._count -= 1
        self._by_ip[ip] -= 1
        if not self._by_ip[ip]:
            del self._by_ip[ip]

    @contextmanager
    def login(self) -> Iterator[None]:
        """Let a login pass, or raise OVERLOADED with the time when its turn may come.

        So many are under way at once that none waits long for a connection to Redis, and some wait
        for those. Everybody else gets a turn of his own, so many a second.
        """
        now = time.monotonic()
        earned = (now - self._filled_at) * self._rate_per_s
        self._filled_at = now
        self._tokens = min(self._burst, self._tokens + earned)
        if self._tokens < 1 or self._waiting >= LOGINS_WAITING_MAX:
            self._refused.labels("logins").inc()
            turn = max(now, self._next_turn)
            self._next_turn = turn + 1 / self._rate_per_s
            raise _later("logins", turn - now)
        self._tokens -= 1
        self._waiting += 1
        try:
            self._slots.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._slots.release()

    @contextmanager
    def poll(self, patience_s: float) -> Iterator[None]:
        """Let a poll begin, or raise OVERLOADED when its turn does not come in that time.

        How many wait is not limited, as they cost less than if they were told to come again, nor is
        their rate: a poll follows every message.
        """
        deadline = time.monotonic() + patience_s
        with self._held(self._poll_slots, deadline), self._held(self._slots, deadline):
            yield

    @property
    def crowded(self) -> bool:
        """Whether a poll that begins now would have to wait for its turn."""
        return self._poll_slots.locked() or self._slots.locked()

    @contextmanager
    def _held(self, slots: Semaphore, deadline: float) -> Iterator[None]:
        if not slots.acquire(timeout=max(0.0, deadline - time.monotonic())):
            self._refused.labels("polls").inc()
            raise _later("polls")
        try:
            yield
        finally:
            slots.release()


def _later(kind: str, wait_s: float = 0.0) -> IMError:
    """Come again after that time or a little later."""
    wait_s = max(MIN_WAIT_S, wait_s) + random.uniform(0, JITTER_S)
    message = f"too many {kind} at once"
    return IMError(Code.OVERLOADED, message, retry_after_ms=int(1000 * wait_s))


def subscriber(ip: str) -> str:
    """What counts as one address: of IPv6 the /64 that one line has."""
    return str(ip_network(f"{ip}/64", strict=False)) if ":" in ip else ip
