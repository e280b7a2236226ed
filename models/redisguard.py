"""Caches of another time: Redis restarted from an old snapshot, or a replica took its place.

Keys that vanish are rebuilt; keys that go back in time would be believed, because the rows between
are delivered already. Every Redis process has a run id of its own, and every restart ends our
connections, so it is enough to look when a delivery or a sweep begins.
"""

from typing import Any

import structlog

from models import keys

log = structlog.get_logger()

PATTERNS = (
    *("latest:*", "contacts:*", "unread:*", "marks:*", "lease:*", "blacklist*"),
    *("group-version:*", "group:*", "group-rows:*", "group-unread:*", "groups:*", "groups-lease:*"),
)
"""Not the registry: it notices by itself, see models/registry.py."""

KEYS_PER_STEP = 1000


def forget_another_time(client: Any) -> bool:
    """Drop all caches when this is not the Redis they were made in; returns whether it was not.

    Dying in the middle is harmless: the run id is written last, and dropping is repeated.
    """
    run_id = client.info("server")["run_id"]
    known = client.get(keys.SERVER)
    if known is not None and known.decode() == run_id:
        return False
    dropped = 0
    for pattern in PATTERNS:
        batch: list[bytes] = []
        for name in client.scan_iter(match=pattern, count=KEYS_PER_STEP):
            batch.append(name)
            if len(batch) == KEYS_PER_STEP:
                dropped += client.unlink(*batch)
                batch = []
        if batch:
            dropped += client.unlink(*batch)
    client.set(keys.SERVER, run_id)
    if dropped:
        log.info("caches dropped: another Redis, or one that lost everything", keys=dropped)
    return True
