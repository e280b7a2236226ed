"""The bridge carries every task, once or more, and late if it is to."""

import json
import threading

import redis
from celery import Celery
from celery.contrib.testing.worker import start_worker

from chaos.bridge import Bridge
from dev.clients.wait import DEADLINE_S, wait_until
from dev.services import Redis

SOURCE, TARGET = 3, 4


def test_tasks_are_carried_doubled_and_shuffled(redis_server: Redis) -> None:
    # Given
    tasks = [json.dumps({"n": n, "properties": {"delivery_tag": f"{n}"}}) for n in range(50)]
    with (
        redis.Redis(port=redis_server.port, db=SOURCE) as source,
        redis.Redis(port=redis_server.port, db=TARGET) as target,
        Bridge(redis_server.port, SOURCE, TARGET, 1) as bridge,
    ):

        def carried() -> list[int]:
            """Their numbers, first in first."""
            found = target.lrange("deliver", 0, -1)
            return [json.loads(task)["n"] for task in reversed(found)]

        # When
        source.lpush("deliver", *tasks)
        # Then
        wait_until(lambda: len(carried()) == 50)
        assert carried() == [*range(50)]
        # When
        target.flushdb()
        bridge.copies, bridge.late_s = 2, 0.3
        source.lpush("deliver", *tasks)
        # Then
        wait_until(lambda: len(carried()) == 100)
        assert sorted(carried()) == sorted([*range(50)] * 2)
        assert carried() != sorted(carried())
        tags = {
            json.loads(task)["properties"]["delivery_tag"]
            for task in target.lrange("deliver", 0, -1)
        }
        assert len(tags) == 100
        # When those that came last, of both times, are given once more
        target.flushdb()
        assert bridge.repeat() == 64
        # Then
        wait_until(lambda: len(carried()) == 64)
        assert sorted(carried()) == sorted([*range(36, 50), *range(50)])
        target.flushdb()


def test_what_workers_enqueue_for_themselves_is_doubled_once(redis_server: Redis) -> None:
    # Given: a worker, and a task that calls another past the bridge
    app = Celery(broker=redis_server.url(TARGET), set_as_current=False)
    app.conf.task_acks_late = True
    ran: list[str] = []
    over = threading.Event()

    @app.task(name="inner")
    def inner() -> None:
        ran.append("inner")
        over.wait(DEADLINE_S)

    @app.task(name="outer")
    def outer() -> None:
        ran.append("outer")
        app.send_task("inner", queue="deliver")

    with (
        Bridge(redis_server.port, SOURCE, TARGET, 1) as bridge,
        redis.Redis(port=redis_server.port, db=TARGET) as target,
        start_worker(
            app, pool="threads", concurrency=4, perform_ping_check=False, queues=["deliver"]
        ),
    ):
        bridge.copies = 2
        # When
        with Celery(broker=redis_server.url(SOURCE), set_as_current=False) as caller:
            caller.send_task("outer", queue="deliver")
        # Then: the bridge doubles the outer task, and each inner one
        wait_until(lambda: bridge.tally()["of workers doubled"] == 2)
        wait_until(lambda: ran.count("inner") == 4)
        over.set()
        wait_until(lambda: not target.exists("unacked"))
        assert sorted(ran) == ["inner"] * 4 + ["outer"] * 2
        assert bridge.tally()["of workers doubled"] == 2
        target.flushdb()
