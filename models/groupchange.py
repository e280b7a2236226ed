"""A change of a group: one transaction that ends in one row of the group's log.

The counter of the log's shard is locked first, as in every send (models/append.py), so changes and
sends of a group come one after the other, and what a send finds out about its sender is still true
when it is stored. What if the process dies: before COMMIT nothing has happened; after it the change
is in the log, from where the delivery tells everybody and writes what is missing of the index.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from models.errors import IMError
from models.groups import Group, find_group
from models.ids import NO_ID, message_id
from models.log import Position, Row, advance, insert_statement
from models.membership import Change
from models.mysql import Connection
from models.shards import Shard, bucket_of
from proto import im_pb2

JOINING = frozenset({im_pb2.CREATED, im_pb2.JOINED, im_pb2.INVITED})
LEAVING = frozenset({im_pb2.LEFT, im_pb2.REMOVED})


@dataclass(slots=True)
class Turn:
    """What the work of a change has in its hands, while the log waits for it."""

    connection: Connection
    group: Group | None
    clock_ms: int
    version: int  # of the row the change will be
    id: bytes


@dataclass(slots=True)
class Changed:
    """What a change has done."""

    changes: list[Change] = field(default_factory=list)
    is_stored: bool = False


Work = Callable[[Turn], im_pb2.System | None]


def change(shard: Shard, group: str, work: Work, history: str) -> Changed:
    """Run `work` under the log's lock; what it returns becomes a row of the log.

    None: there was nothing to do. IMError leaves everything as it was.
    """

    def whole(connection: Connection) -> Changed | IMError:
        position = advance(connection, {shard.number: 1})[shard.number]
        identifier = message_id(position.clock_ms, shard.number, position.first)
        turn = Turn(
            connection,
            find_group(connection, group),
            position.clock_ms,
            position.first,
            bytes.fromhex(identifier),
        )
        try:
            system = work(turn)
        except IMError as error:
            connection.execute("ROLLBACK")
            return error
        if system is None:
            connection.execute("ROLLBACK")
            return Changed()
        row = _row(group, position, turn.id, system)
        connection.run(
            [
                insert_statement(connection, shard, [row]),
                connection.sql(
                    "UPDATE chat_group SET version = %s, latest = %s, last_id = %s WHERE id = %s",
                    (row.version, row.version, row.id, group),
                ),
                "COMMIT",
            ]
        )
        return Changed(membership_changes(row, system, history), is_stored=True)

    outcome = shard.database.retried(whole)
    if isinstance(outcome, IMError):
        raise outcome
    return outcome


def _row(group: str, position: Position, identifier: bytes, system: im_pb2.System) -> Row:
    return Row(
        id=identifier,
        version=position.first,
        sequence=secrets.token_hex(16),
        sender="",
        receiver=group,
        shard=bucket_of(group),
        content=im_pb2.Content(system=system).SerializeToString(),
        send_time=position.clock_ms,
        withdraw_time=0,
    )


def membership_changes(row: Row, system: im_pb2.System, history: str) -> list[Change]:
    """Who came and who went by a row of a group's log."""
    joined = system.kind in JOINING
    if not joined and system.kind not in LEAVING:
        return []
    join_id = first_seen(row.id, history)
    return [Change(user, row.receiver, joined, row.version, join_id) for user in system.users]


def first_seen(join: bytes, history: str) -> bytes:
    """The id of the first message shown to who came by the row with the id `join`."""
    return join if history == "join" else NO_ID


def read_system(row: Row) -> im_pb2.System | None:
    """What a row of a group's log changed; None for what a member sent."""
    if row.sender:
        return None
    return im_pb2.Content.FromString(row.content).system
