"""Reads every log as its definition allows: `version > cursor`, again and again, in MySQL itself.

Who reads like this must never miss a row, whatever commits late: it is what deliveries, syncs and
anybody's own exports rely on.
"""

from collections import defaultdict
from contextlib import suppress

import pymysql

from chaos.background import Background
from chaos.bed import Bed
from dev.store import Shard, Store

EVERY_S = 0.01
ROWS_MAX = 1000

Seen = dict[int, list[tuple[int, str]]]
"""By shard: version and id, in the order they were read."""


class LogReader:
    """One thread for each database."""

    def __init__(self, bed: Bed) -> None:
        self.seen: Seen = defaultdict(list)
        bed.store.shards()
        self.threads = [_DatabaseReader(bed.store, name, self.seen) for name in bed.store.names]

    def start(self) -> None:
        """Begin to read."""
        for thread in self.threads:
            thread.__enter__()

    def end(self) -> None:
        """Stop reading."""
        for thread in self.threads:
            thread.__exit__()


class _DatabaseReader(Background):
    def __init__(self, store: Store, database: str, seen: Seen) -> None:
        self._store = store
        self._database = database
        self._seen = seen
        super().__init__()

    def __str__(self) -> str:
        return f"log reader {self._database}"

    def _run(self) -> None:
        shards = [shard for shard in self._store.shards() if shard.database == self._database]
        while not self._over.is_set():
            with suppress(pymysql.MySQLError, OSError):
                connection = self._store.server(self._database).connect()
                with connection, connection.cursor() as cursor:
                    while not self._over.wait(EVERY_S):
                        for shard in shards:
                            self._read(cursor, shard)
            self._over.wait(0.2)

    def _read(self, cursor: "pymysql.cursors.Cursor", shard: Shard) -> None:
        seen = self._seen[shard.number]
        cursor.execute(
            f"SELECT version, LOWER(HEX(id)) FROM {shard.database}.{shard.table}"
            " WHERE version > %s ORDER BY version LIMIT %s",
            (seen[-1][0] if seen else 0, ROWS_MAX),
        )
        seen.extend((int(version), identifier) for version, identifier in cursor.fetchall())
