"""What lies in the platform's tables is counted by message: one that is missing is missed."""

from typing import Any, cast

from bench.peer.archive import FIRST_GROUP_SHARD, places_held
from bench.rows import Rows, Shard

NEAR, FAR = Shard(0, "im_0", "message_00"), Shard(1, "im_1", "message_01")
GROUPS = Shard(FIRST_GROUP_SHARD, "im_0", "group_message_00")
HOMES = {"ann": NEAR, "bob": NEAR, "cat": FAR}

Stored = dict[Shard, list[tuple[str, str, int]]]
"""By table: how many messages it has of a sender to a receiver."""

EVERYTHING: Stored = {
    NEAR: [("ann", "bob", 10), ("ann", "cat", 5)],
    FAR: [("ann", "cat", 5)],
}


class Tables:
    """Tables whose rows are known; remembers what it was asked."""

    def __init__(self, stored: Stored) -> None:
        self.shards = {shard.number: shard for shard in (NEAR, FAR, GROUPS)}
        self._stored = {f"{shard.database}.{shard.table}": rows for shard, rows in stored.items()}
        self.asked: list[tuple[object, ...]] = []

    def query(self, statement: str, *values: object) -> tuple[tuple[Any, ...], ...]:
        self.asked.append(values)
        found = [rows for table, rows in self._stored.items() if f" {table} " in statement]
        return tuple(row for rows in found for row in rows)

    def shard_of(self, user: str) -> Shard:
        return HOMES[user]


def places(stored: Stored) -> int:
    return places_held(cast(Rows, Tables(stored)), list(HOMES), "p1-")


def test_every_message_lies_in_the_mailboxes_of_both() -> None:
    # Given ten messages within a shard, a row each, and five between two, two rows each
    assert places(EVERYTHING) == 2 * 15


def test_one_that_is_missing_in_either_mailbox_is_missed() -> None:
    # Given rows enough for one a message, as MariaDB counts them
    assert places({**EVERYTHING, FAR: [("ann", "cat", 4)]}) == 2 * 15 - 1
    assert places({**EVERYTHING, NEAR: [("ann", "bob", 9), ("ann", "cat", 5)]}) == 2 * 15 - 2


def test_a_row_where_neither_has_a_mailbox_counts_for_nothing() -> None:
    assert places({FAR: [("ann", "bob", 10)]}) == 0


def test_a_message_to_a_group_lies_in_its_log_alone() -> None:
    assert places({GROUPS: [("ann", "g1", 7), ("cat", "g1", 3)]}) == 10


def test_only_messages_of_the_run_are_asked_for() -> None:
    tables = Tables({})
    places_held(cast(Rows, tables), ["ann"], "p1-")
    assert tables.asked == [(["ann"], "p1-%")] * 3
