"""MySQL connections and transactions: one bounded pool per database.

Failures leave as `IMError(UNAVAILABLE)`; a connection on which anything was raised is thrown away,
because what is left unread on it would answer the next query.
"""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

import pymysql
from pymysql.constants import CLIENT, ER
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import QueuePool

from models.errors import Code, IMError
from models.settings import Settings

ATTEMPTS_MAX = 5
_RETRIED = frozenset({ER.LOCK_DEADLOCK, ER.LOCK_WAIT_TIMEOUT})
_FAILURES = (pymysql.OperationalError, pymysql.InterfaceError, pymysql.InternalError)
CONNECTION_LIFETIME_S = 1800
PAUSE_S = 0.5
"""A database that could not be reached is not tried again for this long: what needs others too
waits for it once, not once per call."""

T = TypeVar("T")
Rows = Sequence[tuple[Any, ...]]


class Connection:
    """A pooled connection; statements are parameterised and may be sent several in one packet."""

    def __init__(self, raw: "pymysql.connections.Connection[Any]") -> None:
        self._raw = raw
        self._cursor = raw.cursor()

    def sql(self, statement: str, args: Sequence[Any] = ()) -> str:
        """The statement with its arguments quoted, for `run`."""
        return self._cursor.mogrify(statement, args) if args else statement

    def execute(self, statement: str, args: Sequence[Any] = ()) -> int:
        """Run one statement; return the rows it changed."""
        return int(self._cursor.execute(statement, args or None))

    def query(self, statement: str, args: Sequence[Any] = ()) -> Rows:
        """Run one statement; return its rows."""
        self._cursor.execute(statement, args or None)
        rows: Rows = self._cursor.fetchall()
        return rows

    def run(self, statements: Sequence[str]) -> list[Rows]:
        """Run quoted statements in one round trip; return the rows of each.

        The first one that fails raises, and those behind it are not run.
        """
        cursor = self._cursor
        cursor.execute(";".join(statements))
        results = [cursor.fetchall()]
        while cursor.nextset():
            results.append(cursor.fetchall())
        return results


class Database:
    """One configured database."""

    def __init__(self, url: str, settings: Settings) -> None:
        parts = urlsplit(url)
        self.name = parts.path[1:]
        timeout_s = settings.mysql_timeout_s
        self._options: dict[str, Any] = {
            "host": parts.hostname,
            "port": parts.port or 3306,
            "user": unquote(parts.username or ""),
            "password": unquote(parts.password or ""),
            "database": self.name,
            "charset": "utf8mb4",
            "autocommit": True,
            "ssl_disabled": True,
            "connect_timeout": timeout_s,
            "read_timeout": timeout_s,
            "write_timeout": timeout_s,
            "client_flag": CLIENT.MULTI_STATEMENTS | CLIENT.FOUND_ROWS,
        }
        self._timeout_s = timeout_s
        self._closed_until = 0.0
        self._pool = QueuePool(
            self._connect,  # type: ignore[arg-type] # a PyMySQL connection is a DBAPI one
            pool_size=settings.mysql_pool_size,
            max_overflow=0,
            timeout=timeout_s,
            recycle=CONNECTION_LIFETIME_S,
            reset_on_return=None,
        )

    def _connect(self) -> "pymysql.connections.Connection[Any]":
        raw = pymysql.connect(**self._options)
        with raw.cursor() as cursor:
            cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
            cursor.execute(
                "SET SESSION innodb_lock_wait_timeout = %s", (max(1, int(self._timeout_s) - 2),)
            )
            if "MariaDB" in raw.get_server_info():  # type: ignore[no-untyped-call]
                cursor.execute("SET SESSION max_statement_time = %s", (self._timeout_s,))
            else:
                cursor.execute(
                    "SET SESSION max_execution_time = %s", (int(self._timeout_s * 1000),)
                )
        return raw

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        """Lend a connection in autocommit mode; what is raised on it ends it.

        Failures of the driver leave as they are: callers use `retried`, which translates them.
        """
        if time.monotonic() < self._closed_until:
            raise IMError(Code.UNAVAILABLE, "database: failed a moment ago", retry_after_ms=1000)
        try:
            fairy = self._pool.connect()
        except PoolTimeout as error:
            raise IMError(Code.OVERLOADED, "no database connection is free") from error
        except pymysql.MySQLError as error:
            self._closed_until = time.monotonic() + PAUSE_S
            raise unavailable(error) from error
        try:
            yield Connection(fairy.dbapi_connection)  # type: ignore[arg-type]
        except BaseException:
            fairy.invalidate()
            raise
        fairy.close()

    def query(self, statement: str, args: Sequence[Any] = ()) -> Rows:
        """Run one reading statement outside a transaction."""
        return self.retried(lambda connection: connection.query(statement, args))

    def execute(self, statement: str, args: Sequence[Any] = ()) -> int:
        """Run one writing statement in a transaction of its own; return the rows it found."""
        return self.retried(lambda connection: connection.execute(statement, args))

    def transact(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in a transaction and commit; deadlocks and lock waits repeat the whole.

        A failure during COMMIT leaves the outcome unknown and is raised as UNAVAILABLE: callers
        are idempotent and may repeat.
        """

        def whole(connection: Connection) -> T:
            connection.execute("BEGIN")
            result = work(connection)
            connection.execute("COMMIT")
            return result

        return self.retried(whole)

    def retried(self, work: Callable[[Connection], T]) -> T:
        """Run `work`, which begins and commits by itself; deadlocks and lock waits repeat it."""
        attempt = 0
        while True:
            attempt += 1
            try:
                with self._connection() as connection:
                    return work(connection)
            except _FAILURES as error:
                if not error.args or error.args[0] not in _RETRIED or attempt == ATTEMPTS_MAX:
                    raise unavailable(error) from error
                time.sleep(random.uniform(0.001, 0.01) * attempt)

    def close(self) -> None:
        """Close idle connections."""
        self._pool.dispose()


def unavailable(error: Exception) -> IMError:
    """What a failed database looks like to a client: retryable, without details."""
    return IMError(Code.UNAVAILABLE, f"database: {type(error).__name__}", retry_after_ms=1000)


def placeholders(count: int) -> str:
    """`%s,%s,…` for an IN list."""
    return ",".join(["%s"] * count)
