"""Carries tasks from those who enqueue them to the workers: late, twice and shuffled, if it is to.

Both ends are Celery's own; each has a Redis database as its broker, and this is between the two.
A task that is here when Redis dies is lost, as any task may be.
"""

import json
import random
import time
import uuid
from contextlib import suppress

import redis

from chaos.background import Background

QUEUES = ("deliver", "fanout", "maintenance")
TICK_S = 0.003


class Bridge(Background):
    """Runs while the context lasts."""

    def __init__(self, port: int, source: int, target: int, seed: int) -> None:
        super().__init__()
        self.copies = 1
        self.late_s = 0.0
        """Each copy comes after a random part of this time: so they overtake each other."""
        self.carried = 0
        self.doubled = 0
        self.delayed = 0
        """Copies given later than they came."""
        self.overtaken = 0
        """Copies given after one of a task that came later."""
        self._last: dict[str, int] = {}
        self._random = random.Random(f"{seed} bridge")
        self._port = port
        self._databases = (source, target)
        self._held: list[tuple[float, str, int, bytes]] = []  # when due, queue, number, task

    def _run(self) -> None:
        source, target = (
            redis.Redis(port=self._port, db=db, socket_timeout=2) for db in self._databases
        )
        with source, target:
            while not self._over.wait(TICK_S):
                with suppress(redis.RedisError):
                    for queue in QUEUES:
                        while isinstance(task := source.rpop(queue), bytes):
                            self._take(queue, task)
                    self._give(target)

    def _take(self, queue: str, task: bytes) -> None:
        self.carried += 1
        self.doubled += self.copies > 1
        for number in range(self.copies):
            due = time.monotonic() + self._random.random() * self.late_s
            self._held.append((due, queue, self.carried, task if number == 0 else _again(task)))
            self.delayed += self.late_s > 0

    def _give(self, target: "redis.Redis") -> None:
        now = time.monotonic()
        due = sorted(held for held in self._held if held[0] <= now)
        self._held = [held for held in self._held if held[0] > now]
        for _, queue, number, task in due:
            self.overtaken += number < self._last.get(queue, 0)
            self._last[queue] = max(number, self._last.get(queue, 0))
            target.lpush(queue, task)


def _again(task: bytes) -> bytes:
    """The same task as another delivery: kombu keeps what is not acknowledged by this tag."""
    message = json.loads(task)
    message["properties"]["delivery_tag"] = str(uuid.uuid4())
    return json.dumps(message).encode()
