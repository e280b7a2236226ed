"""Redis dies, forgets, freezes, or has no room; every time without a copy on disk."""

from collections.abc import Iterator
from contextlib import contextmanager

import redis

from chaos.faults.base import Fault, Scene, Skipped


@contextmanager
def killed(scene: Scene) -> Iterator[str]:
    """Away for a while, then back and empty."""
    scene.bed.redis.kill()
    try:
        yield ""
    finally:
        scene.bed.redis.start()


@contextmanager
def emptied(scene: Scene) -> Iterator[str]:
    """Forgets everything, a few times, without a connection being lost."""
    scene.bed.redis.flush()
    yield ""
    scene.bed.redis.flush()


@contextmanager
def frozen(scene: Scene) -> Iterator[str]:
    """SIGSTOP: connections stay, nothing is answered."""
    scene.bed.redis.pause()
    try:
        yield ""
    finally:
        scene.bed.redis.resume()


@contextmanager
def full(scene: Scene) -> Iterator[str]:
    """`maxmemory` is half of what is used: whatever needs memory is refused."""
    with scene.bed.redis_client() as client:
        used = int(client.info("memory")["used_memory"])
        before = _refused(client)
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", used // 2)
        try:
            yield f"at {used // 1024} KiB"
        finally:
            client.config_set("maxmemory", 0)
        refused = _refused(client) - before
    if not refused:
        raise Skipped("nothing was refused")
    scene.outcome.append(f"{refused} commands refused")


def _refused(client: "redis.Redis") -> int:
    """How many commands so far, because there was no memory for them."""
    errors = client.info("errorstats")
    return int(errors.get("errorstat_OOM", {}).get("count", 0))


FAULTS = (
    Fault("Redis killed", killed, empties=True, stores=True),
    Fault("Redis emptied", emptied, empties=True),
    Fault("Redis frozen", frozen, stores=True),
    Fault("Redis full", full, stores=True),
)
