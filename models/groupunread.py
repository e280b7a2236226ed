"""What members have not read of their groups.

A count is cached with the version and the bound (the id behind which it was counted) it is true
for, and believed only while both are those of MySQL, which every reader has in hand anyway: the
rows of `chat_group` and `member`. So nothing has to be invalidated, and whatever dies or is lost
only costs the next reader a count. In small groups a task keeps the counts up to date
(models/fanout.py); in large ones they are made when somebody asks.
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


class Unread(NamedTuple):
    """Messages behind a member's bound, sent by others and not recalled."""

    messages: int
    mentions: int  # those that mention the member or everybody


NOTHING = Unread(0, 0)


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
            if one.group.last_id <= one.own.bound:
                found[one.group.id] = NOTHING
                continue
            unread = _believed(cached.get(one.group.id), one)
            if unread is None:
                missing.append(one)
            else:
                found[one.group.id] = unread
        if missing:
            counted = self.count(user, missing)
            self._keep(user, missing, counted)
            found |= counted
        return found

    def count(self, user: str, members: Sequence[Membership]) -> dict[str, Unread]:
        """The counts as of each membership, from MySQL: a statement for each group, in batches."""
        by_shard: dict[Shard, list[Membership]] = {}
        for one in members:
            by_shard.setdefault(self._shards.of_group(one.group.id), []).append(one)
        found: dict[str, Unread] = {}
        for shard, ones in by_shard.items():
            for start in range(0, len(ones), COUNTS_PER_STATEMENT):
                chunk = ones[start : start + COUNTS_PER_STATEMENT]
                answers = _count(shard, user, chunk)
                for one, ((count, mentions),) in zip(chunk, answers, strict=True):
                    found[one.group.id] = Unread(int(count), int(mentions))
        return found

    def _cached(self, user: str) -> dict[str, str]:
        try:
            answer = self._redis.hgetall(keys.group_unread(user))
        except RedisError:
            return {}
        return {group.decode(): value.decode() for group, value in answer.items()}

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


def _believed(value: str | None, one: Membership) -> Unread | None:
    """The cached count, if it is true for the membership."""
    if value is None:
        return None
    version, count, mentions, bound = value.split(":")
    if int(version) != one.group.latest or bound != one.own.bound.hex():
        return None
    return Unread(min(int(count), COUNT_MAX), int(mentions))


def _count(shard: Shard, user: str, members: Sequence[Membership]) -> list[Rows]:
    def work(connection: Connection) -> list[Rows]:
        return connection.run(
            [
                connection.sql(
                    "SELECT (SELECT COUNT(*) FROM (SELECT 1"
                    f" FROM {shard.table} WHERE receiver = %s AND id > %s AND withdraw_time = 0"
                    " AND sender <> '' AND sender <> %s AND version <= %s LIMIT %s) u),"
                    " (SELECT COUNT(DISTINCT id) FROM mention WHERE group_id = %s"
                    " AND user IN (%s, %s) AND id > %s AND id <= %s AND sender <> %s)",
                    (one.group.id, one.own.bound, user, one.group.latest, COUNT_MAX)
                    + (one.group.id, user, ALL, one.own.bound, one.group.last_id, user),
                )
                for one in members
            ]
        )

    return shard.database.retried(work)
