"""What MySQL really holds, read past the platform."""

import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple

from dev.services import MariaDB
from models.shards import BUCKETS, FIRST_GROUP_SHARD


def bucket_of(identifier: str) -> int:
    """The bucket of a user's mailbox, or of a group, by the published rule."""
    return zlib.crc32(identifier.encode()) % BUCKETS


class Shard(NamedTuple):
    number: int
    database: str
    table: str


class Stored(NamedTuple):
    """One row of a message table, and where it lies."""

    shard: Shard
    id: str
    version: int
    sequence: str
    sender: str
    receiver: str
    bucket: int
    content: bytes
    send_time: int
    withdraw_time: int


class Store:
    """The databases of one platform, by name; the first holds the shard map."""

    def __init__(self, databases: Mapping[str, MariaDB]) -> None:
        self.names = list(databases)
        self._databases = databases
        self._catalog = self.names[0]
        self._shards: list[Shard] = []
        self._map: list[Shard] = []

    def server(self, database: str) -> MariaDB:
        """Where the database of this name lies."""
        return self._databases[database]

    def query(self, database: str, statement: str) -> tuple[tuple[Any, ...], ...]:
        """Rows of a statement; tables are named with their database."""
        return self._databases[database].execute(statement)

    def shards(self) -> list[Shard]:
        """Every shard."""
        if not self._shards:
            rows = self.query(
                self._catalog,
                f"SELECT shard, database_name, table_name FROM {self._catalog}.shard",
            )
            self._shards = [Shard(*row) for row in rows]
        return self._shards

    def mailbox_shards(self) -> list[Shard]:
        """The shards that hold mailboxes, not groups."""
        return sorted(shard for shard in self.shards() if shard.number < FIRST_GROUP_SHARD)

    def shard_of(self, user: str) -> Shard:
        """Where the user's mailbox lies, by the published rule and the operator's table."""
        if not self._map:
            by_number = {shard.number: shard for shard in self.shards()}
            rows = self.query(
                self._catalog, f"SELECT shard FROM {self._catalog}.bucket ORDER BY bucket"
            )
            self._map = [by_number[number] for (number,) in rows]
        return self._map[bucket_of(user)]

    def rows(self, where: str) -> list[Stored]:
        """Rows of all shards that fit, each shard in the order of its log."""
        found: list[Stored] = []
        for shard in self.shards():
            found += [
                Stored(shard, *row)
                for row in self.query(
                    shard.database,
                    "SELECT LOWER(HEX(id)), version, sequence, sender, receiver, shard, content,"
                    f" send_time, withdraw_time FROM {shard.database}.{shard.table}"
                    f" WHERE {where} ORDER BY version",
                )
            ]
        return found

    def by_id(self, message_id: str) -> list[Stored]:
        """Every row of a message, wherever it lies."""
        return self.rows(f"id = UNHEX('{message_id}')")

    def by_sequence(self, sender: str, sequence: str) -> list[Stored]:
        """Every row of what was sent under this sequence."""
        return self.rows(f"sender = '{sender}' AND sequence = '{sequence}'")

    def mailbox(self, user: str) -> list[Stored]:
        """The user's rows in the user's shard, in the order of the log."""
        home = self.shard_of(user)
        return [
            row
            for row in self.rows(f"sender = '{user}' OR receiver = '{user}'")
            if row.shard == home
        ]

    def unread(self, user: str, peer: str) -> int:
        """What the user has not read of the peer's messages, counted row by row."""
        home = self.shard_of(user)
        marks = self.query(
            home.database,
            "SELECT LOWER(HEX(GREATEST(read_id, cleared_received_id)))"
            f" FROM {home.database}.conversation WHERE user = '{user}' AND peer = '{peer}'",
        )
        bound = marks[0][0] if marks else ""
        return sum(
            row.sender == peer and row.receiver == user and not row.withdraw_time and row.id > bound
            for row in self.mailbox(user)
        )

    def undelivered(self) -> int:
        """Rows behind the delivery positions of all shards, and copies that wait."""
        count = 0
        for name in self._databases:
            ((behind,),) = self.query(
                name,
                "SELECT CAST(SUM(l.version - d.version) AS SIGNED)"
                f" + (SELECT COUNT(*) FROM {name}.copy_waiting)"
                f" FROM {name}.shard_log l JOIN {name}.shard_delivered d USING (shard)",
            )
            count += int(behind)
        return count
