"""Copies that wait for a database that is away, noted in the database of their rows.

A delivery that cannot copy a row notes it and goes on: what waits for one database holds up nobody
else. While anything is noted for a database, deliveries note all that is for it: rows keep their
order, and one that does not answer is not waited for in every pass. models/catchup.py brings what
was noted to databases that answer, oldest first, and says so; the next delivery of a shard brings
the rest of its notes itself and copies again.

What if the process dies: a note is there before `delivered` moves past its row, so either the note
or the next delivery finds the row. Notes go after their rows were copied, and copying again changes
nothing. A row that was recalled meanwhile is not where it was noted: it has moved to the end of the
log, and comes from there.
"""

from collections import Counter
from collections.abc import Sequence, Set
from time import monotonic
from typing import Any, NamedTuple

import structlog

from models import keys
from models.copies import COPY_ROWS_MAX, Copy, copy
from models.errors import IMError
from models.log import COLUMNS, Row
from models.metrics import Metrics
from models.mysql import Database, placeholders
from models.settings import Settings
from models.shards import Shard, ShardMap

log = structlog.get_logger()

BRING_MAX_S = 1.0
"""A delivery that begins brings copies for this long; what is left goes on waiting."""

REFUSED_MS = 5_000
"""What did not take copies is not asked again for this long."""


class Brought(NamedTuple):
    """Whether nothing is left that was to be brought, and the shards that grew by it."""

    everything: bool
    grown: set[int]


def note(database: Database, copies: Sequence[Copy]) -> None:
    """Write down that these copies wait; their sources lie in `database`."""
    database.execute(
        "INSERT INTO copy_waiting (shard, target, version)"
        f" VALUES {','.join(['(%s,%s,%s)'] * len(copies))}"
        " ON DUPLICATE KEY UPDATE version = VALUES(version)",
        [
            value
            for source, target, row in copies
            for value in (source.number, target.number, row.version)
        ],
    )


def waiting(database: Database, shards: ShardMap) -> list[tuple[Shard, Shard]]:
    """The shards of this database with rows that wait, each with a shard they wait for."""
    pairs = database.query("SELECT DISTINCT shard, target FROM copy_waiting")
    known = shards.shards
    return [(known[s], known[t]) for s, t in pairs if s in known and t in known]


def count_waiting(database: Database, shards: ShardMap) -> Counter[Database]:
    """How many rows of this database wait, by the database they wait for."""
    counts: Counter[Database] = Counter()
    for target, count in database.query(
        "SELECT target, COUNT(*) FROM copy_waiting GROUP BY target"
    ):
        if target in shards.shards:
            counts[shards.shards[target].database] += count
    return counts


def bring(shards: ShardMap, source: Shard, target: Shard, deadline: float) -> Brought:
    """Copy rows of `source` that wait for `target`, oldest first, until then at the latest."""
    grown: set[int] = set()
    columns = ",".join(f"stored.{column}" for column in COLUMNS.split(","))
    while noted := source.database.query(
        f"SELECT note.version,{columns} FROM copy_waiting note"
        f" LEFT JOIN {source.table} stored USING (version)"
        " WHERE note.shard = %s AND note.target = %s ORDER BY note.version LIMIT %s",
        (source.number, target.number, COPY_ROWS_MAX),
    ):
        rows: dict[Shard, list[Row]] = {}
        for _, *values in noted:
            if values[0] is not None:
                row = Row._make(values)
                rows.setdefault(shards.of_user(row.receiver), []).append(row)
        rows.pop(source, None)  # since their receiver moved there
        for shard, group in rows.items():
            copy(shard.database, {shard: group})
            grown.add(shard.number)
        versions = [version for version, *_ in noted]
        source.database.execute(
            "DELETE FROM copy_waiting WHERE shard = %s AND target = %s"
            f" AND version IN ({placeholders(len(versions))})",
            [source.number, target.number, *versions],
        )
        if len(noted) < COPY_ROWS_MAX:
            break
        if monotonic() > deadline:
            return Brought(False, grown)
    return Brought(True, grown)


class Answering:
    """How databases took what waited for them in another one; told anew when Redis forgot."""

    def __init__(self, client: Any, settings: Settings) -> None:
        self._redis = client
        self._ttl_ms = int(settings.sweep_interval_s * 3000)

    def took_all(self, source: Database, target: Database) -> None:
        """Nothing was left."""
        self._redis.set(keys.answering(source.name, target.name), "1", px=self._ttl_ms)

    def refused(self, source: Database, target: Database) -> None:
        """It did not take a copy."""
        self._redis.set(keys.answering(source.name, target.name), "0", px=REFUSED_MS)

    def is_open(self, source: Database, target: Database) -> bool:
        """Whether it took everything a moment ago."""
        return bool(self._redis.get(keys.answering(source.name, target.name)) == b"1")

    def is_shut(self, source: Database, target: Database) -> bool:
        """Whether it refused a moment ago."""
        return bool(self._redis.get(keys.answering(source.name, target.name)) == b"0")


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
        if len(self._shards.databases) == 1:
            return set()  # there is none to wait for
        pairs = waiting(database, self._shards)
        targets = {target.database for _, target in pairs}
        away = {target for target in targets if not self._answering.is_open(database, target)}
        grown: set[int] = set()
        begun = False
        deadline = monotonic() + BRING_MAX_S
        for source, target in pairs:
            if source not in held or target.database in away:
                continue
            if begun and monotonic() > deadline:
                away.add(target.database)
                continue
            begun = True
            try:
                brought = bring(self._shards, source, target, deadline)
            except IMError as error:
                self.failed(database, target.database, error)
                away.add(target.database)
                continue
            grown |= brought.grown
            if not brought.everything:
                away.add(target.database)
        self._away[database] = away
        return grown

    def holds_back(self, copy: Copy) -> bool:
        """Whether the copy must wait, because others do that it must not overtake."""
        return copy.target.database in self._away.get(copy.source.database, ())

    def failed(self, source: Database, target: Database, error: IMError) -> None:
        """A database did not take copies."""
        log.warning("copies put off", database=target.name, why=error.message)
        self._answering.refused(source, target)

    def put_off(self, database: Database, copies: Sequence[Copy]) -> None:
        """Note copies of rows of this database; others for their targets are held back then."""
        note(database, copies)
        self._away.setdefault(database, set()).update(one.target.database for one in copies)
        self._metrics.copies_put_off.inc(len(copies))
