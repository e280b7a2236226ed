"""The shard map: user or group → bucket → shard → table, as data in the first database.

Tables `bucket` (of users) and `group_bucket` say which shard holds a bucket, table `shard` which
database and table a shard is. An operator may read them, and give a bucket to another shard while
nothing of it is stored yet.
"""

import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache

from models.mysql import Database
from models.settings import Settings

BUCKETS = 1024
FIRST_GROUP_SHARD = 2048
"""Shards from this number on hold groups, so the id of a message (models/ids.py) tells its kind."""


@lru_cache(maxsize=65536)
def bucket_of(identifier: str) -> int:
    """The bucket of a user's mailbox, or of a group.

    CRC-32 of the id: stable over versions and languages.
    """
    return zlib.crc32(identifier.encode()) % BUCKETS


@dataclass(frozen=True, slots=True, eq=False)
class Shard:
    """One physical message table and its log."""

    number: int
    database: Database
    table: str

    @property
    def is_group(self) -> bool:
        """Whether it holds groups; otherwise mailboxes of users."""
        return self.number >= FIRST_GROUP_SHARD


class ShardMap:
    """Every shard of the installation; read once when a process starts."""

    def __init__(self, databases: Iterable[Database]) -> None:
        self.databases = tuple(databases)
        by_name = {database.name: database for database in self.databases}
        catalog = self.databases[0]
        self.shards: dict[int, Shard] = {
            number: Shard(number, by_name[name], table)
            for number, name, table in catalog.query(
                "SELECT shard, database_name, table_name FROM shard ORDER BY shard"
            )
        }
        self._by_bucket = self._read_buckets("bucket")
        self._by_group_bucket = self._read_buckets("group_bucket")

    def _read_buckets(self, table: str) -> tuple[Shard, ...]:
        owners: dict[int, int] = dict(self.databases[0].query(f"SELECT bucket, shard FROM {table}"))
        if sorted(owners) != list(range(BUCKETS)):
            raise RuntimeError(f"table {table} is incomplete; run the migrations")
        return tuple(self.shards[owners[bucket]] for bucket in range(BUCKETS))

    def of_user(self, user: str) -> Shard:
        """Where the user's mailbox lives."""
        return self._by_bucket[bucket_of(user)]

    def copy_to(self, sender: str, receiver: str) -> Shard | None:
        """Where a message is copied to, if that is another shard of its database; else None."""
        source, target = self.of_user(sender), self.of_user(receiver)
        return target if target is not source and target.database is source.database else None

    def of_group(self, group: str) -> Shard:
        """Where the group's log lives, and everything else about it."""
        return self._by_group_bucket[bucket_of(group)]

    def of_bucket(self, bucket: int) -> Shard:
        """Where the mailboxes of this bucket live."""
        return self._by_bucket[bucket]

    def users_by_database(self, users: Iterable[str]) -> dict[Database, list[str]]:
        """Group users by the database of their mailboxes."""
        return _by_database(users, self.of_user)

    def groups_by_database(self, groups: Iterable[str]) -> dict[Database, list[str]]:
        """Group groups by the database of their logs."""
        return _by_database(groups, self.of_group)

    def by_database(self, numbers: Iterable[int]) -> dict[Database, list[Shard]]:
        """Group shards by database, each group in ascending order: the order of locking."""
        groups: dict[Database, list[Shard]] = {}
        for number in sorted(set(numbers)):
            shard = self.shards[number]
            groups.setdefault(shard.database, []).append(shard)
        return groups


def _by_database(names: Iterable[str], home: Callable[[str], Shard]) -> dict[Database, list[str]]:
    groups: dict[Database, list[str]] = {}
    for name in names:
        groups.setdefault(home(name).database, []).append(name)
    return groups


def open_databases(settings: Settings) -> tuple[Database, ...]:
    """Pools for every configured database; nothing connects yet."""
    return tuple(Database(url, settings) for url in settings.mysql_url)
