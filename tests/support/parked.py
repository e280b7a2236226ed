"""A long poll that waits beside the test."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from dev.clients.wait import wait_until
from models import keys
from tests.support.cluster import Cluster


@contextmanager
def parked(cluster: Cluster, user: str, poll: Callable[[], Any]) -> Iterator[Future[Any]]:
    """Run a poll of a user who is not connected otherwise; once it waits, go on beside it."""
    channel = keys.channel(user)
    with ThreadPoolExecutor(1) as pool, cluster.redis_client() as redis:

        def listeners() -> int:
            return int(dict(redis.pubsub_numsub(channel))[channel.encode()])

        wait_until(lambda: not listeners(), what="the end of earlier polls")
        answer = pool.submit(poll)
        wait_until(lambda: listeners() or answer.done(), what="the poll")
        assert not answer.done(), f"the poll did not wait: {answer.result()}"
        yield answer
