"""Read positions and cleared bounds per user and conversation, kept in MySQL.

Bounds are message ids, one per direction: ids of one direction sort as they were stored, so
nothing that arrives later can fall behind a bound by accident. Marks only move forward, so every
write here may be repeated or come late.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from models.ids import NO_ID
from models.mysql import Connection, Database, placeholders
from proto import im_pb2

PEERS_PER_STATEMENT = 500
_COLUMNS = "peer, read_id, cleared_sent_id, cleared_received_id, quiet"


class Marks(NamedTuple):
    """What a user has read and cleared of one conversation; 16-byte ids, zero for nothing."""

    read: bytes
    cleared_sent: bytes
    cleared_received: bytes
    quiet: int = 0  # no notifications are wanted

    def to_cache(self) -> str:
        """96 hex digits and a flag, as `marks` hashes hold them."""
        ids = self.read.hex() + self.cleared_sent.hex() + self.cleared_received.hex()
        return f"{ids}{self.quiet}"


NO_MARKS = Marks(NO_ID, NO_ID, NO_ID)


def read_marks(
    database: Database, user: str, peers: Sequence[str] | None = None
) -> dict[str, Marks]:
    """The user's marks by peer: of these peers, or of all."""
    if peers is None:
        rows = database.query(
            f"SELECT {_COLUMNS} FROM conversation WHERE user = %s AND type = %s",
            (user, im_pb2.PERSON),
        )
    elif not peers:
        return {}
    else:
        rows = database.query(
            f"SELECT {_COLUMNS} FROM conversation"
            f" WHERE user = %s AND type = %s AND peer IN ({placeholders(len(peers))})",
            (user, im_pb2.PERSON, *peers),
        )
    return {peer: Marks(*values) for peer, *values in rows}


def peers_read(database: Database, users: Sequence[str], peer: str) -> dict[str, bytes]:
    """How far each of `users` (of this database) has read what `peer` sent them."""
    rows = database.query(
        "SELECT user, read_id FROM conversation"
        f" WHERE user IN ({placeholders(len(users))}) AND type = %s AND peer = %s",
        (*users, im_pb2.PERSON, peer),
    )
    return dict(rows)


def write_marks(database: Database, user: str, marks: Iterable[tuple[str, Marks]]) -> None:
    """Move marks forward, each to the given ids unless it is further already."""
    items = list(marks)

    def work(connection: Connection) -> None:
        for start in range(0, len(items), PEERS_PER_STATEMENT):
            chunk = items[start : start + PEERS_PER_STATEMENT]
            values = ",".join(["(%s,%s,%s,%s,%s,%s)"] * len(chunk))
            connection.execute(
                "INSERT INTO conversation"
                " (user, type, peer, read_id, cleared_sent_id, cleared_received_id)"
                f" VALUES {values} ON DUPLICATE KEY UPDATE"
                " read_id = GREATEST(read_id, VALUES(read_id)),"
                " cleared_sent_id = GREATEST(cleared_sent_id, VALUES(cleared_sent_id)),"
                " cleared_received_id ="
                " GREATEST(cleared_received_id, VALUES(cleared_received_id))",
                [value for peer, m in chunk for value in (user, im_pb2.PERSON, peer, *m[:3])],
            )

    if items:
        database.transact(work)


def write_quiet(database: Database, user: str, peer: str, quiet: bool) -> None:
    """Set whether the user wants notifications of a conversation."""
    database.execute(
        "INSERT INTO conversation (user, type, peer, quiet) VALUES (%s, %s, %s, %s)"
        " ON DUPLICATE KEY UPDATE quiet = VALUES(quiet)",
        (user, im_pb2.PERSON, peer, int(quiet)),
    )
