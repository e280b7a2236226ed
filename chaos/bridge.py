"""Carries tasks from those who enqueue them to the workers: late, twice and shuffled, if it is to.

Both ends are Celery's own; each has a Redis database as its broker, and this is between the two.
Workers enqueue where they read, past the bridge: it finds those tasks among what workers have begun
and not acknowledged. A task that is here when Redis dies is lost, as any task may be.
"""

import json
import random
import threading
import time
import uuid
from collections import Counter, deque
from contextlib import suppress

import redis

from chaos.background import Background

QUEUES = ("deliver", "fanout", "maintenance")
UNACKED = "unacked"
"""Kombu's hash of what workers have taken: by tag a list of message, exchange and queue."""
TICK_S = 0.003
REMEMBERED = 64
"""So many tasks can be given once more, however long ago they came."""
KNOWN_MAX = 10_000
"""More than can be with workers at one time."""


class Bridge(Background):
    """Runs while the context lasts."""

    def __init__(self, port: int, source: int, target: int, seed: int) -> None:
        super().__init__()
        self.copies = 1
        self.late_s = 0.0
        """Each copy comes after a random part of this time: so they overtake each other."""
        self.carried = 0
        self._did: Counter[str] = Counter()
        self._last: dict[str, int] = {}
        self._known: dict[str, None] = {}
        """The last tags of what went through here, or has been doubled."""
        self._remembered: deque[tuple[str, bytes]] = deque(maxlen=REMEMBERED)
        self._random = random.Random(f"{seed} bridge")
        self._port = port
        self._databases = (source, target)
        self._held: list[tuple[float, str, int, bytes]] = []  # when due, queue, number, task
        self._lock = threading.Lock()

    def tally(self) -> Counter[str]:
        """What was done so far.

        `tasks doubled`, `of workers doubled`; `copies late`: given later than they came;
        `overtaken`: given after one of a task that came later.
        """
        with self._lock:
            return self._did.copy()

    def repeat(self) -> int:
        """Gives the tasks that came last once more, as late as others; returns how many."""
        with self._lock:
            for queue, task in self._remembered:
                self._hold(queue, self.carried, _again(task))
            return len(self._remembered)

    def _run(self) -> None:
        source, target = (
            redis.Redis(port=self._port, db=db, socket_timeout=2) for db in self._databases
        )
        with source, target:
            while not self._over.wait(TICK_S):
                with suppress(redis.RedisError), self._lock:
                    for queue in QUEUES:
                        while isinstance(task := source.rpop(queue), bytes):
                            self._take(queue, task)
                    if self.copies > 1:
                        self._double(target)
                    self._give(target)

    def _take(self, queue: str, task: bytes) -> None:
        self.carried += 1
        self._did["tasks doubled"] += self.copies > 1
        self._remembered.append((queue, task))
        for number in range(self.copies):
            self._hold(queue, self.carried, task if number == 0 else _again(task))

    def _double(self, target: "redis.Redis") -> None:
        """Gives what workers enqueued, and one of them is at, once more."""
        for entry in target.hvals(UNACKED):
            message, _, queue = json.loads(entry)
            if _tag(message) not in self._known and queue in QUEUES:
                self._know(message)
                self._did["of workers doubled"] += 1
                self._hold(queue, self.carried, _again(json.dumps(message).encode()))

    def _hold(self, queue: str, number: int, task: bytes) -> None:
        due = time.monotonic() + self._random.random() * self.late_s
        self._held.append((due, queue, number, task))
        self._know(json.loads(task))
        self._did["copies late"] += self.late_s > 0

    def _know(self, message: "dict[str, dict[str, str]]") -> None:
        self._known[_tag(message)] = None
        if len(self._known) > KNOWN_MAX:
            del self._known[next(iter(self._known))]

    def _give(self, target: "redis.Redis") -> None:
        now = time.monotonic()
        due = sorted(held for held in self._held if held[0] <= now)
        self._held = [held for held in self._held if held[0] > now]
        for _, queue, number, task in due:
            self._did["overtaken"] += number < self._last.get(queue, 0)
            self._last[queue] = max(number, self._last.get(queue, 0))
            target.lpush(queue, task)


def _again(task: bytes) -> bytes:
    """The same task as another delivery: kombu keeps what is not acknowledged by this tag."""
    message = json.loads(task)
    message["properties"]["delivery_tag"] = str(uuid.uuid4())
    return json.dumps(message).encode()


def _tag(message: "dict[str, dict[str, str]]") -> str:
    return message["properties"]["delivery_tag"]
