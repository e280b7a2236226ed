"""Reads of one group's log, from MySQL.

The indexes are named: left to itself MariaDB walks them from the group's first row, or its last.
"""

from collections.abc import Sequence
from typing import NamedTuple

from models.groups import Membership
from models.log import COLUMNS, Row
from models.mysql import Connection, Rows
from models.shards import Shard


class Range(NamedTuple):
    """A part of a group's log: begin < version <= end, the oldest `limit` rows of it."""

    group: str
    begin: int
    end: int
    limit: int


def read_ranges(shard: Shard, ranges: Sequence[Range]) -> list[list[Row]]:
    """The rows of each range, from MySQL: one round trip for groups of one shard."""

    def work(connection: Connection) -> list[Rows]:
        return connection.run(
            [
                connection.sql(
                    f"SELECT {COLUMNS} FROM {shard.table} FORCE INDEX (sync)"
                    " WHERE receiver = %s AND version > %s AND version <= %s"
                    " ORDER BY version LIMIT %s",
                    (one.group, one.begin, one.end, one.limit),
                )
                for one in ranges
            ]
        )

    return [[Row._make(values) for values in rows] for rows in shard.database.retried(work)]


def history(shard: Shard, one: Membership, before: bytes, limit: int) -> list[Row]:
    """Up to `limit` messages of a group older than id `before`, newest first.

    Only what was there when the user was found to be a member; told by ids, which a recall does not
    move.
    """
    rows = shard.database.query(
        f"SELECT {COLUMNS} FROM {shard.table} FORCE INDEX (history) WHERE receiver = %s"
        " AND id < %s AND id <= %s AND id >= %s AND id > %s ORDER BY id DESC LIMIT %s",
        (one.group.id, before, one.group.last_id, one.own.join_id, one.own.cleared_id, limit),
    )
    return [Row._make(row) for row in rows]
