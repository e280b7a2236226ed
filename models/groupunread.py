"""What members have not read of their groups.

A count is cached with the version and the bound (the id behind which it was counted) it is true
for, and believed only while both are those of MySQL, which every reader has in hand anyway: the
rows of `chat_group` and `member`. So nothing has to be invalidated, and whatever dies or is lost
only costs the next reader a count. One that is behind is brought forward by what came since. In
small groups a task keeps the counts up to date (models/fanout.py); in large ones they are made when
somebody asks.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import structlog

from models import keys
from models.groups import Membership
from models.groupsend import ALL
from models.mysql import Connection, Rows
from models.redisclient import RedisError
from models.shards import Shard, ShardMap

log = structlog.get_logger()

COUNT_MAX = 10_000
"""More than this many unread messages of one group are not counted."""

COUNTS_PER_STATEMENT = 200

FORWARD_MAX = 1_000
"""A count is brought forward over so many versions; behind more it is cheaper to count anew."""

Arguments = tuple[Any, ...]


class Unread(NamedTuple):
    """Messages behind a member's bound, sent by others and not recalled."""

    messages: int
    mentions: int  # those that mention the member or everybody


NOTHING = Unread(0, 0)


class Counted(NamedTuple):
    """A count as it is cached: true up to a version of the log, behind a bound."""

    version: int
    messages: int
    mentions: int
    bound: str

    @classmethod
    def read(cls, value: str) -> "Counted":
        """From the hash in Redis."""
        version, messages, mentions, bound = value.split(":")
        return cls(int(version), int(messages), int(mentions), bound)


class GroupUnread:
    """The counts of all members."""

    def __init__(self, shards: ShardMap, client: Any) -> None:
        self._shards = shards
        self._redis = client

    def of(self, user: str, members: Iterable[Membership]) -> dict[str, Unread]:
        """The user's counts in these groups: cached ones, the others counted and cached."""
        cached = self._cached(user)
        found: dict[str, Unread] = {}
        missing: list[Membership] = []
        for one in members:
            known = cached.get(one.group.id)
            if one.group.last_id <= one.own.bound:
                found[one.group.id] = NOTHING
            elif known is None or known.bound != one.own.bound.hex():
                cached.pop(one.group.id, None)
                missing.append(one)
            elif known.version == one.group.latest:
                found[one.group.id] = Unread(min(known.messages, COUNT_MAX), known.mentions)
            else:
                missing.append(one)
        if missing:
            counted = self.count(user, missing, cached)
            self._keep(user, missing, counted)
            found |= counted
        return found

    def count(
        self, user: str, members: Sequence[Membership], known: Mapping[str, Counted] | None = None
    ) -> dict[str, Unread]:
        """The counts as of each membership, from MySQL: a statement for each group, in batches.

        Where a count for the same bound is `known`, only what came since is read, unless something
        was recalled since.
        """
        known = known or {}
        by_shard: dict[Shard, list[Membership]] = {}
        for one in members:
            by_shard.setdefault(self._shards.of_group(one.group.id), []).append(one)
        found: dict[str, Unread] = {}
        for shard, ones in by_shard.items():
            for start in range(0, len(ones), COUNTS_PER_STATEMENT):
                chunk = ones[start : start + COUNTS_PER_STATEMENT]
                found |= _count(shard, user, chunk, known)
        return found

    def _cached(self, user: str) -> dict[str, Counted]:
        try:
            answer = self._redis.hgetall(keys.group_unread(user))
        except RedisError:
            return {}
        return {group.decode(): Counted.read(value.decode()) for group, value in answer.items()}

    def _keep(
        self, user: str, members: Sequence[Membership], counted: Mapping[str, Unread]
    ) -> None:
        fields = {
            one.group.id: f"{one.group.latest}:{unread.messages}:{unread.mentions}"
            f":{one.own.bound.hex()}"
            for one in members
            for unread in [counted[one.group.id]]
        }
        try:
            pipe = self._redis.pipeline(transaction=False)
            pipe.hset(keys.group_unread(user), mapping=fields)
            pipe.expire(keys.group_unread(user), keys.USER_TTL_S)
            pipe.execute()
        except RedisError as error:
            log.warning("unread counts not cached", error=type(error).__name__)


def _count(
    shard: Shard, user: str, members: Sequence[Membership], known: Mapping[str, Counted]
) -> dict[str, Unread]:
    """Count forward from what is known, and anew where that tells nothing."""
    found: dict[str, Unread] = {}
    forward = [one for one in members if _is_near(one, known.get(one.group.id))]
    asked = [_since(shard, user, one, known[one.group.id].version) for one in forward]
    for one, ((new, recalled, mentions),) in zip(forward, _run(shard, asked), strict=True):
        if not recalled:
            messages = known[one.group.id].messages + int(new)
            found[one.group.id] = Unread(min(messages, COUNT_MAX), int(mentions))
    anew = [one for one in members if one.group.id not in found]
    asked = [_whole(shard, user, one) for one in anew]
    for one, ((messages, mentions),) in zip(anew, _run(shard, asked), strict=True):
        found[one.group.id] = Unread(int(messages), int(mentions))
    return found


def _is_near(one: Membership, known: Counted | None) -> bool:
    """Whether little has come since the count."""
    return known is not None and 0 < one.group.latest - known.version <= FORWARD_MAX


_MENTIONS = (
    "(SELECT COUNT(DISTINCT id) FROM mention WHERE group_id = %s"
    " AND user IN (%s, %s) AND id > %s AND id <= %s AND sender <> %s)"
)


def _mentions(user: str, one: Membership) -> Arguments:
    return (one.group.id, user, ALL, one.own.bound, one.group.last_id, user)


def _since(shard: Shard, user: str, one: Membership, version: int) -> tuple[str, Arguments]:
    """New unread messages and recalled ones behind a version of the log; all mentions."""
    return (
        "SELECT COALESCE(SUM(withdraw_time = 0 AND sender NOT IN ('', %s) AND id > %s), 0),"
        f" COALESCE(SUM(withdraw_time > 0), 0), {_MENTIONS}"
        f" FROM {shard.table} WHERE receiver = %s AND version > %s AND version <= %s",
        (user, one.own.bound, *_mentions(user, one), one.group.id, version, one.group.latest),
    )


def _whole(shard: Shard, user: str, one: Membership) -> tuple[str, Arguments]:
    """All unread messages, up to a bound, and all mentions."""
    return (
        f"SELECT (SELECT COUNT(*) FROM (SELECT 1 FROM {shard.table} FORCE INDEX (history)"
        " WHERE receiver = %s AND id > %s AND withdraw_time = 0"
        f" AND sender <> '' AND sender <> %s AND version <= %s LIMIT %s) u), {_MENTIONS}",
        (one.group.id, one.own.bound, user, one.group.latest, COUNT_MAX, *_mentions(user, one)),
    )


def _run(shard: Shard, asked: Sequence[tuple[str, Arguments]]) -> list[Rows]:
    """The answers of these statements, in one round trip."""
    if not asked:
        return []

    def work(connection: Connection) -> list[Rows]:
        return connection.run([connection.sql(*statement) for statement in asked])

    return shard.database.retried(work)
