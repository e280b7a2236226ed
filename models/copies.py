"""Write diffusion: copies rows of a sender's shard into the shards of their receivers.

Where both lie in one database the append copies (models/append.py); what it left out, and recalls,
are copied here as well. Idempotent by the unique id: a row that is there is not inserted again, a
recall reaches a copy once. Rows keep their order: they are read in the order of the source's log
and inserted in it.
Dying before COMMIT copies nothing; dying after it makes the next delivery find everything there.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from typing import NamedTuple

import pymysql
import structlog
from pymysql.constants import ER

from models.log import Entry, Row, append_entries, find_by_sequence, insert_statement
from models.mysql import Connection, Database, placeholders
from models.shards import Shard, ShardMap, bucket_of

log = structlog.get_logger()

COPY_ROWS_MAX = 100
"""Rows of one transaction: sends to the same database wait while it holds the counters."""


class Copy(NamedTuple):
    """A row of `source` and the shard that is to hold it as well."""

    source: Shard
    target: Shard
    row: Row


def wanted(shards: ShardMap, rows: Mapping[Shard, Sequence[Row]]) -> Iterator[Copy]:
    """The copies to be made of rows that were just read, each source's in order.

    Within a database the append made them: what was read there is there, and what was not (somebody
    else holds that shard, or this is a repetition) is to be looked for.
    """
    of_user = shards.of_user
    there = {s: {row.id for row in group} for s, group in rows.items() if not s.is_group}
    for shard, group in rows.items():
        if shard.is_group:
            continue
        for row in group:
            target = of_user(row.receiver)
            if target is shard or of_user(row.sender) is not shard:
                continue
            if row.withdraw_time or row.id not in there.get(target, ()):
                yield Copy(shard, target, row)


def copy_all(
    ends: tuple[Database, Database], copies: Iterable[Copy], likely_there: Set[bytes]
) -> dict[Shard, list[Row]]:
    """Make copies from one database into another, or the same; see `copy`."""
    by_target: dict[Shard, list[Row]] = {}
    for one in copies:
        by_target.setdefault(one.target, []).append(one.row)
    return copy(ends[1], by_target, likely_there)


def copy(
    database: Database, rows: Mapping[Shard, Sequence[Row]], likely_there: Set[bytes] = frozenset()
) -> dict[Shard, list[Row]]:
    """Make sure that each target shard of `database` holds its rows.

    Those of the ids `likely_there` were most likely copied when they were sent: they are looked for
    first, and a target that has all of its rows is left out of the answer. Of the others it holds
    the new rows, as they lie there; none where some had been copied or recalled before.
    """
    rows = _without_copied(database, rows, likely_there)
    rows = {
        shard: [row._replace(shard=bucket_of(row.receiver)) for row in group]
        for shard, group in rows.items()
    }
    copied: dict[Shard, list[Row]] = {shard: [] for shard in rows}
    for portion in _portions(rows):
        for shard, group in _copy_portion(database, portion).items():
            copied[shard] += group
    return {
        shard: group if len(group) == len(rows[shard]) else [] for shard, group in copied.items()
    }


def _without_copied(
    database: Database, rows: Mapping[Shard, Sequence[Row]], likely_there: Set[bytes]
) -> Mapping[Shard, Sequence[Row]]:
    """Leave out those that are there already: one round trip if there may be any."""
    sought = {
        shard: ids
        for shard, group in rows.items()
        if (ids := [row.id for row in group if row.id in likely_there])
    }
    if not sought:
        return rows

    def look(connection: Connection) -> set[bytes]:
        statements = [
            connection.sql(
                f"SELECT id FROM {shard.table} WHERE id IN ({placeholders(len(ids))})", ids
            )
            for shard, ids in sought.items()
        ]
        return {identifier for found in connection.run(statements) for (identifier,) in found}

    there = database.retried(look)
    left = {
        shard: [row for row in group if row.withdraw_time or row.id not in there]
        for shard, group in rows.items()
    }
    return {shard: group for shard, group in left.items() if group}


def _portions(rows: Mapping[Shard, Sequence[Row]]) -> Iterator[dict[Shard, list[Row]]]:
    """The same rows in the same order, cut into transactions."""
    portion: dict[Shard, list[Row]] = {}
    size = 0
    for shard, group in rows.items():
        for row in group:
            portion.setdefault(shard, []).append(row)
            size += 1
            if size == COPY_ROWS_MAX:
                yield portion
                portion, size = {}, 0
    if portion:
        yield portion


def _copy_portion(
    database: Database, rows: Mapping[Shard, Sequence[Row]]
) -> dict[Shard, list[Row]]:
    if not any(row.withdraw_time for group in rows.values() for row in group):
        try:
            return database.retried(lambda connection: _insert_all(connection, rows))
        except pymysql.IntegrityError as error:
            if error.args[0] != ER.DUP_ENTRY:
                raise
    database.transact(lambda connection: _reconcile(connection, rows))
    return {}


def _insert_all(
    connection: Connection, rows: Mapping[Shard, Sequence[Row]]
) -> dict[Shard, list[Row]]:
    """The common case: none of the rows is there yet. One round trip, commit included."""
    entries = {shard: [Entry(row) for row in group] for shard, group in rows.items()}
    starts = append_entries(connection, entries)
    return {shard: _renumbered(group, starts[shard].first) for shard, group in rows.items()}


def _reconcile(connection: Connection, rows: Mapping[Shard, Sequence[Row]]) -> None:
    """Insert what is missing and withdraw what was recalled since, under the counters' locks."""
    shards = sorted(rows, key=lambda shard: shard.number)
    connection.query(
        f"SELECT version FROM shard_log WHERE shard IN ({placeholders(len(shards))})"
        " ORDER BY shard FOR UPDATE",
        [shard.number for shard in shards],
    )
    for shard in shards:
        group = _last_of_each(rows[shard])
        withdrawn = _withdraw_times(connection, shard, group)
        missing = _without_taken(
            connection, shard, [row for row in group if row.id not in withdrawn]
        )
        recalled = [row for row in group if row.withdraw_time and withdrawn.get(row.id) == 0]
        changed = sorted(missing + recalled, key=lambda row: row.version)
        if not changed:
            continue
        connection.execute(
            "UPDATE shard_log SET version = version + %s WHERE shard = %s",
            (len(changed), shard.number),
        )
        ((end,),) = connection.query(
            "SELECT version FROM shard_log WHERE shard = %s", (shard.number,)
        )
        gone = {row.id for row in recalled}
        inserts = []
        for row in _renumbered(changed, end - len(changed) + 1):
            if row.id in gone:
                connection.execute(
                    f"UPDATE {shard.table} SET version = %s, content = '', withdraw_time = %s"
                    " WHERE id = %s",
                    (row.version, row.withdraw_time, row.id),
                )
            else:
                inserts.append(row)
        if inserts:
            connection.execute(insert_statement(connection, shard, inserts))


