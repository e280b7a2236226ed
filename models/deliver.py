"""The only consumer of the logs: copies, effects, and the durable delivery position.

Design: DESIGN.md, "The log". A delivery takes up some shards and goes on in passes until nothing is
left of them, nor of the shards it copied into (models/run.py); then it listens for a moment, in
case more is sent (models/listener.py). Copies that were stored with their message wake their shard
themselves.
"""

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import structlog

from models.atonce import at_once
from models.effects import Effects
from models.errors import IMError
from models.fence import LockLost
from models.groupeffects import GroupEffects
from models.listener import Listener
from models.log import rows_behind
from models.membership import Memberships
from models.metrics import Metrics
from models.mysql import Database
from models.redisclient import Scripts
from models.redisguard import forget_another_time
from models.run import ADVANCE_EVERY_S, Run
from models.settings import Settings
from models.shards import ShardMap
from models.wake import Enqueue

log = structlog.get_logger()

RUN_MAX_S = 5.0
"""A delivery ends after this long even under load, so that a worker can be stopped gently."""

MUCH_ROWS = 64
"""A delivery with this much to do at once lets others hear the next wake-ups."""


class Deliverer:
    """Runs deliveries; one per process, used by one task at a time."""

    def __init__(
        self,
        settings: Settings,
        shards: ShardMap,
        client: Any,
        scripts: Scripts,
        metrics: Metrics,
        listen_s: float = 0.0,
        enqueue: Enqueue | None = None,
        fan_out: Callable[[], None] | None = None,
    ) -> None:
        """`listen_s`: how long a delivery that has nothing left waits for more.

        `enqueue` makes a task for shards that are too many for one delivery; without it they wait
        for the sweep. `fan_out` makes one for the unread counts of small groups; without it they
        are counted when they are asked for.
        """
        self._settings = settings
        self._listen_s = listen_s
        self._shards = shards
        self._redis = client
        self._scripts = scripts
        self._metrics = metrics
        self._enqueue = enqueue
        self._fan_out = fan_out
        self._threads = ThreadPoolExecutor(len(shards.databases), "database")
        self.answered: list[Database] = []
        self._effects = Effects(shards, client, scripts)
        memberships = Memberships(shards, client, scripts)
        self._group_effects = GroupEffects(settings, shards, client, scripts, memberships)

    def deliver(self, numbers: Iterable[int]) -> list[int]:
        """Deliver these shards and the ones copied into, until nothing is left.

        Returns the shards that need another task: the time for this one is over, somebody marked
        them in its last moment, or it ended because the database of others failed. Raises that
        failure where there is nothing else.
        """
        forget_another_time(self._redis)
        deadline = time.monotonic() + RUN_MAX_S
        run = self._run()
        listener = Listener(self._redis, self._scripts, run.token, deadline)
        finished = False
        failure: IMError | None = None
        try:
            finished = self._go_on(run, listener, set(numbers), deadline)
        except LockLost:
            log.warning("delivery was too slow for its locks, starting over")
        except IMError as error:
            failure = error
        finally:
            try:
                called = listener.close()
            finally:
                marked = run.release()
        left = called.union(marked) if finished else called | run.held
        if failure is not None:
            known = self._shards.shards
            left = {n for n in left if n not in known or known[n].database not in run.failed}
            if not run.failed or not left:
                raise failure
            log.warning("delivery failed in part", error=failure.message)
        return sorted(left)

    def _run(self) -> Run:
        return Run(
            self._shards,
            self._scripts,
            self._effects,
            self._group_effects,
            self._settings,
            self._metrics,
            self._threads,
            self._enqueue,
            self._fan_out,
        )

    def _go_on(self, run: Run, listener: Listener, wanted: set[int], deadline: float) -> bool:
        """Deliver and listen by turns; returns whether everything held is delivered."""
        while wanted:
            run.take(wanted)
            while run.work():
                if run.rows_in_pass >= MUCH_ROWS:
                    listener.leave()
                if time.monotonic() > deadline:
                    run.advance()
                    return False
            if not run.held:
                return True
            wanted = run.marked() or self._listen(run, listener, deadline)
        run.advance()
        return True

    def _listen(self, run: Run, listener: Listener, deadline: float) -> set[int]:
        """Wait for a wake-up; progress becomes durable once nothing came for a moment."""
        left_s = min(self._listen_s, deadline - time.monotonic())
        if left_s <= 0:
            return set()
        called = listener.wait(min(ADVANCE_EVERY_S, left_s))
        run.advance_when_due()
        return called or listener.wait(max(0.0, left_s - ADVANCE_EVERY_S))

    def sweep(self) -> list[int]:
        """The shards with rows behind `delivered`; a database that is down is left out.

        The others are in `answered` then.
        """
        forget_another_time(self._redis)
        lagging: list[int] = []
        self.answered = []
        by_database = self._shards.by_database(self._shards.shards)
        jobs = [partial(rows_behind, shards) for shards in by_database.values()]
        answers = at_once(self._threads, jobs)
        for database, behind in zip(by_database, answers, strict=True):
            if isinstance(behind, IMError):
                log.warning("database left out", database=database.name, why=behind.message)
                continue
            self.answered.append(database)
            lagging += [number for number, rows in behind.items() if rows > 0]
        return lagging
