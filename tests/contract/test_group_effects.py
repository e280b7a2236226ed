"""What a delivery of a group's log tells, writes and forgets; repeating it changes nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytest

from models import keys
from models.core import Core
from models.groupchange import membership_changes
from models.log import read_forward
from models.membership import Change
from proto import im_pb2
from tests.support.groupstore import GroupStore, someone, system


class Published(NamedTuple):
    """One publish on a group's channel."""

    previous: int
    gone: list[str]
    versions: list[int]


@pytest.fixture(params=[1, 2], ids=["once", "twice"])
def store(core: Core, request: pytest.FixtureRequest) -> GroupStore:
    return GroupStore(core, repeat=request.param)


@contextmanager
def hearing(core: Core, channel: str) -> Iterator[list[bytes]]:
    """What is published on the channel in the block; complete behind it."""
    heard: list[bytes] = []
    with core.redis.pubsub(ignore_subscribe_messages=True) as pubsub:
        pubsub.subscribe(channel)
        pubsub.get_message(timeout=5)
        yield heard
        core.redis.publish(channel, b"end")
        while (item := next_message(pubsub)) != b"end":
            heard.append(item)


def next_message(pubsub: Any) -> bytes:
    while True:
        item = pubsub.get_message(timeout=5)
        if item is not None:
            data: bytes = item["data"]
            return data


def read(payloads: list[bytes]) -> list[Published]:
    found = []
    for payload in payloads:
        head, _, body = payload.partition(b"\n")
        assert head[:1] == b"m"
        previous, _, gone = head[1:].decode().partition(" ")
        push = im_pb2.MessagesPush.FromString(body)
        versions = [message.version for message in push.messages]
        found.append(Published(int(previous), gone.split(",") if gone else [], versions))
    return found


def versions(store: GroupStore, group: str) -> list[int]:
    return [row.version for row in store.log(group)]


def indexed(store: GroupStore, user: str) -> list[tuple[Any, ...]]:
    """The user's index, past the platform."""
    database = store.core.shards.of_user(user).database
    rows = database.query(
        "SELECT group_id, member, version, join_id FROM user_group WHERE user = %s", (user,)
    )
    return list(rows)


def test_each_row_is_published_once_behind_the_one_before(store: GroupStore) -> None:
    # Given a group, another in its shard, and somebody who hears the first
    owner = someone()
    group = store.make(owner)
    other = store.make(owner, shard=store.shard(group))
    with hearing(store.core, keys.group_channel(group)) as heard:
        # When rows of both are delivered, alone and together, and once more from the beginning
        store.deliver()
        for _ in range(3):
            store.say(group, owner)
            store.say(other, owner)
            store.say(group, owner)
            store.deliver()
        store.deliver_from(group, 0)
    # Then each row has come once, in order, with the version of the group before it
    published = read(heard)
    log = versions(store, group)
    assert [version for one in published for version in one.versions] == log
    before = dict(zip(log, [0, *log], strict=False))
    assert [one.previous for one in published] == [before[one.versions[0]] for one in published]


def test_rows_are_cut_behind_who_was_removed(store: GroupStore) -> None:
    # Given messages before and behind two removals, delivered together
    owner, first, second = someone(), someone(), someone()
    group = store.make(owner, first, second)
    store.deliver()
    expected = []
    with hearing(store.core, keys.group_channel(group)) as heard:
        for gone in ([first], [second]):
            store.say(group, owner)
            store.remove(owner, group, *gone)
            expected.append((gone, versions(store, group)[-2:]))
        store.say(group, owner)
        expected.append(([], versions(store, group)[-1:]))
        store.deliver()
    # Then what comes behind a removal is in a publish of its own, behind the name of who has gone
    assert [(one.gone, one.versions) for one in read(heard)] == expected


def test_the_version_before_is_right_when_redis_has_lost_everything(store: GroupStore) -> None:
    # Given a delivered group whose newest message is recalled when Redis is empty
    owner = someone()
    group = store.make(owner)
    said = [store.say(group, owner) for _ in range(3)]
    store.deliver()
    before = versions(store, group)
    store.core.redis.flushall()
    store.recall(owner, said[-1].id)
    with hearing(store.core, keys.group_channel(group)) as heard:
        store.deliver()
    # Then a reader at any version up to the recalled one sees that there is no hole, or syncs
    (one,) = read(heard)
    assert one.previous == before[-2]
    assert one.versions == versions(store, group)[-1:]


