"""Every task comes more than once, late, and in another order."""

from collections.abc import Iterator
from contextlib import contextmanager

from chaos.faults.base import Fault, Scene

COPIES = 2
LATE_S = 2.0


@contextmanager
def juggled(scene: Scene) -> Iterator[str]:
    """All that web, gateway and beat enqueue; what workers call for themselves comes at once."""
    bridge = scene.bed.bridge
    bridge.copies, bridge.late_s = COPIES, LATE_S
    try:
        yield f"{COPIES} copies, up to {LATE_S:g} s late"
    finally:
        bridge.copies, bridge.late_s = 1, 0.0


FAULTS = (Fault("tasks doubled, delayed, shuffled", juggled, (6, 10)),)
