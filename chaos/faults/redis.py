"""Redis dies, forgets, freezes, or has no room; every time without a copy on disk."""

from collections.abc import Iterator
from contextlib import contextmanager

from chaos.faults.base import Fault, Scene


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
    """`maxmemory` is what is used already: whatever needs memory is refused."""
    with scene.bed.redis_client() as client:
        used = int(client.info("memory")["used_memory"])
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", used - 1)
        try:
            yield f"at {used // 1024} KiB"
        finally:
            client.config_set("maxmemory", 0)


FAULTS = (
    Fault("Redis killed", killed, empties=True, stores=True),
    Fault("Redis emptied", emptied, empties=True),
    Fault("Redis frozen", frozen, stores=True),
    Fault("Redis full", full, stores=True),
)
