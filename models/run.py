"""The passes of one delivery over the shards whose locks it holds.

    read        rows above the position, all shards of a database in one round trip, all databases
                at once, as with copies
    copy        rows whose receiver lives elsewhere and that the append did not copy, one
                transaction and one round trip per target database; what comes directly behind the
                position of a shard held is as good as read; what cannot be copied now is put off
    effects     contact list, unread, latest version, downlink: one round trip to Redis
    advance     `delivered` by compare-and-set, a few times a second and at the end

What if the process dies after each line: after *read* nothing happened; after *copy* the next run
finds the copies there (unique id); after *effects* it applies them again and the versions in Redis
make that a no-op; after *advance* there is nothing to repeat. The Redis locks spare double work:
two runs on one shard do what one would. A run that was frozen past its locks is stopped before the
caches (models/fence.py).
"""

import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from functools import partial
from typing import NamedTuple

import structlog

from models import keys
from models.atonce import at_once
from models.copies import Copy, copy_all, wanted
from models.effects import Effects
from models.errors import IMError
from models.fanout import mark as mark_groups
from models.fence import LockLost
from models.groupeffects import GroupEffects
from models.log import Row, move_delivered, read_forward
from models.metrics import Metrics
from models.mysql import Database
from models.redisclient import Scripts
from models.settings import Settings
from models.shards import Shard, ShardMap
from models.waiting import Answering, Waiting
from models.wake import Enqueue, call

log = structlog.get_logger()

LOCK_MS = 5_000
"""A worker that died or froze keeps a shard for at most this long."""

KEEP_EVERY_S = 1.0
"""Within a pass the locks are made to last longer this often."""

ADVANCE_EVERY_S = 0.25
"""Progress is made durable this often; what is behind is repeated after a crash."""


class _Answer(NamedTuple):
    """What a database says: positions and rows by shard, and the shards that grew beside."""

    rows: dict[Shard, tuple[int, list[Row]]]
    grown: set[int]


