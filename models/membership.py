"""A user's groups: an index by user in MySQL, cached in Redis.

It says where to look, never what is allowed: `models/groups.py` decides that. The index follows the
groups' logs: whoever changes a group writes it after the commit, so that the user finds the group
at once, and the delivery writes it again, so that nothing is missing when that process died.
"""

import uuid
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from models import keys
from models.errors import Code, IMError
from models.groups import View, count_living
from models.mysql import placeholders
from models.redisclient import RedisError, Scripts
from models.shards import ShardMap

LEASE_S = 10
CURSORS_MAX = 1000
"""So many groups one `group_sync` can name."""

USERS_PER_STATEMENT = 500


class Change(NamedTuple):
    """A user came into a group, or went, by the row of its log with this version."""

    user: str
    group: str
    joined: bool
    version: int
    join_id: bytes  # nothing before it is shown to who joined


def read_joins(cached: Iterable[bytes]) -> dict[str, int] | None:
    """What the cached set of a user's groups says; None when there is none."""
    found = {}
    known = False
    for value in cached:
        group, _, version = value.decode().partition(" ")
        if group == keys.AS_OF:
            known = True
        else:
            found[group] = int(version or 0)
    return found if known else None


class Memberships:
    """The groups of all users."""

    def __init__(self, shards: ShardMap, client: Any, scripts: Scripts) -> None:
        self._shards = shards
        self._redis = client
        self._fill = scripts.fill_set

    def of(self, user: str) -> list[str]:
        """The user's groups, as the index has them."""
        return [*self.joins([user])[0]]

    def joins(self, users: Sequence[str]) -> list[dict[str, int]]:
        """The groups of each user, and the version of the row that each was joined by.

        One round trip for all, and one more for each that is not cached.
        """
        try:
            pipe = self._redis.pipeline(transaction=False)
            for user in users:
                pipe.smembers(keys.groups(user))
            answers = pipe.execute()
        except RedisError:
            return [self._read(user) for user in users]
        found = []
        for user, answer in zip(users, answers, strict=True):
            groups = read_joins(answer)
            found.append(self._load(user) if groups is None else groups)
        return found

    def _load(self, user: str) -> dict[str, int]:
        token = uuid.uuid4().hex
        with suppress(RedisError):
            self._redis.set(keys.groups_lease(user), token, ex=LEASE_S)
        groups = self._read(user)
        with suppress(RedisError):
            self._fill(
                keys=[keys.groups(user), keys.groups_lease(user)],
                args=[token, keys.USER_TTL_S, keys.AS_OF, *map("%s %d".__mod__, groups.items())],
            )
        return groups

    def _read(self, user: str) -> dict[str, int]:
        return dict(
            self._shards.of_user(user).database.query(
                "SELECT group_id, version FROM user_group WHERE user = %s AND member = 1", (user,)
            )
        )

    def left(self, user: str, groups: Sequence[str]) -> dict[str, View]:
        """Of these groups, those the user was in, and is not: up to their going."""
        if not groups:
            return {}
        rows = self._shards.of_user(user).database.query(
            "SELECT group_id, version, join_id FROM user_group"
            f" WHERE user = %s AND member = 0 AND group_id IN ({placeholders(len(groups))})",
            [user, *groups],
        )
        found = {group: View(version, join_id) for group, version, join_id in rows}
        for database, names in self._shards.groups_by_database(found).items():
            cleared = database.query(
                "SELECT group_id, cleared_id FROM departed"
                f" WHERE user = %s AND group_id IN ({placeholders(len(names))})",
                [user, *names],
            )
            for group, cleared_id in cleared:
                found[group] = found[group]._replace(cleared_id=cleared_id)
        return found

    def check_room(self, users: Iterable[str], most: int) -> None:
        """Raise LIMIT_EXCEEDED when one of the users is in as many groups as they may be.

        Disbanded ones count only towards what one `group_sync` can name. Who joins several at the
        same moment may exceed it by a few.
        """
        for database, names in self._shards.users_by_database(users).items():
            rows = database.query(
                "SELECT user, COUNT(*) FROM user_group"
                f" WHERE user IN ({placeholders(len(names))}) AND member = 1"
                " GROUP BY user HAVING COUNT(*) >= %s",
                [*names, most],
            )
            for user, count in rows:
                if count >= CURSORS_MAX:
                    raise IMError(
                        Code.LIMIT_EXCEEDED,
                        f"{user} is in {count} groups; leave those that were disbanded",
                    )
                if count_living(self._shards, self._read(user)) >= most:
                    raise IMError(Code.LIMIT_EXCEEDED, f"{user} is in {most} groups already")

    def write(self, changes: Iterable[Change]) -> None:
        """Bring the index, then the cache, up to these changes; those known already do nothing.

        The newest join counts even when it is written behind a later going: otherwise who came
        back and went would be shown what was said between.
        """
        last = {(change.user, change.group, change.joined): change for change in changes}
        if not last:
            return
        by_user: dict[str, list[Change]] = {}
        for change in sorted(last.values(), key=lambda change: change.version):
            by_user.setdefault(change.user, []).append(change)
        for database, users in self._shards.users_by_database(by_user).items():
            items = [change for user in users for change in by_user[user]]
            for start in range(0, len(items), USERS_PER_STATEMENT):
                chunk = items[start : start + USERS_PER_STATEMENT]
                values = ",".join(["(%s,%s,%s,%s,%s)"] * len(chunk))
                database.execute(
                    "INSERT INTO user_group (user, group_id, member, version, join_id)"
                    f" VALUES {values} ON DUPLICATE KEY UPDATE"
                    " member = IF(VALUES(version) > version, VALUES(member), member),"
                    " join_id = IF(VALUES(member), GREATEST(join_id, VALUES(join_id)), join_id),"
                    " version = GREATEST(version, VALUES(version))",
                    [
                        value
                        for c in chunk
                        for value in (c.user, c.group, int(c.joined), c.version, c.join_id)
                    ],
                )
        names = [name for user in by_user for name in (keys.groups(user), keys.groups_lease(user))]
        self._redis.delete(*names)
