"""Every task comes more than once, late, and in another order; past ones come once more."""

from collections.abc import Iterator
from contextlib import contextmanager

from chaos.faults.base import Fault, Scene, Skipped

COPIES = 2
LATE_S = 2.0
TOLD = ("tasks doubled", "copies late", "overtaken", "of workers doubled")


@contextmanager
def juggled(scene: Scene) -> Iterator[str]:
    """All that is enqueued; of what workers enqueue only the copies are late."""
    bridge = scene.bed.bridge
    before = bridge.tally()
    bridge.copies, bridge.late_s = COPIES, LATE_S
    try:
        again = bridge.repeat()
        yield f"{COPIES} copies, up to {LATE_S:g} s late, {again} old tasks again"
    finally:
        bridge.copies, bridge.late_s = 1, 0.0
    did = bridge.tally() - before
    if not again and not any(did.values()):
        raise Skipped("there were no tasks")
    scene.outcome.append(", ".join(f"{did[what]} {what}" for what in TOLD))


FAULTS = (Fault("tasks doubled, delayed, shuffled", juggled, (6, 10)),)
