"""The commit-ordered log of one shard (DESIGN, "The log").

A version is allocated inside the transaction that inserts the row, under the lock of the shard's
counter row, which is held until commit. Rows therefore become visible in the order of their
versions, and a reader of `version > begin` never skips a late commit.

A worked example, two writers and a reader on one shard whose counter stands at 7:

    writer A            writer B            reader
    lock, 7 → 9
    insert 8, 9         waits for the lock  sees up to 7
    commit              lock, 9 → 10        sees 8, 9
                        insert 10, commit   sees 10; nothing can appear below it any more
"""

from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

from models.ids import message_id_sql
from models.mysql import Connection, Rows, placeholders
from models.shards import Shard

COLUMNS = "id,version,sequence,sender,receiver,shard,content,send_time,withdraw_time"
_DELIVERED = "SELECT version FROM shard_delivered WHERE shard = %d"
_VALUES = "(%s,%s,%s,%s,%s,%s,%s,%s,%s)"


class Row(NamedTuple):
    """One stored message, in the order of `COLUMNS`."""

    id: bytes  # 16 bytes, see models/ids.py
    version: int
    sequence: str
    sender: str
    receiver: str
    shard: int  # bucket of the mailbox the row belongs to
    content: bytes  # proto Content; empty once recalled
    send_time: int  # ms
    withdraw_time: int  # ms; 0: not recalled


class Position(NamedTuple):
    """What `advance` gave: versions `first … first + count - 1`, stored at `clock_ms`."""

    first: int
    clock_ms: int


def advance_statements(connection: Connection, counts: Mapping[int, int]) -> list[str]:
    """Statements that lock the counters (ascending), move them and read them back.

    The clock is the database's own and never runs backwards, so ids made of it sort like the log.
    """
    numbers = sorted(counts)
    cases = " ".join(["WHEN %s THEN %s"] * len(numbers))
    pairs = [value for number in numbers for value in (number, counts[number])]
    marks = placeholders(len(numbers))
    return [
        connection.sql(
            f"UPDATE shard_log SET version = version + CASE shard {cases} END,"
            " clock_ms = GREATEST(clock_ms, CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS UNSIGNED))"
            f" WHERE shard IN ({marks}) ORDER BY shard",
            [*pairs, *numbers],
        ),
        connection.sql(
            f"SELECT shard, version, clock_ms FROM shard_log WHERE shard IN ({marks})", numbers
        ),
    ]


def positions(rows: Rows, counts: Mapping[int, int]) -> dict[int, Position]:
    """Read the answer of the second of `advance_statements`."""
    return {
        shard: Position(version - counts[shard] + 1, clock_ms) for shard, version, clock_ms in rows
    }


def advance(connection: Connection, counts: Mapping[int, int]) -> dict[int, Position]:
    """Begin a transaction and allocate `counts[shard]` versions in each shard: one round trip."""
    results = connection.run(["BEGIN", *advance_statements(connection, counts)])
    return positions(results[-1], counts)


def insert_statement(connection: Connection, shard: Shard, rows: Sequence[Row]) -> str:
    """The statement that inserts rows; 1062 means that some of them are there already."""
    values = ",".join([_VALUES] * len(rows))
    return connection.sql(
        f"INSERT INTO {shard.table} ({COLUMNS}) VALUES {values}",
        [value for row in rows for value in row],
    )


class Birth(NamedTuple):
    """Where a transaction stores a row first: `behind` rows before the end of a shard's log."""

    shard: int
    behind: int


class Entry(NamedTuple):
    """A row to append; of one that is born in this transaction, id and time are worked out."""

    row: Row
    born: Birth | None = None


def append_entries(
    connection: Connection, entries: Mapping[Shard, Sequence[Entry]]
) -> dict[Shard, Position]:
    """Append to logs of one database, in one transaction and one round trip; where they lie.

    See `append_statements`; 1062 means that some of the rows are there already, and nothing of the
    transaction is.
    """
    counts = {shard.number: len(group) for shard, group in entries.items()}
    advanced, ends = advance_statements(connection, counts)
    inserts = append_statements(connection, entries)
    *_, answer, _ = connection.run(["BEGIN", advanced, *inserts, ends, "COMMIT"])
    starts = positions(answer, counts)
    return {shard: starts[shard.number] for shard in entries}


def append_statements(
    connection: Connection, entries: Mapping[Shard, Sequence[Entry]]
) -> list[str]:
    """Statements that insert at the ends of logs whose counters were moved by that much.

    The versions are worked out by the server, so that nobody waits for an answer while the counters
    are locked; of rows that are born here ids and times as well. Those of the rows are not used.
    """
    return [
        _ends_statement(connection, [shard.number for shard in entries]),
        *(_insert_at_end(connection, shard, group) for shard, group in entries.items()),
    ]


def _ends_statement(connection: Connection, numbers: Sequence[int]) -> str:
    """Sets `@end7` and `@clock7` for shard 7; without a counter to NULL, which no row takes."""
    columns = ",".join(
        f"MAX(CASE shard WHEN {n:d} THEN {column} END)"
        for n in numbers
        for column in ("version", "clock_ms")
    )
    variables = ",".join(f"@end{n:d},@clock{n:d}" for n in numbers)
    marks = placeholders(len(numbers))
    return connection.sql(
        f"SELECT {columns} INTO {variables} FROM shard_log WHERE shard IN ({marks})", numbers
    )


