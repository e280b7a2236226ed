"""The bridge carries every task, once or more, and late if it is to."""

import json

import redis

from chaos.bridge import Bridge
from dev.clients.wait import wait_until
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
        target.flushdb()
