"""Processes and Redis die while groups are talked in and changed: nothing is lost or doubled.

`grouptruth.check` holds answers, views, lists, counts and pushes against the logs, replayed.
"""

import os
import signal

import pytest

from bench.procs import tree
from dev.clients.wait import wait_until
from dev.clients.wire import ok
from proto import im_pb2
from tests.support import grouptruth
from tests.support.cluster import Cluster
from tests.support.groupload import GroupLoad
from tests.support.groups import Reader, make_group, say

pytestmark = [pytest.mark.chaos, pytest.mark.slow]

USERS = 12
COUNT = 200
"""What each does: more than is done before the last failure; the rest is done in peace."""


def group_load(cluster: Cluster) -> GroupLoad:
    """A few users who do much."""
    return GroupLoad(cluster, users=USERS, groups=3, count=COUNT)


def finish(load: GroupLoad) -> None:
    """Let the rest be done, then check everything."""
    load.finish()
    grouptruth.check(load)


def test_the_worker_is_killed(fragile: Cluster) -> None:
    with group_load(fragile) as load:
        for _ in range(3):
            load.wait_acks(60)
            # When: in the middle of deliveries and of counting
            fragile.platform.kill("worker")
            load.wait_acks(20)
            fragile.start("worker")
        # Then
        finish(load)


def test_children_of_the_worker_are_killed(fragile: Cluster) -> None:
    with group_load(fragile) as load:
        for _ in range(3):
            load.wait_acks(60)
            parent = fragile.platform.pid("worker")
            children = tree(parent)[1:]
            # When
            for child in children:
                os.kill(child, signal.SIGKILL)
            wait_until(lambda p=parent, c=children: set(tree(p)[1:]) - set(c))  # type: ignore[misc]
        # Then
        finish(load)


def test_the_web_process_is_killed(fragile: Cluster) -> None:
    """Also between the commit of a change and what follows it: the delivery does that again."""
    with group_load(fragile) as load:
        for _ in range(3):
            load.wait_acks(60)
            # When
            fragile.platform.kill("web")
            fragile.start("web")
        # Then
        finish(load)


def test_redis_forgets_everything(fragile: Cluster) -> None:
    with group_load(fragile) as load:
        for _ in range(6):
            load.wait_acks(40)
            # When
            fragile.redis.flush()
        # Then
        finish(load)


def test_everything_at_once(fragile: Cluster) -> None:
    with group_load(fragile) as load:
        # When
        for kill in ("worker", "web", "worker"):
            load.wait_acks(50)
            fragile.platform.kill(kill)
            fragile.redis.flush()
            fragile.start(kill)
            load.wait_acks(10)
            fragile.redis.flush()
        # Then
        finish(load)


def test_a_sync_reads_all_that_was_acknowledged_without_a_worker(fragile: Cluster) -> None:
    # Given
    owner, guest, back = (fragile.person() for _ in range(3))
    boss = fragile.connect(owner)
    group = make_group(boss, [guest, back])
    readers = {user: Reader(fragile.connect(user)) for user in (owner, guest, back)}
    for reader in readers.values():
        reader.sync()
    fragile.platform.stop("worker")

    # When
    texts = [f"{n}" for n in range(30)]
    ids = [ok(boss.call(say(group, text))).id for text in texts[:20]]
    ok(boss.call(im_pb2.GroupRemoveRequest(group=group, users=[back])))
    ids += [ok(boss.call(say(group, text))).id for text in texts[20:]]
    ok(boss.call(im_pb2.RecallRequest(id=ids[3])))
    second = make_group(boss, [guest])
    ok(boss.call(say(second, "in the other")))

    # Then: also with an empty Redis, and in a new client
    shown = [*texts[:3], "", *texts[4:]]
    for _ in range(2):
        readers["new"] = Reader(fragile.connect(guest))
        for reader in readers.values():
            reader.sync(11)
        for user in (owner, guest, "new"):
            assert readers[user].texts(group) == shown
            assert readers[user].texts(second) == ["in the other"]
        assert readers[back].texts(group) == [*texts[:3], *texts[4:20]], "3 has moved behind"
        assert readers[back].gone == {group}
        answer = ok(fragile.connect(guest).call(im_pb2.ContactsRequest()))
        counts = {contact.peer: contact.unread for contact in answer.contacts}
        assert counts == {group: 29, second: 1}
        fragile.redis.flush()

    # Then: the worker comes to the same
    fragile.start("worker")
    wait_until(lambda: fragile.store.undelivered() == 0, what="delivery")
    for reader in readers.values():
        reader.sync()
    assert readers[guest].texts(group) == shown
    assert readers[guest].version == readers["new"].version
