"""Copies that wait for a database that is away, noted in the database of their rows.

A delivery that cannot copy a row notes it and goes on: what waits for one database holds up nobody
else. While anything is noted for a database, deliveries note all that is for it: rows keep their
order, and one that does not answer is waited for once, not in every pass. The sweep brings what was
noted to databases that answer, oldest first, and says so; the next delivery of a shard brings the
rest of its notes itself and copies again.

What if the process dies: a note is there before `delivered` moves past its row, so either the note
or the next delivery finds the row. Notes go after their rows were copied, and copying again changes
nothing. A row that was recalled meanwhile is not where it was noted: it has moved to the end of the
log, and comes from there.
"""

from collections.abc import Iterable, Sequence, Set
from typing import Any, NamedTuple

import structlog

from models import keys
from models.copies import COPY_ROWS_MAX, copy
from models.errors import IMError
from models.log import COLUMNS, Row
from models.metrics import Metrics
from models.mysql import Database, placeholders
from models.settings import Settings
from models.shards import Shard, ShardMap

log = structlog.get_logger()

BRING_CALLS_MAX = 20
"""Of a shard that has more for another one than so many calls bring, all goes on waiting."""


class Copy(NamedTuple):
    """A row of `source` and the shard that is to hold it as well."""

    source: Shard
    target: Shard
    row: Row


def note(database: Database, copies: Sequence[Copy]) -> None:
    """Write down that these copies wait; their sources lie in `database`."""
    database.execute(
        "INSERT IGNORE INTO copy_waiting (shard, target, version)"
        f" VALUES {','.join(['(%s,%s,%s)'] * len(copies))}",
        [
            value
            for source, target, row in copies
            for value in (source.number, target.number, row.version)
        ],
    )


def waiting(database: Database, shards: ShardMap) -> list[tuple[Shard, Shard]]:
    """The shards of this database with rows that wait, each with a shard they wait for."""
    pairs = database.query("SELECT DISTINCT shard, target FROM copy_waiting")
    return [(shards.shards[source], shards.shards[target]) for source, target in pairs]


def count_waiting(database: Database) -> dict[int, int]:
    """How many copies of rows of this database wait, by the shard they wait for."""
    return dict(database.query("SELECT target, COUNT(*) FROM copy_waiting GROUP BY target"))


def bring(source: Shard, target: Shard) -> bool:
    """Copy the oldest rows of `source` that wait for `target`; returns whether more may wait."""
    noted = source.database.query(
        "SELECT version FROM copy_waiting WHERE shard = %s AND target = %s"
        " ORDER BY version LIMIT %s",
        (source.number, target.number, COPY_ROWS_MAX),
    )
    if not noted:
        return False
    versions = [version for (version,) in noted]
    marks = placeholders(len(versions))
    found = source.database.query(
        f"SELECT {COLUMNS} FROM {source.table} WHERE version IN ({marks}) ORDER BY version",
        versions,
    )
    if found:
        copy(target.database, {target: [Row._make(values) for values in found]})
    source.database.execute(
        f"DELETE FROM copy_waiting WHERE shard = %s AND target = %s AND version IN ({marks})",
        [source.number, target.number, *versions],
    )
    return len(versions) == COPY_ROWS_MAX


class Answering:
    """Which databases took all that waited for them; the next sweep tells what Redis forgot."""

    def __init__(self, client: Any, settings: Settings) -> None:
        self._redis = client
        self._ttl_ms = int(settings.sweep_interval_s * 3000)

    def tell(self, database: Database) -> None:
        """It took what waited for it."""
        self._redis.set(keys.answering(database.name), "1", px=self._ttl_ms)

    def forget(self, database: Database) -> None:
        """It did not take a copy."""
        self._redis.delete(keys.answering(database.name))

    def __contains__(self, database: Database) -> bool:
        return bool(self._redis.exists(keys.answering(database.name)))


class Waiting:
    """What one delivery knows of copies that wait, and of the databases they wait for."""

    def __init__(self, shards: ShardMap, answering: Answering, metrics: Metrics) -> None:
        self._shards = shards
        self._answering = answering
        self._metrics = metrics
        self._away: dict[Database, set[Database]] = {}
        """By database of the source: those that something of it waits for."""

    def begin(self, database: Database, held: Set[Shard]) -> set[int]:
        """Bring what waits of these shards, which the delivery holds; returns those that grew.

        To be called when positions were read: notes were made before `delivered` moved.
        """
        pairs = waiting(database, self._shards)
        targets = {target.database for _, target in pairs}
        away = {target for target in targets if target not in self._answering}
        grown: set[int] = set()
        for source, target in pairs:
            if source not in held or target.database in away:
                continue
            try:
                if any(not bring(source, target) for _ in range(BRING_CALLS_MAX)):
                    grown.add(target.number)
                else:
                    away.add(target.database)
            except IMError as error:
                self.failed(target.database, error)
                away.add(target.database)
        self._away[database] = away
        return grown

    def holds_back(self, copy: Copy) -> bool:
        """Whether the copy must wait, because others do that it must not overtake."""
        return copy.target.database in self._away.get(copy.source.database, ())

    def failed(self, database: Database, error: IMError) -> None:
        """The database did not take copies."""
        log.warning("copies put off", database=database.name, why=error.message)
        self._answering.forget(database)

    def put_off(self, copies: Iterable[Copy]) -> None:
        """Note copies; from now on all others for their databases are held back."""
        by_database: dict[Database, list[Copy]] = {}
        for one in copies:
            by_database.setdefault(one.source.database, []).append(one)
        for database, group in by_database.items():
            note(database, group)
            self._away.setdefault(database, set()).update(one.target.database for one in group)
            self._metrics.copies_put_off.inc(len(group))
