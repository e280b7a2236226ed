"""Processes and servers die under load: nothing acknowledged is lost, doubled or out of order.

`Load.check` holds everything against the promise: acks, both mailboxes in MySQL and through sync,
what devices show, contact lists and unread counts.
"""

import os
import signal
import threading
from collections.abc import Callable

import pytest

from bench.procs import tree
from dev.clients.wait import wait_until
from models.broker import make_celery
from models.settings import Settings
from tests.support.cluster import Cluster
from tests.support.truth import Load

pytestmark = pytest.mark.chaos


def test_the_worker_is_killed(fragile: Cluster) -> None:
    with Load(fragile) as load:
        load.wait_acks()
        for _ in range(2):
            # When: the whole group dies in the middle of deliveries
            fragile.platform.kill("worker")
            load.wait_acks()
            fragile.start("worker")
            load.wait_acks()
        # Then
        load.check()


def test_the_web_process_is_killed(fragile: Cluster) -> None:
    with Load(fragile) as load:
        load.wait_acks()
        for _ in range(2):
            # When: appends and connections die in the middle
            fragile.platform.kill("web")
            fragile.start("web")
            load.wait_acks()
        # Then
        load.check()
        assert all(chatter.reconnects for chatter in load.chatters)


def test_single_children_are_killed(fragile: Cluster) -> None:
    """As the kernel does when memory is short: their parents live on and replace them."""
    with Load(fragile) as load:
        for name in ("web", "worker", "worker"):
            load.wait_acks(100)
            parent = fragile.platform.pid(name)
            children = tree(parent)[1:]
            # When
            os.kill(children[-1], signal.SIGKILL)
            # Then
            wait_until(lambda p=parent, c=children: set(tree(p)[1:]) - set(c))  # type: ignore[misc]
            assert fragile.platform.pid(name) == parent
        load.wait_acks()
        load.check()


def test_clients_move_to_another_web_process(fragile: Cluster) -> None:
    """Resends race with what the dying process still has under way in MySQL."""
    fragile.start("web.2")
    try:
        with Load(fragile, webs=("web", "web.2")) as load:
            load.wait_acks()
            for name in ("web", "web.2"):
                # When
                fragile.platform.kill(name)
                load.wait_acks()
                fragile.start(name)
            # Then
            load.check()
            assert all(chatter.reconnects for chatter in load.chatters)
    finally:
        fragile.platform.kill("web.2")


def test_web_and_worker_are_restarted_gently(fragile: Cluster) -> None:
    with Load(fragile) as load:
        for name in ("web", "worker"):
            load.wait_acks()
            # When
            fragile.platform.stop(name)
            fragile.start(name)
        load.wait_acks()
        # Then
        load.check()
        assert all(chatter.reconnects for chatter in load.chatters)


def test_redis_forgets_everything(fragile: Cluster) -> None:
    with Load(fragile) as load:
        for _ in range(8):
            load.wait_acks(100)
            # When: locks, queues, caches, subscriptions' counters: all gone
            fragile.redis.flush()
        load.wait_acks()
        # Then
        load.check()


def test_redis_is_killed(fragile: Cluster) -> None:
    with Load(fragile) as load:
        load.wait_acks()
        for _ in range(2):
            # When
            fragile.redis.kill()
            load.wait_acks(50)
            fragile.redis.start()
            load.wait_acks()
        # Then: with a worker that lives on and works, or that ended and was started again
        load.supervise = ("worker", "beat")
        load.check()


def test_mysql_is_killed(fragile: Cluster) -> None:
    with Load(fragile, window=1) as load:
        load.wait_acks()
        for _ in range(2):
            # When: in the middle of commits
            fragile.mariadb.kill()
            fragile.mariadb.start()
            load.wait_acks()
        # Then
        load.check()
        assert sum(len(chatter.retries) for chatter in load.chatters)


def test_every_task_runs_more_than_once(fragile: Cluster) -> None:
    # Given: deliveries of every shard and sweeps, enqueued again and again beside the real ones
    settings = Settings(
        mysql_url=("mysql://unused@127.0.0.1/unused",), redis_url=fragile.redis.url()
    )
    over = threading.Event()
    celery = make_celery(settings)

    def repeat() -> None:
        while not over.wait(0.02):
            for number in range(4):
                celery.send_task("tasks.deliver", args=[[number, 3 - number]])
            celery.send_task("tasks.sweep")

    doubler = threading.Thread(target=repeat, daemon=True)
    with Load(fragile) as load:
        doubler.start()
        try:
            load.wait_acks(1000)
        finally:
            over.set()
            doubler.join()
        # Then
        load.check()
    celery.close()


def test_everything_at_once(fragile: Cluster) -> None:
    # Given
    steps: list[Callable[[], None]] = [
        lambda: fragile.platform.kill("worker"),
        fragile.redis.flush,
        lambda: fragile.platform.kill("web"),
        lambda: fragile.start("web"),
        lambda: fragile.start("worker"),
        fragile.redis.flush,
    ]
    with Load(fragile) as load:
        # When
        for step in steps:
            step()
            if fragile.platform.alive("web"):
                load.wait_acks(100)
        # Then
        load.check()