def _insert_at_end(connection: Connection, shard: Shard, entries: Sequence[Entry]) -> str:
    values = []
    args: list[Any] = []
    for behind, (row, born) in zip(reversed(range(len(entries))), entries, strict=True):
        version = f"@end{shard.number}-{behind}"
        if born:
            clock = f"@clock{born.shard}"
            identifier = message_id_sql(born.shard, clock, f"@end{born.shard}-{born.behind}")
            values.append(f"({identifier},{version},%s,%s,%s,%s,%s,{clock},0)")
            args += row[2:7]
        else:
            values.append(f"(%s,{version},%s,%s,%s,%s,%s,%s,%s)")
            args += (row.id, *row[2:])
    return connection.sql(f"INSERT INTO {shard.table} ({COLUMNS}) VALUES {','.join(values)}", args)


def read_forward(
    shards_after: Mapping[Shard, int | None], limit: int
) -> dict[Shard, tuple[int, list[Row]]]:
    """For each shard a position and up to `limit` rows above it, ascending.

    The position is the given one, or `delivered` where none is given. All shards must be of one
    database: it is one round trip, and one answer for all rows, because the driver reads a
    description of every column with each.
    """
    by_number = {shard.number: shard for shard in shards_after}
    unknown = [shard.number for shard, after in shards_after.items() if after is None]

    def work(connection: Connection) -> list[Rows]:
        parts = []
        for shard, after in shards_after.items():
            begin = _DELIVERED % shard.number if after is None else f"{after:d}"
            parts.append(
                f"(SELECT {shard.number:d},{COLUMNS} FROM {shard.table}"
                f" WHERE version > ({begin}) ORDER BY version LIMIT {limit:d})"
            )
        rows = " UNION ALL ".join(parts)
        if not unknown:
            return [(), *connection.run([rows])]
        return connection.run([_delivered_statement(unknown), rows])

    positions, rows = next(iter(shards_after)).database.retried(work)
    delivered: dict[int, int] = dict(positions)
    found: dict[Shard, tuple[int, list[Row]]] = {
        shard: (delivered[shard.number] if after is None else after, [])
        for shard, after in shards_after.items()
    }
    for number, *values in rows:
        found[by_number[number]][1].append(Row._make(values))
    for _, group in found.values():
        group.sort(key=attrgetter("version"))  # nothing says that a union keeps the order
    return found


def newest_versions(shards: Sequence[Shard]) -> dict[int, int]:
    """The committed end of each log (shards of one database)."""
    marks = placeholders(len(shards))
    return dict(
        shards[0].database.query(
            f"SELECT shard, version FROM shard_log WHERE shard IN ({marks})",
            [shard.number for shard in shards],
        )
    )


def delivered_versions(shards: Sequence[Shard]) -> dict[int, int]:
    """The durable delivery position of each shard (shards of one database)."""
    numbers = [shard.number for shard in shards]
    return dict(shards[0].database.query(_delivered_statement(numbers)))


def rows_behind(shards: Sequence[Shard]) -> dict[int, int]:
    """How many rows of each shard lie behind its delivery position (shards of one database)."""
    newest, delivered = newest_versions(shards), delivered_versions(shards)
    return {number: version - delivered[number] for number, version in newest.items()}


def _delivered_statement(numbers: Iterable[int]) -> str:
    return (
        "SELECT shard, version FROM shard_delivered"
        f" WHERE shard IN ({','.join(f'{number:d}' for number in numbers)})"
    )


def move_delivered(moves: Mapping[Shard, tuple[int, int]]) -> set[int]:
    """Move delivery positions (from, to) by compare-and-set; return the shards that moved.

    Shards of one database, one round trip. A shard that did not move was delivered by somebody
    else in the meantime.
    """
    shards = sorted(moves, key=lambda shard: shard.number)
    if not shards:
        return set()

    def work(connection: Connection) -> set[int]:
        statements = []
        for shard in shards:
            before, after = moves[shard]
            statements.append(
                connection.sql(
                    "UPDATE shard_delivered SET version = %s WHERE shard = %s AND version = %s",
                    (after, shard.number, before),
                )
            )
            statements.append("SELECT ROW_COUNT()")
        counts = connection.run(["BEGIN", *statements, "COMMIT"])[2:-1:2]
        return {shard.number for shard, rows in zip(shards, counts, strict=True) if rows[0][0]}

    return shards[0].database.retried(work)


def find_by_sequence(
    connection: Connection, shard: Shard, keys: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], Row]:
    """The rows that hold these (sender, sequence) pairs."""
    pairs = list(keys)
    wanted = " OR ".join(["(sender = %s AND sequence = %s)"] * len(pairs))
    rows = connection.query(
        f"SELECT {COLUMNS} FROM {shard.table} WHERE {wanted}",
        [value for pair in pairs for value in pair],
    )
    found = [Row._make(row) for row in rows]
    return {(row.sender, row.sequence): row for row in found}
