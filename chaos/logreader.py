"""Reads every log as its definition allows: `version > cursor`, again and again, in MySQL itself.

Who reads like this must never miss a row, whatever commits late: it is what deliveries, syncs and
anybody's own exports rely on.
"""

import threading
from collections import defaultdict
from contextlib import suppress

import pymysql

from chaos.bed import Bed
from dev.store import Shard

EVERY_S = 0.01
ROWS_MAX = 1000


class LogReader:
    """One thread for each database."""

    def __init__(self, bed: Bed) -> None:
        self.seen: dict[int, list[tuple[int, str]]] = defaultdict(list)
        """By shard: version and id, in the order they were read."""
        self._bed = bed
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(name,), name=f"log reader {name}", daemon=True)
            for name in bed.store.names
        ]
        bed.store.shards()

    def start(self) -> None:
        """Begin to read."""
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Stop reading."""
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _run(self, database: str) -> None:
        shards = [shard for shard in self._bed.store.shards() if shard.database == database]
        while not self._over.is_set():
            with suppress(pymysql.MySQLError, OSError):
                connection = self._bed.store.server(database).connect()
                with connection, connection.cursor() as cursor:
                    while not self._over.wait(EVERY_S):
                        for shard in shards:
                            self._read(cursor, shard)
            self._over.wait(0.2)

    def _read(self, cursor: "pymysql.cursors.Cursor", shard: Shard) -> None:
        seen = self.seen[shard.number]
        cursor.execute(
            f"SELECT version, LOWER(HEX(id)) FROM {shard.database}.{shard.table}"
            " WHERE version > %s ORDER BY version LIMIT %s",
            (seen[-1][0] if seen else 0, ROWS_MAX),
        )
        seen.extend((int(version), identifier) for version, identifier in cursor.fetchall())