def _without_taken(connection: Connection, shard: Shard, rows: Sequence[Row]) -> list[Row]:
    """Leave out rows whose sequence another row of the sender has: that one is the copy.

    So it is when the sender's database lost rows that were delivered, and they are sent again. One
    row must not hold up all that come behind it.
    """
    if not rows:
        return []
    taken = find_by_sequence(connection, shard, [(row.sender, row.sequence) for row in rows])
    left = [row for row in rows if (row.sender, row.sequence) not in taken]
    for row in rows:
        if (row.sender, row.sequence) in taken:
            log.error("not copied: its sequence is taken", shard=shard.number, id=row.id.hex())
    return left


def _withdraw_times(connection: Connection, shard: Shard, rows: Sequence[Row]) -> dict[bytes, int]:
    ids = [row.id for row in rows]
    return dict(
        connection.query(
            f"SELECT id, withdraw_time FROM {shard.table} WHERE id IN ({placeholders(len(ids))})",
            ids,
        )
    )


def _last_of_each(rows: Iterable[Row]) -> list[Row]:
    """One row per id, the one furthest in the log."""
    newest = {row.id: row for row in rows}
    return list(newest.values())


def _renumbered(rows: Sequence[Row], first: int) -> list[Row]:
    return [row._replace(version=version) for version, row in enumerate(rows, first)]
