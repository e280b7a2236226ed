"""Who blocks whom: kept in MySQL, read through Redis sets.

A change deletes the cached set, and renews the epoch for which processes remember answers, before
and after it is committed. Only a process that dies between the commit and the second time leaves a
stale set, for at most `SET_TTL_S`; its caller got no answer and repeats.
"""

import time
import uuid
from collections.abc import Sequence
from typing import Any

from models import keys
from models.errors import Code, IMError
from models.mysql import Connection, placeholders
from models.redisclient import RedisError, Scripts
from models.shards import ShardMap

LEASE_S = 10
SET_TTL_S = 300
REMEMBERED_MAX = 100_000
REMEMBERED_S = 60.0


class Blacklist:
    """Block lists of all users."""

    def __init__(self, shards: ShardMap, client: Any, scripts: Scripts, users_max: int) -> None:
        self._shards = shards
        self._redis = client
        self._fill = scripts.fill_set
        self._users_max = users_max
        self._epoch = b""
        self._since = 0.0
        self._known: dict[tuple[str, str], bool] = {}
        """(receiver, sender) → blocked, true while the epoch in Redis is `_epoch`."""

    def block(self, user: str, blocked: str) -> None:
        """From now on `user` takes no messages from `blocked`."""
        database = self._shards.of_user(user).database

        def work(connection: Connection) -> None:
            ((count,),) = connection.query(
                "SELECT COUNT(*) FROM blacklist WHERE user = %s AND blocked <> %s", (user, blocked)
            )
            if count >= self._users_max:
                raise IMError(
                    Code.LIMIT_EXCEEDED, f"a block list holds at most {self._users_max} users"
                )
            connection.execute(
                "INSERT INTO blacklist (user, blocked) VALUES (%s, %s)"
                " ON DUPLICATE KEY UPDATE blocked = VALUES(blocked)",
                (user, blocked),
            )

        self._forget(user)
        database.transact(work)
        self._forget(user)

    def unblock(self, user: str, blocked: str) -> None:
        """Messages from `blocked` are taken again."""
        self._forget(user)
        self._shards.of_user(user).database.execute(
            "DELETE FROM blacklist WHERE user = %s AND blocked = %s", (user, blocked)
        )
        self._forget(user)

    def page(self, user: str, after: str, limit: int) -> list[str]:
        """Up to `limit` blocked users sorting after `after`."""
        rows = self._shards.of_user(user).database.query(
            "SELECT blocked FROM blacklist WHERE user = %s AND blocked > %s"
            " ORDER BY blocked LIMIT %s",
            (user, after, limit),
        )
        return [blocked for (blocked,) in rows]

    def blocked(
        self, pairs: Sequence[tuple[str, str]], epoch: bytes | None = None
    ) -> list[bool | None]:
        """For each (receiver, sender): whether the receiver blocks the sender; None: not known now.

        One round trip for all, two when some are not remembered; receivers whose set is not cached
        cost one query per database. The first is saved by who has just read the `epoch`.
        """
        if not pairs:
            return []
        try:
            epoch = epoch or self._current_epoch()
        except RedisError:
            return self._from_mysql(pairs)
        now = time.monotonic()
        too_much = len(self._known) > REMEMBERED_MAX or now - self._since > REMEMBERED_S
        if epoch != self._epoch or too_much:
            self._epoch, self._known, self._since = epoch, {}, now
        known = self._known
        asked = [pair for pair in dict.fromkeys(pairs) if pair not in known]
        if asked:
            for pair, answer in zip(asked, self._ask(asked), strict=True):
                if answer is not None:
                    known[pair] = answer
        return [known.get(pair) for pair in pairs]

    def _current_epoch(self) -> bytes:
        """The epoch in Redis; a new one when it was lost, so that nothing older is believed."""
        epoch: bytes | None = self._redis.get(keys.BLACKLIST_EPOCH)
        if epoch is None:
            fresh = uuid.uuid4().hex.encode()
            self._redis.set(keys.BLACKLIST_EPOCH, fresh, nx=True)
            return self._redis.get(keys.BLACKLIST_EPOCH) or fresh
        return epoch

    def _ask(self, pairs: Sequence[tuple[str, str]]) -> list[bool | None]:
        """What Redis, or MySQL in its place, says about these pairs."""
        try:
            pipe = self._redis.pipeline(transaction=False)
            for receiver, sender in pairs:
                pipe.execute_command("SMISMEMBER", keys.blacklist(receiver), keys.NOBODY, sender)
            answers = pipe.execute()
        except RedisError:
            return self._from_mysql(pairs)
        missing = {
            receiver for (receiver, _), (known, _) in zip(pairs, answers, strict=True) if not known
        }
        loaded = self._load(missing) if missing else {}
        return [
            bool(answer[1]) if answer[0] else _listed(loaded, receiver, sender)
            for (receiver, sender), answer in zip(pairs, answers, strict=True)
        ]

    def _from_mysql(self, pairs: Sequence[tuple[str, str]]) -> list[bool | None]:
        lists = self._read({receiver for receiver, _ in pairs})
        return [_listed(lists, receiver, sender) for receiver, sender in pairs]

    def _load(self, users: set[str]) -> dict[str, set[str]]:
        """Read block lists from MySQL and cache them."""
        token = uuid.uuid4().hex
        try:
            pipe = self._redis.pipeline(transaction=False)
            for user in users:
                pipe.set(keys.blacklist_lease(user), token, ex=LEASE_S)
            pipe.execute()
            lists = self._read(users)
            pipe = self._redis.pipeline(transaction=False)
            for user, members in lists.items():
                self._fill(
                    keys=[keys.blacklist(user), keys.blacklist_lease(user)],
                    args=[token, SET_TTL_S, keys.NOBODY, *members],
                    client=pipe,
                )
            pipe.execute()
        except RedisError:
            return self._read(users)
        return lists

    def _read(self, users: set[str]) -> dict[str, set[str]]:
        """Block lists from MySQL; without those whose database does not answer."""
        lists: dict[str, set[str]] = {user: set() for user in users}
        for database, group in self._shards.users_by_database(users).items():
            try:
                rows = database.query(
                    "SELECT user, blocked FROM blacklist"
                    f" WHERE user IN ({placeholders(len(group))})",
                    group,
                )
            except IMError:
                for user in group:
                    del lists[user]
                continue
            for user, blocked in rows:
                lists[user].add(blocked)
        return lists

    def _forget(self, user: str) -> None:
        try:
            pipe = self._redis.pipeline(transaction=True)
            pipe.delete(keys.blacklist(user), keys.blacklist_lease(user))
            pipe.set(keys.BLACKLIST_EPOCH, uuid.uuid4().hex)
            pipe.execute()
        except RedisError as error:
            raise IMError(
                Code.UNAVAILABLE, "the block list cannot be changed right now", retry_after_ms=1000
            ) from error


def _listed(lists: dict[str, set[str]], receiver: str, sender: str) -> bool | None:
    return sender in lists[receiver] if receiver in lists else None
