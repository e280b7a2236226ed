"""Rows made by SQL: what a long time of use leaves behind, in the shape the platform writes.

Versions are reserved first by moving a log's end and its delivery position together, so nobody
delivers these rows: they count as delivered long ago.
"""

import re
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bench.sql import connect
from bench.target import Target
from proto import im_pb2

BUCKETS = 1024  # of users, as the shard map has them
QUIET_TIMEOUT_S = 30.0
BODY = im_pb2.Content(
    text=im_pb2.Text(text="The quick brown fox jumps over the lazy dog, then rests 1234")
).SerializeToString()
COLUMNS = "id,version,sequence,sender,receiver,shard,content,send_time,withdraw_time"
INDEX = re.compile(r"^\s*(?:UNIQUE )?KEY `(\w+)` .*?,?$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Shard:
    """A table of mailboxes and the number of its log."""

    number: int
    database: str
    table: str


class Rows:
    """Makes rows; one connection."""

    def __init__(self, target: Target) -> None:
        self._target = target
        catalog = target.platform.env["IM_MYSQL_URL"].split(",")[0].rpartition("/")[2]
        self._connection = connect(target.mariadb, catalog)
        self.shards = {
            int(number): Shard(int(number), database, table)
            for number, database, table in self.query(
                "SELECT shard, database_name, table_name FROM shard"
            )
        }
        self._by_bucket = {
            int(bucket): self.shards[int(number)]
            for bucket, number in self.query("SELECT bucket, shard FROM bucket")
        }

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def query(self, statement: str, *values: object) -> tuple[tuple[str, ...], ...]:
        """Run one statement; `values` take the place of each `%s`."""
        with self._connection.cursor() as cursor:
            cursor.execute(statement, values or None)
            return tuple(cursor.fetchall())

    def shard_of(self, user: str) -> Shard:
        """Where the user's mailbox is."""
        return self._by_bucket[bucket_of(user)]

    def reserve(self, shard: Shard, count: int) -> int:
        """Take `count` versions off the log; return the first."""
        place = shard.database
        self._wait_until_delivered(shard)
        self.query("BEGIN")
        ((end,),) = self.query(
            f"SELECT version FROM {place}.shard_log WHERE shard = {shard.number} FOR UPDATE"
        )
        for table in ("shard_log", "shard_delivered"):
            self.query(
                f"UPDATE {place}.{table} SET version = {int(end) + count}"
                f" WHERE shard = {shard.number}"
            )
        self.query("COMMIT")
        self._wait_until_delivered(shard)
        return int(end) + 1

    def _wait_until_delivered(self, shard: Shard) -> None:
        """Wait until the log has nothing to deliver and no delivery holds it."""
        deadline_s = time.monotonic() + QUIET_TIMEOUT_S
        while time.monotonic() < deadline_s:
            held = self._target.stores.has(f"lock:shard:{shard.number}")
            ((left,),) = self.query(
                f"SELECT a.version - b.version FROM {shard.database}.shard_log a"
                f" JOIN {shard.database}.shard_delivered b USING (shard)"
                f" WHERE shard = {shard.number}"
            )
            if not held and int(left) == 0:
                return
            time.sleep(0.2)
        raise TimeoutError(f"shard {shard.number} is still being delivered")

    def fill_mailbox(self, user: str, count: int, peers: int) -> int:
        """Give the user messages from so many others; return the version before the first."""
        shard = self.shard_of(user)
        first = self.reserve(shard, count)
        self.query(
            f"INSERT INTO {shard.database}.{shard.table} ({COLUMNS})"
            f" SELECT {row_sql(shard.number, first, 'n')},"
            f" CONCAT('{user}-peer-', n MOD {peers}), '{user}', {bucket_of(user)},"
            f" {body_and_times(first)} FROM (SELECT seq - 1 AS n FROM seq_1_to_{count}) AS numbers"
        )
        return first - 1

    @contextmanager
    def filled_table(
        self, shard: Shard, owners: list[str], peers: int, count: int
    ) -> Iterator[None]:
        """Put a table of `count` rows in the place of a shard's, and the old one back at the end.

        Conversations of every owner with `peers` others, evenly spread over the table as time
        spreads them, each row the owner's or the peer's in turn. Indexes are made at the end: that
        takes half the time.
        """
        first = self.reserve(shard, count)
        place, conversations = shard.database, len(owners) * peers
        full, kept = f"{place}.bench_full", f"{place}.bench_kept"
        self.query(f"CREATE TABLE {full} LIKE {place}.message_template")
        ((_, made),) = self.query(f"SHOW CREATE TABLE {full}")
        indexes = list(INDEX.finditer(made))
        drops = ", ".join(f"DROP KEY {index[1]}" for index in indexes)
        self.query(f"ALTER TABLE {full} {drops}")
        self.query(
            f"CREATE TEMPORARY TABLE {place}.bench_owner (number INT PRIMARY KEY, name VARCHAR(64)"
            " CHARACTER SET ascii COLLATE ascii_bin, bucket INT) ENGINE=MEMORY"
        )
        values = ",".join(f"({n},'{name}',{bucket_of(name)})" for n, name in enumerate(owners))
        self.query(f"INSERT INTO {place}.bench_owner VALUES {values}")
        self.query("SET unique_checks = 0")
        peer = f"CONCAT(o.name, '-peer-', n MOD {peers})"
        own = f"(n DIV {conversations}) & 1"
        self.query(
            f"INSERT INTO {full} ({COLUMNS}) SELECT {row_sql(shard.number, first, 'n')},"
            f" IF({own}, o.name, {peer}), IF({own}, {peer}, o.name), o.bucket,"
            f" {body_and_times(first)} FROM (SELECT seq - 1 AS n FROM seq_1_to_{count}) AS numbers"
            f" STRAIGHT_JOIN {place}.bench_owner o"
            f" ON o.number = (n MOD {conversations}) DIV {peers}"
        )
        self.query(f"DROP TEMPORARY TABLE {place}.bench_owner")
        adds = ", ".join(f"ADD {index[0].strip().rstrip(',')}" for index in indexes)
        self.query(f"ALTER TABLE {full} {adds}")
        live = f"{place}.{shard.table}"
        self.query(f"RENAME TABLE {live} TO {kept}, {full} TO {live}")
        try:
            yield
        finally:
            self.query(f"RENAME TABLE {live} TO {full}, {kept} TO {live}")
            self.query(f"DROP TABLE {full}")

    def bytes_per_row(self, shard: Shard, count: int) -> float:
        """On disk, with all indexes."""
        ((size,),) = self.query(
            "SELECT FILE_SIZE FROM information_schema.INNODB_SYS_TABLESPACES"
            f" WHERE NAME = '{shard.database}/{shard.table}'"
        )
        return int(size) / count


def bucket_of(user: str) -> int:
    """The bucket of a user's mailbox (DESIGN, "Tables")."""
    return zlib.crc32(user.encode()) % BUCKETS


def row_sql(shard: int, first: int, number: str) -> str:
    """Id, version and sequence of row `number` (from 0), as SQL; ids as models/ids.py lays out."""
    version, time_ms = f"({first} + {number})", f"({_born_ms(first)} + {number})"
    return (
        f"UNHEX(CONCAT(LPAD(HEX({time_ms}), 12, '0'), '8', '{shard:03X}',"
        f" HEX({1 << 63} + {version}))), {version}, CONCAT('r', {version})"
    )


def body_and_times(first: int) -> str:
    """Content, send time and withdraw time of row n."""
    return f"X'{BODY.hex()}', {_born_ms(first)} + n, 0"


def _born_ms(first: int) -> int:
    """A millisecond for each row, from some time ago that grows with the log."""
    return 1_600_000_000_000 + first
