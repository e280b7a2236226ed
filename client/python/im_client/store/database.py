"""One SQLite file: opened by one process, written in whole transactions.

WAL with synchronous=NORMAL: a killed process loses nothing that was committed, a machine that
loses power may lose the last moments, which sync brings back. What only exists here, the outbox,
asks for `durable` transactions, which survive that too.
"""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from im_client.errors import StoreInUse, StoreTooNew
from im_client.store.schema import MIGRATIONS

Row = tuple[Any, ...]


class Database:
    """Not thread-safe: all calls come from one thread at a time."""

    def __init__(self, path: Path | str) -> None:
        """Open or make the file and bring its schema up to date.

        Raises `StoreInUse` while another process has it open, `StoreTooNew` when a newer version
        of this package wrote it.
        """
        if str(path) != ":memory:":  # its files are nobody else's
            os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        self._db = sqlite3.connect(path, timeout=1.0, isolation_level=None, check_same_thread=False)
        try:
            self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.execute("PRAGMA foreign_keys=ON")
            self._migrate()
        except sqlite3.OperationalError as error:
            self._db.close()
            if "locked" in str(error):
                raise StoreInUse(f"another process uses the store {path}") from error
            raise
        except BaseException:
            self._db.close()
            raise

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def transaction(self, *, durable: bool = False) -> Iterator[None]:
        """All of it is written, or nothing; `durable`: on the disk when this ends."""
        if durable:
            self._db.execute("PRAGMA synchronous=FULL")
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
        finally:
            if durable:
                self._db.execute("PRAGMA synchronous=NORMAL")

    def run(self, statement: str, values: Sequence[Any] = ()) -> int:
        """Run a statement; the number of rows it changed."""
        return self._db.execute(statement, values).rowcount

    def insert(self, statement: str, values: Sequence[Any] = ()) -> int:
        """Run an INSERT; the number of the new row."""
        return int(self._db.execute(statement, values).lastrowid or 0)

    def query(self, statement: str, values: Sequence[Any] = ()) -> list[Row]:
        """All rows of a SELECT."""
        return self._db.execute(statement, values).fetchall()

    def first(self, statement: str, values: Sequence[Any] = ()) -> Row | None:
        """The first row of a SELECT, if any."""
        row: Row | None = self._db.execute(statement, values).fetchone()
        return row

    def get(self, name: str, default: str = "") -> str:
        """A value kept under a name."""
        row = self.first("SELECT value FROM meta WHERE name = ?", (name,))
        return default if row is None else str(row[0])

    def set(self, name: str, value: str | int) -> None:
        """Keep a value under a name."""
        self.run("INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)", (name, str(value)))

    def _migrate(self) -> None:
        with self.transaction(durable=True):
            ((version,),) = self.query("PRAGMA user_version")
            if version > len(MIGRATIONS):
                raise StoreTooNew(f"schema {version}, this package knows {len(MIGRATIONS)}")
            for statements in MIGRATIONS[version:]:
                for statement in statements:
                    self.run(statement)
            self.run(f"PRAGMA user_version = {len(MIGRATIONS)}")
