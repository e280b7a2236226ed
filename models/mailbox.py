"""Reads of one user's mailbox: sync, history, newest row per conversation, counts.

A mailbox is the rows of its shard in which the user is sender or receiver. Every query here is
two index ranges, one per direction.
"""

from collections.abc import Sequence

from models.conversations import NO_MARKS, Marks, read_marks
from models.ids import NO_ID
from models.log import COLUMNS, Row
from models.mysql import placeholders
from models.shards import Shard

IDS_PER_STATEMENT = 500


def sync(shard: Shard, user: str, after: int, limit: int) -> list[Row]:
    """Up to `limit` rows of the mailbox above version `after`, ascending."""
    end = "version > %s ORDER BY version LIMIT %s"
    statement = _both(
        shard,
        f"SELECT version FROM {shard.table} FORCE INDEX (sync_sent) WHERE sender = %s AND {end}",
        f"SELECT version FROM {shard.table} FORCE INDEX (sync_received)"
        f" WHERE receiver = %s AND {end}",
        "version",
    )
    rows = shard.database.query(statement, (user, after, limit, user, after, limit, limit))
    return [Row._make(row) for row in rows]


def history(
    shard: Shard, user: str, peer: str, before: bytes, marks: Marks, limit: int
) -> list[Row]:
    """Up to `limit` rows of a conversation older than id `before`, newest first."""
    direction = (
        f"SELECT id, version FROM {shard.table} FORCE INDEX (history_sent)"
        " WHERE sender = %s AND receiver = %s AND id < %s AND id > %s ORDER BY id DESC LIMIT %s"
    )
    sent, received = marks.cleared_sent, marks.cleared_received
    if user == peer:  # one row is both
        received = sent
    rows = shard.database.query(
        _both(shard, direction, direction, "id DESC"),
        (user, peer, before, sent, limit, peer, user, before, received, limit, limit),
    )
    return [Row._make(row) for row in rows]


def _both(shard: Shard, sent: str, received: str, order: str) -> str:
    """The statement that reads the rows found in either direction; it ends with its LIMIT.

    What is found are places in indexes, which the server can sort in memory; whole rows would go
    into a table on disk (docs/decisions/020-pages-cost-what-is-on-them.md). A row that a user sent
    to themselves is found twice and read once.
    """
    columns = ",".join(f"m.{column}" for column in COLUMNS.split(","))
    return (
        f"SELECT {columns} FROM (({sent}) UNION ({received}) ORDER BY {order} LIMIT %s) found"
        f" JOIN {shard.table} m USING (version) ORDER BY found.{order}"
    )


def find(shard: Shard, message_id: bytes) -> Row | None:
    """The row with this id, whoever's it is."""
    rows = shard.database.query(f"SELECT {COLUMNS} FROM {shard.table} WHERE id = %s", (message_id,))
    return Row._make(rows[0]) if rows else None


def newest_ids(shard: Shard, user: str) -> dict[str, tuple[bytes, bytes]]:
    """For each peer of the user: the newest id sent to and received from them.

    Two index scans: loose ones where MariaDB chooses so, otherwise over all of the user's entries.
    """
    newest: dict[str, tuple[bytes, bytes]] = {}
    database = shard.database
    for peer, sent in database.query(
        f"SELECT receiver, MAX(id) FROM {shard.table} WHERE sender = %s GROUP BY receiver", (user,)
    ):
        newest[peer] = (sent, NO_ID)
    for peer, received in database.query(
        f"SELECT sender, MAX(id) FROM {shard.table} WHERE receiver = %s GROUP BY sender", (user,)
    ):
        newest[peer] = (newest.get(peer, (NO_ID, NO_ID))[0], received)
    return newest


def newest_ids_with(shard: Shard, user: str, peer: str) -> tuple[bytes, bytes]:
    """The newest id sent to and received from one peer."""
    ((sent, received),) = shard.database.query(
        f"SELECT (SELECT MAX(id) FROM {shard.table} WHERE sender = %s AND receiver = %s),"
        f" (SELECT MAX(id) FROM {shard.table} WHERE sender = %s AND receiver = %s)",
        (user, peer, peer, user),
    )
    return sent or NO_ID, received or NO_ID


def rows_by_id(shard: Shard, ids: Sequence[bytes]) -> dict[bytes, Row]:
    """The rows with these ids."""
    found: dict[bytes, Row] = {}
    for start in range(0, len(ids), IDS_PER_STATEMENT):
        chunk = ids[start : start + IDS_PER_STATEMENT]
        for row in shard.database.query(
            f"SELECT {COLUMNS} FROM {shard.table} WHERE id IN ({placeholders(len(chunk))})", chunk
        ):
            found[row[0]] = Row._make(row)
    return found


def count_unread(
    shard: Shard, user: str, asked: Sequence[tuple[str, bytes]], as_of: int
) -> list[int]:
    """For each (peer, id): what the peer sent after it and did not recall, up to `as_of`."""
    if not asked:
        return []
    results = shard.database.retried(
        lambda connection: connection.run(
            [
                connection.sql(
                    f"SELECT COUNT(*) FROM {shard.table} FORCE INDEX (history_received)"
                    " WHERE receiver = %s AND sender = %s"
                    " AND id > %s AND withdraw_time = 0 AND version <= %s",
                    (user, peer, after, as_of),
                )
                for peer, after in asked
            ]
        )
    )
    return [int(rows[0][0]) for rows in results]


def count_unread_with(shard: Shard, user: str, peer: str, as_of: int) -> tuple[int, bytes]:
    """Unread messages from one peer up to version `as_of`, and the read id used."""
    marks = read_marks(shard.database, user, [peer]).get(peer, NO_MARKS)
    bound = max(marks.read, marks.cleared_received)
    return count_unread(shard, user, [(peer, bound)], as_of)[0], marks.read


def mailbox_versions(shard: Shard, asked: Sequence[tuple[str, int]]) -> list[int]:
    """For each (user, version): the newest version of the user's mailbox below it; 0 for none."""
    if not asked:
        return []
    results = shard.database.retried(
        lambda connection: connection.run(
            [
                connection.sql(
                    "SELECT GREATEST("
                    f"(SELECT COALESCE(MAX(version), 0) FROM {shard.table}"
                    " WHERE sender = %s AND version < %s),"
                    f"(SELECT COALESCE(MAX(version), 0) FROM {shard.table}"
                    " WHERE receiver = %s AND version < %s))",
                    (user, version, user, version),
                )
                for user, version in asked
            ]
        )
    )
    return [int(rows[0][0]) for rows in results]
