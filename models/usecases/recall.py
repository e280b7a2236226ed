"""Recall: wipe a message and move its row to the end of the log, from where it is delivered."""

from models.core import Core
from models.errors import Code, IMError
from models.groups import find_group, find_members, memberships
from models.ids import check_message_id, message_shard
from models.log import COLUMNS, Position, Row, advance
from models.mailbox import find
from models.mysql import Connection
from models.shards import Shard
from models.wake import Waker
from proto import im_pb2


def recall(
    core: Core, waker: Waker, user: str, request: im_pb2.RecallRequest
) -> im_pb2.RecallResponse:
    """Recall one of the user's own messages while the window is open; repeating it is harmless.

    Dying before COMMIT changes nothing; dying after it leaves the row undelivered, which the sweep
    finds.
    """
    message = bytes.fromhex(check_message_id(request.id))
    log = core.shards.shards.get(message_shard(request.id))
    if log is not None and log.is_group:
        return _recall_in_group(core, waker, log, user, message)
    shard = core.shards.of_user(user)
    row = find(shard, message)
    if row is None or user not in (row.sender, row.receiver):
        raise IMError(Code.NOT_FOUND, "no such message")
    if row.sender != user:
        raise IMError(Code.FORBIDDEN, "only the sender can recall a message")
    if not row.withdraw_time:
        window_ms = core.settings.recall_window_s * 1000
        row = shard.database.retried(
            lambda connection: _withdraw(connection, shard, message, window_ms)
        )
        if not row.withdraw_time:
            raise _expired(window_ms)
        waker.wake({shard.number})
    return im_pb2.RecallResponse(withdraw_time=row.withdraw_time)


def _withdraw(connection: Connection, shard: Shard, message: bytes, window_ms: int) -> Row:
    """The transaction: lock the counter, then the row; the log's clock decides on the window.

    Returns the row as it is then: not withdrawn when the window has closed.
    """
    start = advance(connection, {shard.number: 1})[shard.number]
    found = connection.query(
        f"SELECT {COLUMNS} FROM {shard.table} WHERE id = %s FOR UPDATE", (message,)
    )
    row = Row._make(found[0])
    if row.withdraw_time or start.clock_ms - row.send_time > window_ms:
        connection.execute("ROLLBACK")
        return row
    connection.execute(*_wipe(shard, message, start))
    connection.execute("COMMIT")
    return row._replace(version=start.first, content=b"", withdraw_time=start.clock_ms)


def _recall_in_group(
    core: Core, waker: Waker, shard: Shard, user: str, message: bytes
) -> im_pb2.RecallResponse:
    """Recall a message of a group: one's own while the window is open, any as owner or admin."""
    row = find(shard, message)
    if row is None or not memberships(core.shards, user, [row.receiver]):
        raise IMError(Code.NOT_FOUND, "no such message")
    window_ms = core.settings.recall_window_s * 1000
    outcome = shard.database.retried(
        lambda connection: _withdraw_in_group(connection, shard, row, user, window_ms)
    )
    if isinstance(outcome, IMError):
        raise outcome
    waker.wake({shard.number})
    return im_pb2.RecallResponse(withdraw_time=outcome)


def _withdraw_in_group(
    connection: Connection, shard: Shard, row: Row, user: str, window_ms: int
) -> int | IMError:
    """The transaction: judge under the lock of the log, then move the row; when that was done."""
    start = advance(connection, {shard.number: 1})[shard.number]
    group = find_group(connection, row.receiver)
    own = find_members(connection, row.receiver, [user]).get(user)
    ((withdrawn,),) = connection.query(
        f"SELECT withdraw_time FROM {shard.table} WHERE id = %s FOR UPDATE", (row.id,)
    )
    error: IMError | None = None
    if group is None or own is None or row.id < own.join_id:
        error = IMError(Code.NOT_FOUND, "no such message")
    elif not row.sender:
        error = IMError(Code.FORBIDDEN, "what happened to a group stays")
    elif own.role == im_pb2.MEMBER and row.sender != user:
        error = IMError(Code.FORBIDDEN, "only the sender, owner and admins can recall a message")
    elif withdrawn:
        connection.execute("ROLLBACK")
        return int(withdrawn)
    elif group.disbanded:
        error = IMError(Code.DISBANDED, "the group was disbanded")
    elif own.role == im_pb2.MEMBER and start.clock_ms - row.send_time > window_ms:
        error = _expired(window_ms)
    if error is not None:
        connection.execute("ROLLBACK")
        return error
    connection.run(
        [
            connection.sql(*_wipe(shard, row.id, start)),
            connection.sql(
                "UPDATE chat_group SET latest = %s WHERE id = %s", (start.first, row.receiver)
            ),
            connection.sql("DELETE FROM mention WHERE id = %s", (row.id,)),
            "COMMIT",
        ]
    )
    return start.clock_ms


def _wipe(shard: Shard, message: bytes, start: Position) -> tuple[str, tuple[int, int, bytes]]:
    """The statement that empties a row and moves it to the end of the log."""
    return (
        f"UPDATE {shard.table} SET version = %s, content = '', withdraw_time = %s WHERE id = %s",
        (start.first, start.clock_ms, message),
    )


def _expired(window_ms: int) -> IMError:
    return IMError(
        Code.RECALL_EXPIRED, f"a message can be recalled for {window_ms // 1000} seconds"
    )
