"""Reading a mailbox: sync, history, latest version."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from models import grouplog, keys
from models.conversations import NO_MARKS, Marks, read_marks
from models.core import Core
from models.errors import Code, IMError
from models.groups import membership
from models.ids import LAST_ID, check_message_id, check_user
from models.log import Row, delivered_versions
from models.mailbox import history as read_history
from models.mailbox import mailbox_versions
from models.mailbox import sync as read_sync
from models.messages import message_view
from models.redisclient import RedisError
from proto import im_pb2
from proto.views_pb2 import MessagesView, MessageView

LIMIT_DEFAULT = 100
LIMIT_MAX = 200
ANSWER_BYTES_MAX = 56 * 1024
"""A page ends early at this size: an answer's frame stays below the 64 KiB of WIRE.md."""

PART_ROWS = 32
"""A page is read in parts, the first of so many rows: a few large messages fill an answer, and of
what does not go into it little is read, unless small ones came before."""

ROW_BYTES_MIN = 50
"""A row takes at least this in an answer beside its content: `more` is wrong if it takes less."""

_NO_VERSION = (1 << 63) - 1
A = TypeVar("A", im_pb2.SyncResponse, im_pb2.HistoryResponse)


def page_limit(asked: int) -> int:
    """The number of items of a page."""
    return min(asked, LIMIT_MAX) if asked else LIMIT_DEFAULT


def fit(views: Sequence[Any]) -> int:
    """How many of these messages fit into one answer; at least one."""
    size = 0
    for count, view in enumerate(views):
        size += view.ByteSize() + 4
        if size > ANSWER_BYTES_MAX and count:
            return count
    return len(views)


def read_page(read: Callable[[Row | None, int], Sequence[Row]], limit: int) -> list[Row]:
    """Rows for one answer: up to `limit` and one more, or some more than fit into it.

    `read` gives up to so many rows behind a given one, or from the start; fewer are the last.
    """
    rows: list[Row] = []
    size, count = 0, PART_ROWS
    while True:
        count = min(count, limit + 1 - len(rows))
        part = read(rows[-1] if rows else None, count)
        rows += part
        size += sum(len(row.content) + ROW_BYTES_MIN for row in part)
        if len(part) < count or len(rows) > limit or size > ANSWER_BYTES_MAX:
            return rows
        likely = (ANSWER_BYTES_MAX - size) * len(rows) // size
        count = max(likely, PART_ROWS)


def check_type(type_: int) -> None:
    """Refuse conversation types this server does not have."""
    if type_ not in (im_pb2.PERSON, im_pb2.GROUP):
        raise IMError(Code.BAD_REQUEST, "unknown conversation type")


def check_cursor(cursor: int) -> int:
    """Return `cursor`, or refuse what cannot be a version."""
    if cursor >= _NO_VERSION:
        raise IMError(Code.BAD_REQUEST, "cursor is out of range")
    return cursor


def sync(core: Core, user: str, request: im_pb2.SyncRequest) -> im_pb2.SyncResponse:
    """What entered the user's mailbox after the cursor, ascending, without what was cleared."""
    check_cursor(request.cursor)
    shard = core.shards.of_user(user)
    limit = page_limit(request.limit)

    def read(last: Row | None, count: int) -> Sequence[Row]:
        return read_sync(shard, user, last.version if last else request.cursor, count)

    rows = read_page(read, limit)
    views = [message_view(row) for row in rows[:limit]]
    count = fit(views)
    page = rows[:count]
    marks = read_marks(shard.database, user, list({_peer(user, row) for row in page}))
    shown = [view for row, view in zip(page, views, strict=False) if _visible(user, row, marks)]
    return _answer(
        im_pb2.SyncResponse(
            cursor=page[-1].version if page else request.cursor, more=count < len(rows)
        ),
        shown,
    )


def history(core: Core, user: str, request: im_pb2.HistoryRequest) -> im_pb2.HistoryResponse:
    """A conversation's messages before an id, newest first, as far back as the user may see."""
    check_type(request.type)
    check_user(request.peer)
    before = bytes.fromhex(check_message_id(request.before or LAST_ID))
    limit = page_limit(request.limit)
    reader = _group_history if request.type == im_pb2.GROUP else _history
    read = reader(core, user, request.peer)
    rows = read_page(lambda last, count: read(last.id if last else before, count), limit)
    views = [message_view(row, request.type) for row in rows[:limit]]
    count = fit(views)
    return _answer(im_pb2.HistoryResponse(more=count < len(rows)), views[:count])


def _history(core: Core, user: str, peer: str) -> Callable[[bytes, int], Sequence[Row]]:
    shard = core.shards.of_user(user)
    marks = read_marks(shard.database, user, [peer]).get(peer, NO_MARKS)
    return lambda before, count: read_history(shard, user, peer, before, marks, count)


def _group_history(core: Core, user: str, group: str) -> Callable[[bytes, int], Sequence[Row]]:
    shard, one = core.shards.of_group(group), membership(core.shards, user, group)
    return lambda before, count: grouplog.history(shard, one, before, count)


def latest_version(core: Core, user: str) -> int:
    """The newest version of the user's mailbox that may have been published."""
    try:
        cached = core.redis.get(keys.latest(user))
        if cached is not None:
            return int(cached)
    except RedisError:
        pass
    return _find_latest(core, user)


def _find_latest(core: Core, user: str) -> int:
    """The same from MySQL, and cached for whoever asks next.

    What is delivered has been published, so nothing is hidden from effects.lua by this; rows
    behind the delivery position set it themselves, and win.
    """
    shard = core.shards.of_user(user)
    delivered = delivered_versions([shard])[shard.number]
    version = mailbox_versions(shard, [(user, delivered + 1)])[0]
    with suppress(RedisError):
        core.redis.set(keys.latest(user), version, nx=True, ex=keys.USER_TTL_S)
    return version


def _peer(user: str, row: Row) -> str:
    return row.receiver if row.sender == user else row.sender


def _visible(user: str, row: Row, marks: dict[str, Marks]) -> bool:
    mark = marks.get(_peer(user, row), NO_MARKS)
    return row.id > (mark.cleared_sent if row.sender == user else mark.cleared_received)


def _answer(answer: A, views: Sequence[MessageView]) -> A:
    """Append messages to an answer whose field 2 they are, without decoding their bodies."""
    answer.MergeFromString(MessagesView(messages=views).SerializeToString())
    return answer
