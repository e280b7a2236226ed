"""Migrates all databases and completes the shard map.

Shards are numbered over the databases in the order of `IM_MYSQL_URL`. A database or table that is
added later becomes a new shard without buckets; existing rows of the map are never touched.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy
from alembic import command
from alembic.config import Config
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

from models.settings import Settings
from models.shards import BUCKETS, FIRST_GROUP_SHARD

HERE = Path(__file__).parent
LOCK_TIMEOUT_S = 60


@dataclass(frozen=True)
class Kind:
    """Shards of one kind, mailboxes or groups: their tables, numbers and bucket map."""

    prefix: str
    bucket: str
    first: int

    @property
    def template(self) -> str:
        """Every message table is created like this one, which stays empty."""
        return f"{self.prefix}_template"

    def table(self, index: int) -> str:
        """Name of the message table with this index inside its database."""
        return f"{self.prefix}_{index:02d}"


MAILBOXES = Kind("message", "bucket", 0)
GROUPS = Kind("group_message", "group_bucket", FIRST_GROUP_SHARD)


def migrate(settings: Settings) -> Iterator[str]:
    """Bring every database up to date; yields a line per step that says what was done."""
    names: list[str] = []
    tables_of = {
        MAILBOXES: settings.tables_per_database,
        GROUPS: settings.group_tables_per_database,
    }
    for url in settings.mysql_url:
        name = make_url(url).database
        if name is None or name in names:
            raise ValueError(f"database names must differ: {name}")
        names.append(name)
        with connected(url) as connection, locked(connection):
            config = Config()
            config.set_main_option("script_location", str(HERE))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.commit()
            made = sum(make_tables(connection, kind, tables) for kind, tables in tables_of.items())
            yield f"{name}: schema is up to date, {made} message tables"
    owners: dict[int, str] = {}
    with connected(settings.mysql_url[0]) as connection, locked(connection):
        for kind, tables in tables_of.items():
            owners |= fill_map(connection, kind, names, tables)
        yield f"shard map: {len(owners)} shards, {BUCKETS} buckets of users, {BUCKETS} of groups"
    for name, url in zip(names, settings.mysql_url, strict=True):
        with connected(url) as connection:
            start_logs(connection, [shard for shard, owner in owners.items() if owner == name])


@contextmanager
def connected(url: str) -> Iterator[Any]:
    """A connection of its own to one database."""
    engine = sqlalchemy.create_engine(
        make_url(url).set(drivername="mysql+pymysql"),
        poolclass=NullPool,
        connect_args={"ssl_disabled": True},
    )
    with engine.connect() as connection:
        yield connection


@contextmanager
def locked(connection: Any) -> Iterator[None]:
    """Two migrations of one database take turns (MySQL's GET_LOCK)."""
    name = "CONCAT('im-migrations-', DATABASE())"
    got = connection.execute(
        sqlalchemy.text(f"SELECT GET_LOCK({name}, :timeout)"), {"timeout": LOCK_TIMEOUT_S}
    ).scalar()
    if got != 1:
        raise TimeoutError("another migration is running")
    try:
        yield
    finally:
        connection.execute(sqlalchemy.text(f"SELECT RELEASE_LOCK({name})"))
        connection.commit()


def make_tables(connection: Any, kind: Kind, count: int) -> int:
    """Create the message tables of a database that are not there yet."""
    for index in range(count):
        connection.execute(
            sqlalchemy.text(f"CREATE TABLE IF NOT EXISTS {kind.table(index)} LIKE {kind.template}")
        )
    connection.commit()
    return count


def fill_map(connection: Any, kind: Kind, names: list[str], tables: int) -> dict[int, str]:
    """Add missing shards of a kind; give its buckets to them all when none has an owner yet.

    Returns the database of each shard.
    """
    text = sqlalchemy.text
    known = {
        (name, table): shard
        for shard, name, table in connection.execute(
            text("SELECT shard, database_name, table_name FROM shard")
        )
        if (shard >= FIRST_GROUP_SHARD) == (kind is GROUPS)
    }
    following = max(known.values(), default=kind.first - 1) + 1
    for index in range(tables):
        for name in names:
            if (name, kind.table(index)) not in known:
                connection.execute(
                    text(
                        "INSERT INTO shard (shard, database_name, table_name) VALUES (:s, :d, :t)"
                    ),
                    {"s": following, "d": name, "t": kind.table(index)},
                )
                known[name, kind.table(index)] = following
                following += 1
    if not connection.execute(text(f"SELECT COUNT(*) FROM {kind.bucket}")).scalar():
        owners = sorted(known.values())
        connection.execute(
            text(f"INSERT INTO {kind.bucket} (bucket, shard) VALUES (:bucket, :shard)"),
            [{"bucket": b, "shard": owners[b % len(owners)]} for b in range(BUCKETS)],
        )
    connection.commit()
    return {shard: name for (name, _), shard in known.items()}


def start_logs(connection: Any, shards: list[int]) -> None:
    """Make sure that each of these shards has its counter and its delivery position."""
    for table in ("shard_log", "shard_delivered"):
        for shard in shards:
            connection.execute(
                sqlalchemy.text(
                    f"INSERT INTO {table} (shard) VALUES (:shard)"
                    " ON DUPLICATE KEY UPDATE shard = shard"
                ),
                {"shard": shard},
            )
    connection.commit()
