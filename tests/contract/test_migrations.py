"""Migrations: all databases, all shards, as often as one likes, and growing."""

import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from alembic import op

from dev.services import MariaDB, Redis
from migrations.run import migrate
from models.core import open_core
from models.settings import Settings
from models.shards import BUCKETS, FIRST_GROUP_SHARD, ShardMap, open_databases

Make = Callable[[int, int], Settings]


@pytest.fixture
def make(mariadb: MariaDB, redis_server: Redis) -> Iterator[Make]:
    """Settings for so many databases and tables, on databases of this test's own."""
    prefix = f"migrate_{secrets.token_hex(4)}"
    used: set[str] = set()

    def settings(databases: int, tables: int) -> Settings:
        names = [f"{prefix}_{index}" for index in range(databases)]
        used.update(names)
        return Settings(
            mysql_url=tuple(mariadb.create_database(name) for name in names),
            redis_url=redis_server.url(2),
            tables_per_database=tables,
            group_tables_per_database=tables,
        )

    yield settings
    for name in used:
        mariadb.drop_database(name)


def test_every_shard_of_every_database_is_made(make: Make) -> None:
    settings = make(3, 2)
    list(migrate(settings))
    core = open_core(settings)
    try:
        first = FIRST_GROUP_SHARD
        assert sorted(core.shards.shards) == [*range(6), *range(first, first + 6)]
        tables = {(s.database.name, s.table) for s in core.shards.shards.values()}
        assert len(tables) == 12
        for shard in core.shards.shards.values():
            assert shard.table.startswith("group_message_" if shard.is_group else "message_")
            for table in (shard.table, "shard_log", "shard_delivered", "copy_waiting"):
                shard.database.query(f"SELECT * FROM {table} LIMIT 1")
            for table in ("conversation", "blacklist"):
                shard.database.query(f"SELECT * FROM {table} LIMIT 1")
            for table in ("chat_group", "member", "mention", "join_request", "user_group"):
                shard.database.query(f"SELECT * FROM {table} LIMIT 1")
            for table in ("shard_log", "shard_delivered"):
                statement = f"SELECT version FROM {table} WHERE shard = %s"
                assert shard.database.query(statement, (shard.number,)) == ((0,),)
        owners = [core.shards.of_bucket(bucket).number for bucket in range(BUCKETS)]
        counts = [owners.count(number) for number in range(6)]
        assert max(counts) - min(counts) <= 1
        rows = core.shards.databases[0].query("SELECT shard FROM group_bucket")
        owners = [number for (number,) in rows]
        counts = [owners.count(number) for number in range(first, first + 6)]
        assert sum(counts) == BUCKETS
        assert max(counts) - min(counts) <= 1
        assert core.shards.of_group("g1").is_group
        assert not core.shards.of_user("g1").is_group
    finally:
        core.close()


def test_running_again_changes_nothing(make: Make) -> None:
    settings = make(2, 2)
    list(migrate(settings))
    before = snapshot(settings)
    list(migrate(settings))
    assert snapshot(settings) == before


def test_later_tables_and_databases_become_shards_without_buckets(make: Make) -> None:
    list(migrate(make(1, 1)))
    before = snapshot(make(1, 1))
    grown = make(2, 3)
    list(migrate(grown))
    shards, buckets = snapshot(grown)
    first = FIRST_GROUP_SHARD
    assert sorted(int(str(number)) for number, *_ in shards) == [
        *range(6),
        *range(first, first + 6),
    ]
    assert set(before[0]) < set(shards)
    assert buckets == before[1]


@pytest.mark.parametrize("table", ["bucket", "group_bucket"])
def test_a_process_refuses_to_start_on_an_incomplete_map(make: Make, table: str) -> None:
    settings = make(1, 1)
    list(migrate(settings))
    databases = open_databases(settings)
    databases[0].execute(f"DELETE FROM {table} WHERE bucket = 7")
    with pytest.raises(RuntimeError, match="run the migrations"):
        ShardMap(databases)
    for database in databases:
        database.close()


def test_two_databases_of_one_name_are_refused(make: Make) -> None:
    (url,) = make(1, 1).mysql_url
    with pytest.raises(ValueError, match="must differ"):
        list(migrate(Settings(mysql_url=(url, url))))


def snapshot(settings: Settings) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
    """The shard map as an operator reads it."""
    databases = open_databases(settings)
    try:
        return (
            list(databases[0].query("SELECT shard, database_name, table_name FROM shard")),
            [
                row
                for table in ("bucket", "group_bucket")
                for row in databases[0].query(f"SELECT bucket, shard FROM {table} ORDER BY bucket")
            ],
        )
    finally:
        for database in databases:
            database.close()


def test_a_migration_that_died_goes_on(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """MySQL commits each statement that changes a schema by itself."""
    # Given one that dies behind its first statement, then behind its second, and so on
    settings = make(1, 1)
    original = op.execute
    done = 0

    def dying(after: int) -> Callable[..., None]:
        def execute(*args: Any) -> None:
            nonlocal done
            original(*args)
            done += 1
            if done == after:
                raise InterruptedError

        return execute

    deaths = 0
    while True:
        done = 0
        monkeypatch.setattr(op, "execute", dying(deaths + 1))
        try:
            list(migrate(settings))
            break
        except InterruptedError:
            deaths += 1
    monkeypatch.undo()

    # Then nothing is missing in the end
    assert deaths > 3
    open_core(settings).close()
    before = snapshot(settings)
    list(migrate(settings))
    assert snapshot(settings) == before
