"""A worker is frozen for longer than its locks last, while it holds the lock of a shard."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from chaos.bed import Bed
from chaos.faults.base import Fault, Scene, Skipped

LOCKS = "lock:shard:*"
LOCK_S = 5.0
"""A lock lasts this long, and a worker that runs renews it every second."""
TRIES = 12
LOOK_AFTER_S = 2.5
FRESH_MS = 3900
"""What a lock has left whose worker ran just now: who died before has not renewed it."""
STALE_MS = 3200
"""What a lock has left that nobody renewed since we looked away."""


@contextmanager
def paused(scene: Scene) -> Iterator[str]:
    """SIGSTOP; whether it holds a lock is seen by that lock not being renewed."""
    bed = scene.bed
    workers = [name for name in bed.processes if name.startswith("worker")]
    for _ in range(TRIES):
        name = scene.pick.choice(workers)
        bed.platform.pause(name)
        try:
            fresh = {key for key, left_ms in _locks(bed).items() if left_ms > FRESH_MS}
            time.sleep(LOOK_AFTER_S)
            locks = _locks(bed)
            if stale := sum(0 < locks.get(key, 0) < STALE_MS for key in fresh):
                yield f"{name}, which held {stale} locks"
                return
        finally:
            bed.platform.resume(name)
        time.sleep(scene.pick.random())
    raise Skipped(f"no worker was met that held a lock, {TRIES} times")


def _locks(bed: Bed) -> dict[bytes, int]:
    """What each lock of a shard has left, in milliseconds."""
    with bed.redis_client() as client:
        return {key: client.pttl(key) for key in client.scan_iter(match=LOCKS)}


FAULTS = (Fault("worker paused with a lock", paused, (45, 45)),)
