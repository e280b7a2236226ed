"""All the checker may look at: what clients wrote down, and what the stores hold in the end."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import redis

from chaos.bed import Bed
from chaos.client import BROKEN, ENDED
from chaos.groupmodel import Model
from chaos.load import Load
from chaos.record import Op, Record
from chaos.view import View
from dev.clients.device import Device
from dev.clients.groupreader import Reader
from dev.clients.wire import insist, ok, sync_all
from dev.store import Shard, Store, Stored
from proto import im_pb2

CACHES = ("contacts", "unread", "marks", "group-unread")
"""What Redis holds of a contact list: hashes of each user."""


@dataclass
class Person:
    """One user in the end."""

    record: Record
    view: View
    groups: Reader
    synced: list[im_pb2.Message] = field(default_factory=list)
    """The mailbox through a sync of a new client."""
    contacts: list[im_pb2.Contact] = field(default_factory=list)
    rebuilt: list[im_pb2.Contact] | None = None
    """The same, asked for once more after the caches of all users had been deleted."""
    fresh: dict[str, dict[str, im_pb2.Message]] = field(default_factory=dict)
    """The groups through a sync of a new client."""


@dataclass
class Evidence:
    """Taken when everything is at rest."""

    store: Store
    people: dict[str, Person]
    group_ids: list[str]
    seen: dict[int, list[tuple[int, str]]]
    """By shard, what our readers of the logs read: version and id, in order."""
    rows: list[Stored] = field(default_factory=list)
    """Of all shards, each in the order of its log."""
    marks: dict[tuple[str, str], str] = field(default_factory=dict)
    """By user and peer: up to which id the peer's messages are read or hidden."""
    reads: dict[tuple[str, str], str] = field(default_factory=dict)
    """By user and peer or group: the stored read position, an id."""
    redis: list[dict[str, Any]] = field(default_factory=list)
    """Every key of Redis, before contact lists were asked for and after."""
    logs: dict[str, str] = field(default_factory=dict)

    @property
    def ops(self) -> Iterator[Op]:
        """Everything anybody asked for."""
        for person in self.people.values():
            yield from person.record.ops

    @cached_property
    def mailboxes(self) -> dict[str, list[Stored]]:
        """Each user's rows in the user's shard, in the order of the log."""
        found: dict[str, list[Stored]] = {user: [] for user in self.people}
        homes = {user: self.store.shard_of(user) for user in self.people}
        for row in self.rows:
            for user in {row.sender, row.receiver} & found.keys():
                if homes[user] == row.shard:
                    found[user].append(row)
        return found

    @cached_property
    def by_id(self) -> dict[str, list[Stored]]:
        """Every row of each message."""
        found: dict[str, list[Stored]] = defaultdict(list)
        for row in self.rows:
            found[row.id].append(row)
        return dict(found)

    @cached_property
    def sends(self) -> dict[tuple[str, str], list[Op]]:
        """All sends of each sender and sequence, resends included, in the order they began."""
        found: dict[tuple[str, str], list[Op]] = defaultdict(list)
        for person in self.people.values():
            for op in person.record.sends():
                found[op.user, op.request.sequence].append(op)
        return dict(found)

    @cached_property
    def models(self) -> dict[str, Model | AssertionError]:
        """Each group, replayed from its log; or what in the log nobody may have done."""
        found: dict[str, Model | AssertionError] = {}
        for group in self.group_ids:
            try:
                found[group] = Model(self.store, group)
            except AssertionError as error:
                found[group] = error
        return found

    def homes(self, op: Op) -> set[Shard]:
        """The shards a message to a person must lie in."""
        return {self.store.shard_of(op.user), self.store.shard_of(op.request.receiver)}


def gather(bed: Bed, load: Load) -> Evidence:
    """Takes everything down; the load is at rest and the platform runs."""
    people = {
        actor.user: Person(actor.client.record, actor.client.view, actor.client.groups)
        for actor in load.actors
    }
    evidence = Evidence(bed.store, people, load.groups, load.reader.seen)
    evidence.redis.append(dump_redis(bed))
    _ask_all(load, people, _ask)
    evidence.redis.append(dump_redis(bed))
    with bed.redis_client() as client:
        client.delete(*(f"{cache}:{{{user}}}" for user in people for cache in CACHES))
    _ask_all(load, people, _ask_again)
    evidence.rows = bed.store.rows("1 = 1")
    for name in bed.store.names:
        for user, peer, read, bound in bed.store.query(
            name,
            "SELECT user, peer, LOWER(HEX(read_id)),"
            f" LOWER(HEX(GREATEST(read_id, cleared_received_id))) FROM {name}.conversation",
        ):
            evidence.reads[user, peer] = read
            evidence.marks[user, peer] = bound
        evidence.reads |= {
            (user, group): read
            for user, group, read in bed.store.query(
                name, f"SELECT user, group_id, LOWER(HEX(read_id)) FROM {name}.member"
            )
        }
    evidence.logs = bed.logs()
    return evidence


def _ask_all(load: Load, people: dict[str, Person], ask: Callable[[Device, Person], None]) -> None:
    """Asks on behalf of everybody, up to three times each; whoever is not answered complains."""
    for user, person in people.items():
        for attempt in range(3):
            try:
                with load.connect(user, person.view.cursor) as device:
                    ask(device, person)
                break
            except ENDED as error:
                if attempt == 2 or not isinstance(error, BROKEN):
                    person.record.complaints.append(f"cannot be read in the end: {error!r}")


def _ask_again(device: Device, person: Person) -> None:
    person.rebuilt = _contacts(device)


def _contacts(device: Device) -> list[im_pb2.Contact]:
    return [*insist(device, im_pb2.ContactsRequest(limit=100)).contacts]


def _ask(device: Device, person: Person) -> None:
    person.synced = sync_all(device, limit=200, patient=True)
    person.contacts = _contacts(device)
    reader = Reader(device)
    reader.sync(33)
    person.fresh = {group: reader.messages.get(group, {}) for group in reader.cursors}
    ok(device.call(im_pb2.PingRequest()))


def dump_redis(bed: Bed) -> dict[str, Any]:
    """Every key's value: bytes, lists or dicts of bytes; of a sorted set a dict of scores."""
    found: dict[str, Any] = {}
    with bed.redis_client() as client:
        for key in [*client.scan_iter(count=1000)]:
            found[key.decode(errors="replace")] = _value(client, key)
    return found


def _value(client: "redis.Redis", key: bytes) -> Any:
    match client.type(key):
        case b"string":
            return client.get(key)
        case b"hash":
            return client.hgetall(key)
        case b"list":
            return client.lrange(key, 0, -1)
        case b"set":
            return [*client.smembers(key)]
        case b"zset":
            scored: Any = client.zrange(key, 0, -1, withscores=True)
            return {member: int(score) for member, score in scored}
    return None
