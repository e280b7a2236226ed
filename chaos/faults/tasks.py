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
    before = bridge.doubled, bridge.delayed, bridge.overtaken
    bridge.copies, bridge.late_s = COPIES, LATE_S
    try:
        yield f"{COPIES} copies, up to {LATE_S:g} s late"
    finally:
        bridge.copies, bridge.late_s = 1, 0.0
        after = bridge.doubled, bridge.delayed, bridge.overtaken
        did = [late - early for early, late in zip(before, after, strict=True)]
        scene.outcome.append(f"{did[0]} tasks doubled, {did[1]} copies late, {did[2]} overtaken")


FAULTS = (Fault("tasks doubled, delayed, shuffled", juggled, (6, 10)),)
