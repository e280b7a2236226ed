"""A user's contact list, unread counts and marks: read from Redis, rebuilt from MySQL.

A rebuild reads MySQL as of the log's end, which its hashes then carry as `_`; rows delivered later
are applied on top of it, rows delivered meanwhile make it start over (the lease).
"""

import uuid
from dataclasses import dataclass
from typing import Any

import structlog

from models import keys
from models.conversations import NO_MARKS, peers_read, read_marks
from models.log import newest_versions
from models.mailbox import count_unread, newest_ids, rows_by_id
from models.messages import encode_row
from models.redisclient import RedisError, Scripts
from models.shards import Shard, ShardMap
from proto import im_pb2
from proto.views_pb2 import MessagesView, MessageView

log = structlog.get_logger()

LEASE_S = 10
REBUILDS_MAX = 3
COUNTS_PER_STATEMENT = 200
ZERO_ID = "0" * 32


@dataclass(frozen=True, slots=True)
class Entry:
    """One conversation as its owner sees it."""

    peer: str
    last_id: str
    last: MessageView
    unread: int
    read: str  # id; empty when nothing was read
    quiet: bool


@dataclass(frozen=True, slots=True)
class _Built:
    """Fields of the three hashes, as Redis holds them."""

    contacts: dict[str, bytes]
    unread: dict[str, str]
    marks: dict[str, str]


class Contacts:
    """Contact lists of all users."""

    def __init__(self, shards: ShardMap, client: Any, scripts: Scripts) -> None:
        self._shards = shards
        self._redis = client
        self._install = scripts.install

    def entries(self, user: str) -> list[Entry]:
        """Every conversation of the user, newest last message first."""
        cached = self._cached(user)
        if cached is None:
            cached = self._rebuild(user)
        contacts, unread, marks = cached
        entries = []
        for name, value in contacts.items():
            if name == keys.AS_OF:
                continue
            mark = marks.get(name, "")
            read = mark[:32]
            entries.append(
                Entry(
                    peer=name.split(":", 1)[1],
                    last_id=value[:32].decode(),
                    last=_message(value),
                    unread=int(unread.get(name, 0)),
                    read="" if read == ZERO_ID else read,
                    quiet=mark[96:] == "1",
                )
            )
        entries.sort(key=lambda entry: entry.last_id, reverse=True)
        return entries

    def peers_read(self, user: str, peers: list[str]) -> dict[str, str]:
        """How far each peer has read what the user sent: ids, absent for nothing."""
        found: dict[str, str] = {}
        asked = self._peers_cached(user, peers, found)
        for database, group in self._shards.users_by_database(asked).items():
            for peer, read in peers_read(database, group, user).items():
                found[peer] = read.hex()
        return {peer: read for peer, read in found.items() if read != ZERO_ID}

    def _peers_cached(self, user: str, peers: list[str], found: dict[str, str]) -> list[str]:
        """Fill `found` from the peers' own marks; return the peers whose marks are not cached."""
        field = keys.conversation(im_pb2.PERSON, user)
        try:
            pipe = self._redis.pipeline(transaction=False)
            for peer in peers:
                pipe.hmget(keys.marks(peer), keys.AS_OF, field)
            answers = pipe.execute()
        except RedisError:
            return peers
        missing = []
        for peer, (as_of, marks) in zip(peers, answers, strict=True):
            if as_of is None:
                missing.append(peer)
            elif marks is not None:
                found[peer] = marks[:32].decode()
        return missing

    def _cached(self, user: str) -> tuple[dict[str, bytes], dict[str, str], dict[str, str]] | None:
        try:
            pipe = self._redis.pipeline(transaction=False)
            pipe.hgetall(keys.contacts(user))
            pipe.hgetall(keys.unread(user))
            pipe.hgetall(keys.marks(user))
            contacts, unread, marks = pipe.execute()
        except RedisError:
            return None
        as_of = keys.AS_OF.encode()
        if as_of not in contacts or as_of not in unread or as_of not in marks:
            return None
        return (
            {name.decode(): value for name, value in contacts.items()},
            {name.decode(): value.decode() for name, value in unread.items()},
            {name.decode(): value.decode() for name, value in marks.items()},
        )

    def _rebuild(self, user: str) -> tuple[dict[str, bytes], dict[str, str], dict[str, str]]:
        for _ in range(REBUILDS_MAX):
            token = uuid.uuid4().hex
            try:
                self._redis.set(keys.lease(user), token, ex=LEASE_S)
            except RedisError:
                built = self._build(user)
                break
            built = self._build(user)
            if self._try_install(user, token, built):
                break
        return built.contacts, built.unread, built.marks

    def _try_install(self, user: str, token: str, built: _Built) -> bool:
        hashes = (built.contacts, built.unread, built.marks)
        flat = [item for fields in hashes for pair in fields.items() for item in pair]
        names = [keys.contacts(user), keys.unread(user), keys.marks(user), keys.lease(user)]
        sizes = [2 * len(fields) for fields in hashes]
        try:
            return bool(self._install(keys=names, args=[token, keys.USER_TTL_S, *sizes, *flat]))
        except RedisError as error:
            log.warning("contact list not cached", error=type(error).__name__)
            return True

    def _build(self, user: str) -> _Built:
        """Read everything from MySQL, as of the end of the log."""
        shard = self._shards.of_user(user)
        as_of = newest_versions([shard])[shard.number]
        marks = read_marks(shard.database, user)
        shown: dict[str, bytes] = {}
        counted: list[tuple[str, bytes]] = []
        for peer, (sent, received) in newest_ids(shard, user).items():
            mark = marks.get(peer, NO_MARKS)
            last = max(
                sent if sent > mark.cleared_sent else b"",
                received if received > mark.cleared_received else b"",
            )
            if last:
                shown[peer] = last
            bound = max(mark.read, mark.cleared_received)
            if received > bound and peer != user:
                counted.append((peer, bound))
        rows = rows_by_id(shard, list(shown.values()))
        contacts = {
            keys.conversation(im_pb2.PERSON, peer): last.hex().encode() + encode_row(rows[last])
            for peer, last in shown.items()
        }
        unread = {
            keys.conversation(im_pb2.PERSON, peer): str(count)
            for peer, count in _counts(shard, user, counted, as_of).items()
            if count
        }
        cached_marks = {
            keys.conversation(im_pb2.PERSON, peer): mark.to_cache() for peer, mark in marks.items()
        }
        return _Built(
            {**contacts, keys.AS_OF: str(as_of).encode()},
            {**unread, keys.AS_OF: "1"},
            {**cached_marks, keys.AS_OF: "1"},
        )


def _counts(shard: Shard, user: str, asked: list[tuple[str, bytes]], as_of: int) -> dict[str, int]:
    counts: dict[str, int] = {}
    for start in range(0, len(asked), COUNTS_PER_STATEMENT):
        chunk = asked[start : start + COUNTS_PER_STATEMENT]
        answers = count_unread(shard, user, chunk, as_of)
        counts.update((peer, n) for (peer, _), n in zip(chunk, answers, strict=True))
    return counts


def _message(value: bytes) -> MessageView:
    """The last message of a `contacts` field: 32 hex digits of id, then a MessagesPush entry."""
    return MessagesView.FromString(value[32:]).messages[0]
