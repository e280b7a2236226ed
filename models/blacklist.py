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

Pair = tuple[str, str]
"""A receiver and a sender."""


class Blacklist:
    """Block lists of all users."""

    def __init__(self, shards: ShardMap, client: Any, scripts: Scripts, users_max: int) -> None:
        self._shards = shards
        self._redis = client
        self._fill = scripts.fill_set
        self._users_max = users_max
        self._epoch = b""
        self._since = 0.0
        self._known: dict[Pair, bool] = {}
        """Pair → blocked, true while the epoch in Redis is `_epoch`."""

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

    def blocked(self, pairs: Sequence[Pair]) -> list[bool | None]:
        """For each (receiver, sender): whether the receiver blocks the sender; None: not known now.

        One round trip for all; receivers whose set is not cached cost one query per database.
        """
        if not pairs:
            return []
        pipe = self._redis.pipeline(transaction=False)
        asked = self.queue(pipe, pairs)
        try:
            replies = pipe.execute()
        except RedisError:
            return self._from_mysql(pairs)
        return self.answers(pairs, asked, replies)

    def queue(self, pipe: Any, pairs: Sequence[Pair]) -> list[Pair]:
        """Add to a pipeline what must be read for `answers`; returns the pairs not remembered."""
        asked = [pair for pair in dict.fromkeys(pairs) if pair not in self._known]
        pipe.get(keys.BLACKLIST_EPOCH)  # first: what is read behind it is at least as new
        _queue_members(pipe, asked)
        return asked

    def answers(
        self, pairs: Sequence[Pair], asked: Sequence[Pair], replies: Sequence[Any]
    ) -> list[bool | None]:
        """What `blocked` returns, of the replies to what was queued for these pairs.

        One round trip more when block lists have changed since it was remembered whom they hold.
        """
        epoch, *members = replies
        if epoch is None:
            asked, members = (), []
            try:
                epoch = self._new_epoch()  # what was read before it is not to be remembered for it
            except RedisError:
                return self._from_mysql(pairs)
        now = time.monotonic()
        too_much = len(self._known) > REMEMBERED_MAX or now - self._since > REMEMBERED_S
        if epoch != self._epoch or too_much:
            self._epoch, self._known, self._since = epoch, {}, now
        known = self._known
        self._remember(known, asked, members)
        if left := set(pairs).difference(known, asked):
            self._ask(known, list(left))
        return [known.get(pair) for pair in pairs]

    def _ask(self, known: dict[Pair, bool], pairs: Sequence[Pair]) -> None:
        """Remember what Redis, or MySQL in its place, says about these pairs now."""
        pipe = self._redis.pipeline(transaction=False)
        _queue_members(pipe, pairs)
        try:
            replies = pipe.execute()
        except RedisError:
            for pair, answer in zip(pairs, self._from_mysql(pairs), strict=True):
                if answer is not None:
                    known[pair] = answer
        else:
            self._remember(known, pairs, replies)

    def _remember(
        self, known: dict[Pair, bool], pairs: Sequence[Pair], replies: Sequence[tuple[int, int]]
    ) -> None:
        """Take over replies of Redis; sets that are not cached are read from MySQL."""
        missing = {
            receiver for (receiver, _), (there, _) in zip(pairs, replies, strict=True) if not there
        }
        loaded = self._load(missing) if missing else {}
        for pair, (there, listed) in zip(pairs, replies, strict=True):
            answer = bool(listed) if there else _listed(loaded, *pair)
            if answer is not None:
                known[pair] = answer

    def _new_epoch(self) -> bytes:
        """When it was lost: so that nothing older is believed."""
        fresh = uuid.uuid4().hex.encode()
        self._redis.set(keys.BLACKLIST_EPOCH, fresh, nx=True)
        return self._redis.get(keys.BLACKLIST_EPOCH) or fresh

    def _from_mysql(self, pairs: Sequence[Pair]) -> list[bool | None]:
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


def _queue_members(pipe: Any, pairs: Sequence[Pair]) -> None:
    for receiver, sender in pairs:
        pipe.execute_command("SMISMEMBER", keys.blacklist(receiver), keys.NOBODY, sender)


def _listed(lists: dict[str, set[str]], receiver: str, sender: str) -> bool | None:
    return sender in lists[receiver] if receiver in lists else None
