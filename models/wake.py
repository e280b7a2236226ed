"""Marks shards dirty and enqueues their delivery; a lost wake-up is healed by the sweep.

A shard is dirty from the first send until a delivery takes it up. Only who makes it dirty calls
for one, so a busy shard costs one task per delivery, not one per send. A delivery may die with the
shard, or the task on its way: so it is remembered when one was called for.
"""

import threading
from collections.abc import Callable, Iterable

import structlog

from models import keys
from models.metrics import Metrics
from models.redisclient import Scripts

log = structlog.get_logger()

Enqueue = Callable[[list[int]], None]


LOST_MS = 2000
"""A task that has not come after this long is called for again, by the next send too."""


def call(scripts: Scripts, shards: Iterable[int], *, aloud: bool = True) -> list[int]:
    """Mark shards dirty; return those that need a task.

    A shard that was dirty has a task already, or a holder who looks at it; an idle delivery that
    listens (models/listener.py) spares the others theirs. Not `aloud`: it shall not hear this.
    """
    numbers = sorted(shards)
    names = [keys.DIRTY, keys.LISTENER, *map(keys.shard_lock, numbers)]
    return list(scripts.wake(keys=names, args=[keys.WAKE if aloud else "", LOST_MS, *numbers]))


class Waker:
    """Wakes deliveries from a thread of its own, so that no send waits for the broker."""

    def __init__(self, scripts: Scripts, enqueue: Enqueue, metrics: Metrics) -> None:
        self._scripts = scripts
        self._enqueue = enqueue
        self._metrics = metrics
        self._grown: set[int] = set()
        self._closing = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="waker", daemon=True)
        self._thread.start()

    def wake(self, shards: Iterable[int]) -> None:
        """See to it that these shards are delivered soon; never blocks, never fails."""
        with self._changed:
            self._grown.update(shards)
            self._changed.notify()

    def close(self) -> None:
        """Send what is pending, then stop."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._grown and not self._closing:
                    self._changed.wait()
                grown, self._grown = self._grown, set()
            if not grown:
                return
            self._send(grown)

    def _send(self, grown: set[int]) -> None:
        try:
            fresh = call(self._scripts, grown)
            if fresh:
                self._enqueue(fresh)
        except Exception as error:
            self._metrics.wake_failures.inc()
            log.warning("wake-up lost, the sweep will heal it", error=type(error).__name__)