class Run:
    """See the module."""

    def __init__(
        self,
        shards: ShardMap,
        scripts: Scripts,
        effects: Effects,
        group_effects: GroupEffects,
        settings: Settings,
        metrics: Metrics,
        threads: Executor,
        enqueue: Enqueue | None,
        fan_out: Callable[[], None] | None,
    ) -> None:
        self.held: set[int] = set()
        self.rows_in_pass = 0
        self.failed: set[Database] = set()
        """Those that failed; work on others need not end for it."""
        self.token = uuid.uuid4().hex
        self._shards = shards
        self._scripts = scripts
        self._effects = effects
        self._group_effects = group_effects
        self._fan_out = fan_out
        self._threads = threads
        self._limit = settings.deliver_batch
        self._shards_max = settings.deliver_shards_max
        self._enqueue = enqueue
        self._metrics = metrics
        self._active: set[int] = set()
        self._waiting = Waiting(shards, Answering(scripts.client, settings), metrics)
        self._durable: dict[Shard, int] = {}
        self._reached: dict[Shard, int] = {}
        self._advanced_at = self._kept_at = time.monotonic()

    # ------------------------------------------------------------ locks

    def take(self, numbers: Iterable[int]) -> None:
        """Lock what is free and read it next; leave the rest marked for whoever holds it.

        What is more than one delivery may hold is called for on its own.
        """
        known = {number for number in numbers if number in self._shards.shards}
        self._active |= known & self.held
        new = sorted(known - self.held)
        room = max(0, self._shards_max - len(self.held))
        if new[room:] and self._enqueue is not None:
            fresh = call(self._scripts, new[room:], aloud=False)
            if fresh:
                self._enqueue(fresh)
        if new[:room]:
            taken = set(self._take(new[:room]))
            self.held |= taken
            self._active |= taken

    def marked(self) -> set[int]:
        """Held shards that somebody marked, relying on us; their marks are removed."""
        dirty = {int(number) for number in self._scripts.client.hkeys(keys.DIRTY)}
        marked = dirty & self.held
        if marked:
            self._take(sorted(marked))
        return marked

    def release(self) -> list[int]:
        """Give back the locks; return the shards somebody marked meanwhile."""
        if not self.held:
            return []
        numbers = sorted(self.held)
        return list(
            self._scripts.release(
                keys=[keys.DIRTY, *map(keys.shard_lock, numbers)], args=[self.token, *numbers]
            )
        )

    def _keep(self) -> None:
        """Make the locks last longer; raises `LockLost` when somebody else may have had one."""
        self._kept_at = time.monotonic()
        numbers = sorted(self.held)
        names = [*map(keys.shard_lock, numbers)]
        kept = set(self._scripts.keep(keys=names, args=[self.token, LOCK_MS, *numbers]))
        if kept != self.held:
            raise LockLost

    def _keep_when_due(self) -> None:
        if time.monotonic() - self._kept_at > KEEP_EVERY_S:
            self._keep()

    def _take(self, numbers: list[int]) -> list[int]:
        """Lock what is free and remove the marks of what we hold now, which is returned."""
        return list(
            self._scripts.take(
                keys=[keys.DIRTY, *map(keys.shard_lock, numbers)],
                args=[self.token, LOCK_MS, keys.WAKE, *numbers],
            )
        )

    # ------------------------------------------------------------ passes

    def work(self) -> bool:
        """Do one pass; returns whether there was anything to read."""
        if not self._active:
            return False
        started = time.monotonic()
        self.rows_in_pass = 0
        rows = self._read()
        if rows:
            unread = self._take_in(rows, self._copy(rows))
            self._keep_when_due()
            people = {s: group for s, group in rows.items() if not s.is_group}
            self._effects.apply(people, self.token)
            self._apply_groups({s: group for s, group in rows.items() if s.is_group})
            for shard, group in rows.items():
                self._reached[shard] = group[-1].version
            if unread:
                self.take(unread)
            self._observe(rows, started)
        self.advance_when_due()
        return True

    def _apply_groups(self, rows: dict[Shard, list[Row]]) -> None:
        small = self._group_effects.apply(rows, self.token)
        if small and self._fan_out is not None:
            mark_groups(self._scripts.client, small, self._fan_out)

    def _read(self) -> dict[Shard, list[Row]]:
        """The next rows of active shards; one that has no more behind them is not active then.

        Nor is one whose database does not answer: the sweep comes back to it.
        """
        rows: dict[Shard, list[Row]] = {}
        grown: set[int] = set()
        by_database = self._shards.by_database(self._active)
        jobs = [partial(self._read_database, *job) for job in by_database.items()]
        failures: list[IMError] = []
        answers = at_once(self._threads, jobs)
        for (database, shards), answer in zip(by_database.items(), answers, strict=True):
            if isinstance(answer, IMError):
                log.warning("database left out", database=database.name, why=answer.message)
                failures.append(answer)
                self.failed.add(database)
                self._active -= {shard.number for shard in shards}
                continue
            grown |= answer.grown
            for shard, (position, group) in answer.rows.items():
                if shard not in self._reached:
                    self._durable[shard] = self._reached[shard] = position
                if group:
                    rows[shard] = group
                if len(group) < self._limit:
                    self._active.discard(shard.number)
        if len(failures) == len(jobs):
            raise failures[0]
        if grown:
            self.take(grown)
        return rows

    def _read_database(self, database: Database, shards: Sequence[Shard]) -> _Answer:
        """Rows of shards of one database; where one begins, what waits is brought first."""
        after = {shard: self._reached.get(shard) for shard in shards}
        rows = read_forward(after, self._limit)
        if None not in after.values() or all(shard.is_group for shard in shards):
            return _Answer(rows, set())
        held = self._shards.by_database(self.held)[database]
        return _Answer(rows, self._waiting.begin(database, set(held)))

    def _copy(self, rows: dict[Shard, list[Row]]) -> dict[Shard, list[Row]]:
        """Copy what belongs elsewhere; return by target what is new there, as far as known.

        What a database cannot take now is put off (models/waiting.py).
        """
        by_database: dict[tuple[Database, Database], list[Copy]] = {}
        late: list[Copy] = []
        likely_there: set[bytes] = set()
        for one in wanted(self._shards, rows):
            if self._waiting.holds_back(one):
                late.append(one)
                continue
            if one.target.database is one.source.database and not one.row.withdraw_time:
                likely_there.add(one.row.id)
            ends = (one.source.database, one.target.database)
            by_database.setdefault(ends, []).append(one)
        self._keep_when_due()
        copied: dict[Shard, list[Row]] = {}
        jobs = [partial(copy_all, *job, likely_there) for job in by_database.items()]
        answers = at_once(self._threads, jobs)
        failure: IMError | None = None
        for (ends, copies), made in zip(by_database.items(), answers, strict=True):
            if not isinstance(made, IMError):
                for shard, group in made.items():
                    copied[shard] = [] if shard in copied else group  # which came first?
                found = {one.target.number for one in copies} - {shard.number for shard in made}
                self._active |= found & self.held  # stored behind our reading of that log
            elif ends[0] is ends[1]:
                failure = made  # none to wait for: its own rows lie there
                self.failed.add(ends[0])
            else:
                self._waiting.failed(*ends, made)
                late += copies
        failure = self._put_off(late) or failure
        if failure is not None:
            raise failure
        return copied

    def _put_off(self, late: Iterable[Copy]) -> IMError | None:
        """Note copies where their rows lie; returns the failure of one that takes no note."""
        failure: IMError | None = None
        by_database: dict[Database, list[Copy]] = {}
        for one in late:
            by_database.setdefault(one.source.database, []).append(one)
        for database, copies in by_database.items():
            try:
                self._waiting.put_off(database, copies)
            except IMError as error:
                self.failed.add(database)
                failure = error
        return failure

    def _take_in(
        self, rows: dict[Shard, list[Row]], copied: Mapping[Shard, Sequence[Row]]
    ) -> set[int]:
        """Add copies to the rows read, where nothing can lie between; return the other shards.

        Versions have no gaps at the end of a log: what is one above the position is the next row.
        """
        unread = set()
        for shard, group in copied.items():
            known = rows.get(shard, [])
            end = known[-1].version if known else self._reached.get(shard)
            adjoins = bool(group) and end is not None and group[-1].version == end + len(group)
            if adjoins and shard.number in self.held:
                rows[shard] = [*known, *group]
            else:
                unread.add(shard.number)
        self.rows_in_pass = sum(len(group) for group in rows.values())
        return unread

    # ------------------------------------------------------------ progress

    def advance_when_due(self) -> None:
        """Make progress durable, and the locks last, if that was not done for a while."""
        if time.monotonic() - self._advanced_at > ADVANCE_EVERY_S:
            self.advance()
            if self.held:
                self._keep()

    def advance(self) -> None:
        """Make progress durable; forget shards that somebody else has moved meanwhile.

        What one database refuses keeps no other one back; it is raised at the end.
        """
        self._advanced_at = time.monotonic()
        failure: IMError | None = None
        reached = {shard.number for shard in self._reached}
        for database, shards in self._shards.by_database(reached).items():
            moves = {
                shard: (self._durable[shard], self._reached[shard])
                for shard in shards
                if self._reached[shard] > self._durable[shard]
            }
            try:
                moved = move_delivered(moves)
            except IMError as error:
                self.failed.add(database)
                failure = error
                continue
            for shard in moves:
                if shard.number in moved:
                    self._durable[shard] = self._reached[shard]
                else:
                    log.info("delivered by another run", shard=shard.number)
                    del self._reached[shard], self._durable[shard]
        if failure is not None:
            raise failure

    def _observe(self, rows: dict[Shard, list[Row]], started: float) -> None:
        oldest_ms = min(group[0].send_time for group in rows.values())
        self._metrics.deliver_rows.observe(self.rows_in_pass)
        self._metrics.deliver_seconds.observe(time.monotonic() - started)
        self._metrics.delivery_lag_seconds.observe(max(0.0, time.time() - oldest_ms / 1000))
