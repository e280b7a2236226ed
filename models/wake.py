"""Marks shards dirty and enqueues their delivery; a lost wake-up is healed by the sweep.

A shard is dirty from the first send until a delivery takes it up. Only who makes it dirty calls
for one, so a busy shard costs one task per delivery, not one per send.
"""

import threading
from collections.abc import Callable, Iterable
from typing import Any

import structlog

from models import keys
from models.metrics import Metrics
from models.redisclient import Scripts

log = structlog.get_logger()

Enqueue = Callable[[list[int]], None]


def call(scripts: Scripts, shards: Iterable[int]) -> list[int]:
    """Mark shards dirty; return those that need a task.

    A shard that was dirty has a task already; an idle delivery that listens (models/listener.py)
    spares the others theirs.
    """
    numbers = sorted(shards)
    names = [keys.DIRTY, *map(keys.shard_lock, numbers)]
    return list(scripts.wake(keys=names, args=[keys.WAKE, *numbers]))


def mark(client: Any, shards: Iterable[int]) -> list[int]:
    """Mark shards dirty, past whoever listens; return those that were not and need a task."""
    numbers = sorted(shards)
    pipe = client.pipeline(transaction=False)
    for number in numbers:
        pipe.sadd(keys.DIRTY, number)
    return [number for number, added in zip(numbers, pipe.execute(), strict=True) if added]


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