def test_many_rows_after_a_loss_come_in_order(store: GroupStore) -> None:
    # Given more rows than one publish takes, and an empty Redis
    owner = someone()
    group = store.make(owner)
    store.send(*[store.draft(group, owner) for _ in range(230)])
    store.core.redis.flushall()
    with hearing(store.core, keys.group_channel(group)) as heard:
        store.deliver()
    # Then they come in several, none missing, each behind the one before
    published = read(heard)
    assert len(published) > 1
    assert [version for one in published for version in one.versions] == versions(store, group)
    ends = [0, *(one.versions[-1] for one in published)]
    assert [one.previous for one in published] == ends[:-1]


def test_the_delivery_writes_the_index_when_the_process_died(store: GroupStore) -> None:
    # Given changes whose process died before it wrote the index
    owner, guest, gone = someone(), someone(), someone()
    group = store.make(owner, guest, gone)
    store.remove(owner, group, gone)
    users = (owner, guest, gone)
    for user in users:
        database = store.core.shards.of_user(user).database
        database.execute("DELETE FROM user_group WHERE user = %s", (user,))
    store.core.redis.flushdb()
    assert [store.core.memberships.of(user) for user in users] == [[], [], []]
    # When the log is delivered
    with hearing(store.core, keys.channel(guest)) as heard:
        store.deliver()
    # Then everybody finds their groups, the caches included, and connections are told
    assert [store.core.memberships.of(user) for user in users] == [[group], [group], []]
    made, removed = store.log(group)
    assert indexed(store, guest) == [(group, 1, made.version, made.id)]
    assert indexed(store, gone) == [(group, 0, removed.version, made.id)]
    assert f"j{group}".encode() in heard


def test_an_older_change_never_undoes_a_newer_one(store: GroupStore) -> None:
    # Given somebody who came, was removed, and came again
    owner, guest = someone(), someone()
    group = store.make(owner, guest)
    store.remove(owner, group, guest)
    store.invite(owner, group, guest)
    store.deliver()
    expected = indexed(store, guest)
    assert [(member, join) for _, member, _, join in expected] == [(1, store.log(group)[-1].id)]
    # When their going is written again, by a late process, and by a late delivery
    removal = store.log(group)[-2]
    change = system(removal)
    assert change is not None
    store.core.memberships.write(membership_changes(removal, change, "join"))
    store.apply(store.shard(group), [removal])
    # Then they are still there
    assert indexed(store, guest) == expected
    assert store.core.memberships.of(guest) == [group]
    # And so the other way round: who went stays away
    store.remove(owner, group, guest)
    joined = store.log(group)[-2]
    store.core.memberships.write([Change(guest, group, True, joined.version, bytes(16))])
    assert store.core.memberships.of(guest) == []
    assert indexed(store, guest)[0][1:] == (0, store.log(group)[-1].version, joined.id)


def test_who_came_back_and_went_is_not_shown_what_was_said_between(store: GroupStore) -> None:
    # Given somebody who was removed, and came back by a process that has not written the index
    owner, guest = someone(), someone()
    group = store.make(owner, guest)
    store.remove(owner, group, guest)
    store.say(group, owner, "between")
    before = indexed(store, guest)
    store.invite(owner, group, guest)
    came = store.log(group)[-1]
    store.core.shards.of_user(guest).database.execute(
        "UPDATE user_group SET member = 0, version = %s, join_id = %s WHERE user = %s",
        (before[0][2], before[0][3], guest),
    )
    # When they are removed again, and then all is delivered
    store.remove(owner, group, guest)
    store.deliver()
    # Then what they may still read begins with their last coming
    left = store.core.memberships.left(guest, [group])[group]
    assert (left.latest, left.join_id) == (store.log(group)[-1].version, came.id)


def test_applying_twice_publishes_nothing_new(store: GroupStore) -> None:
    # Given rows that were applied
    owner, guest = someone(), someone()
    group = store.make(owner, guest)
    store.say(group, owner)
    store.deliver()
    shard = store.shard(group)
    begin = versions(store, group)[0] - 1
    rows = read_forward({shard: begin}, 1000)[shard][1]
    window = store.core.redis.hgetall(keys.group_rows(group))
    # When they are applied again
    with hearing(store.core, keys.group_channel(group)) as heard:
        store.apply(shard, rows)
        store.apply(shard, rows[1:])
    # Then nobody hears of it and the window is as it was
    assert heard == []
    assert store.core.redis.hgetall(keys.group_rows(group)) == window
