"""What MariaDB and Redis were asked to do, from their own counters.

Checked once by other means (docs/performance.md): statements against the general log, rows against
the tables, fsyncs against strace, Redis commands against MONITOR. A statement is one of the several
that a round trip may carry; a command inside a Redis script counts like one that was sent.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import redis

from bench.sql import connect
from dev.services import MariaDB, Redis

STATEMENTS = "Questions"
FSYNCS = "Innodb_data_fsyncs"  # since MariaDB 10.8 the redo log's are among them
ROWS_WRITTEN = ("Handler_write", "Handler_update", "Handler_delete")
ROWS_READ = "Rows_read"
COMMAND = "Com_"
PREFIX = "cmdstat_"


@dataclass(frozen=True, slots=True)
class Work:
    """What was done between two readings."""

    statements: float = 0
    rows_written: float = 0  # in tables; an index entry is not a row
    rows_read: float = 0
    fsyncs: float = 0
    redis_commands: float = 0
    by_statement: Mapping[str, float] = field(default_factory=dict)
    by_redis_command: Mapping[str, float] = field(default_factory=dict)

    def without(self, other: "Work", share: float) -> "Work":
        """This less a share of the other; never less than nothing."""

        def left(mine: Mapping[str, float], theirs: Mapping[str, float]) -> dict[str, float]:
            each = {name: n - share * theirs.get(name, 0) for name, n in mine.items()}
            return {name: n for name, n in each.items() if n > 0}

        return Work(
            statements=max(0.0, self.statements - share * other.statements),
            rows_written=max(0.0, self.rows_written - share * other.rows_written),
            rows_read=max(0.0, self.rows_read - share * other.rows_read),
            fsyncs=max(0.0, self.fsyncs - share * other.fsyncs),
            redis_commands=max(0.0, self.redis_commands - share * other.redis_commands),
            by_statement=left(self.by_statement, other.by_statement),
            by_redis_command=left(self.by_redis_command, other.by_redis_command),
        )


class Stores:
    """Reads the counters; its own questions are not counted."""

    def __init__(self, mariadb: MariaDB, server: Redis) -> None:
        self._mariadb = mariadb
        self._redis = redis.Redis(port=server.port)
        self._connection: Any = None

    def read(self) -> tuple[dict[str, int], dict[str, int]]:
        """Counters of MariaDB by name, and calls of Redis by command."""
        return self._status(), self._calls()

    def since(self, before: tuple[dict[str, int], dict[str, int]]) -> Work:
        """What was done since that reading."""
        status, calls = self.read()
        return work_between(before, (status, calls))

    def has(self, key: str) -> bool:
        """Whether Redis has this key."""
        return bool(self._redis.exists(key))

    def close(self) -> None:
        """Hang up."""
        self._redis.close()
        if self._connection is not None:
            self._connection.close()

    def _status(self) -> dict[str, int]:
        if self._connection is None:
            self._connection = connect(self._mariadb)
        with self._connection.cursor() as cursor:
            cursor.execute("SHOW GLOBAL STATUS")
            rows = cursor.fetchall()
        return {name: int(value) for name, value in rows if value.isdecimal()}

    def _calls(self) -> dict[str, int]:
        info: dict[str, Any] = self._redis.info("commandstats")
        return {name.removeprefix(PREFIX): int(stats["calls"]) for name, stats in info.items()}


def work_between(
    before: tuple[Mapping[str, int], Mapping[str, int]],
    after: tuple[Mapping[str, int], Mapping[str, int]],
) -> Work:
    """The difference of two readings, without the second one's own statement and command."""
    status, calls = (
        {name: value - old.get(name, 0) for name, value in new.items() if value != old.get(name, 0)}
        for old, new in zip(before, after, strict=True)
    )
    status[STATEMENTS] = status.get(STATEMENTS, 0) - 1
    status["Com_show_status"] = status.get("Com_show_status", 0) - 1
    calls["info"] = calls.get("info", 0) - 1
    return Work(
        statements=status[STATEMENTS],
        rows_written=sum(status.get(name, 0) for name in ROWS_WRITTEN),
        rows_read=status.get(ROWS_READ, 0),
        fsyncs=status.get(FSYNCS, 0),
        redis_commands=sum(calls.values()),
        by_statement=_counted(
            {
                name.removeprefix(COMMAND): count
                for name, count in status.items()
                if name.startswith(COMMAND)
            }
        ),
        by_redis_command=_counted(calls),
    )


def _counted(counts: Mapping[str, int]) -> dict[str, int]:
    return {name: count for name, count in sorted(counts.items()) if count}
