"""The newest messages of each group in Redis: a window over its log, filled by the delivery.

The window lacks nothing between `_low` and `_v`, so a range that lies between them is read from it
and any other from MySQL, with the same result. A row that was recalled has moved: it is found at
its new version only, in the window as in the log.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import structlog

from models import keys
from models.grouplog import Range, read_ranges
from models.groupsend import ALL
from models.log import Row
from models.messages import encode_group_row
from models.redisclient import RedisError, Scripts, call_all, evalsha
from models.shards import Shard
from proto import im_pb2

log = structlog.get_logger()

MESSAGE, SYSTEM, WITHDRAWN = "m", "s", "w"


class Entry(NamedTuple):
    """A row as answers carry it."""

    id: bytes
    version: int
    blob: bytes  # one `messages` entry


def cached_args(row: Row) -> tuple[int, str, str, bytes]:
    """Version, id, what it is, and the encoded message: as the scripts take a row.

    What it is: kind, sender, and whom it mentions, with commas around each.
    """
    kind = WITHDRAWN if row.withdraw_time else MESSAGE if row.sender else SYSTEM
    mentions = ""
    if kind == MESSAGE and (b"\x8a\x01" in row.content or b"\x90\x01" in row.content):
        content = im_pb2.Content.FromString(row.content)
        names = [*content.mentions, *([ALL] if content.mention_all else [])]
        mentions = f",{','.join(names)}," if names else ""
    return row.version, row.id.hex(), f"{kind} {row.sender} {mentions}", encode_group_row(row)


class GroupCache:
    """The windows of all groups."""

    def __init__(self, client: Any, scripts: Scripts, size: int) -> None:
        self._redis = client
        self._range = scripts.group_range
        self._fill = scripts.group_fill
        self._size = size

    def read(self, ranges: Sequence[Range]) -> list[list[Entry] | None]:
        """The rows of each range: from Redis, or None where the window does not hold them."""
        if not ranges:
            return []

        def queue(pipe: Any) -> None:
            for one in ranges:
                names = [keys.group_window(one.group), keys.group_rows(one.group)]
                evalsha(pipe, self._range, names, [one.begin, one.end, one.limit])

        try:
            answers = call_all(self._redis, self._range, queue)
        except RedisError:
            return [None] * len(ranges)
        return [None if answer is None else _entries(answer) for answer in answers]

    def newest(self, asked: Mapping[str, tuple[bytes, int]]) -> dict[str, bytes]:
        """For each group with the id of a message: its encoded entry, as of a version or later.

        Where the window has it.
        """
        if not asked:
            return {}
        try:
            pipe = self._redis.pipeline(transaction=False)
            for group, (identifier, _) in asked.items():
                pipe.hmget(keys.group_rows(group), "_v", identifier.hex())
            answers = pipe.execute()
        except RedisError:
            return {}
        return {
            group: value.partition(b"\n")[2]
            for group, (as_of, value) in zip(asked, answers, strict=True)
            if as_of is not None and value is not None and int(as_of) >= asked[group][1]
        }

    def read_log(self, shard: Shard, ranges: Sequence[Range]) -> list[list[Entry]]:
        """The same rows from MySQL (groups of one shard), no more than was asked for.

        A range that was read to its end is cached on the way, so the next reader finds it.
        """
        if not ranges:
            return []
        found = read_ranges(shard, ranges)
        for one, rows in zip(ranges, found, strict=True):
            if len(rows) < one.limit and len(rows) <= self._size:
                self._install(one, rows)
        return [[Entry(r.id, r.version, encode_group_row(r)) for r in rows] for rows in found]

    def _install(self, one: Range, rows: Sequence[Row]) -> None:
        args = [value for row in rows for value in cached_args(row)]
        try:
            self._fill(
                keys=[keys.group_window(one.group), keys.group_rows(one.group)],
                args=[self._size, keys.USER_TTL_S, one.end, one.begin, *args],
            )
        except RedisError as error:
            log.warning("group not cached", error=type(error).__name__)


def _entries(flat: Sequence[bytes]) -> list[Entry]:
    """The answer of group_range.lua: id, version and value of each row."""
    return [
        Entry(bytes.fromhex(identifier.decode()), int(version), value.partition(b"\n")[2])
        for identifier, version, value in zip(flat[::3], flat[1::3], flat[2::3], strict=True)
    ]
