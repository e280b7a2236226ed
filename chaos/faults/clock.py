"""The wall clocks of processes jump; that of MySQL, which dates messages, does not."""

from collections.abc import Iterator
from contextlib import contextmanager

from chaos.faults.base import Fault, Scene

JUMPS_S = (-3600.0, -45.0, 45.0, 3600.0)


@contextmanager
def jump(scene: Scene) -> Iterator[str]:
    """All web processes, the gateway, workers and beat, each another way, while they run."""
    clocks = scene.bed.clocks
    names = [name for name in scene.bed.processes if name != "usercenter"]
    jumps = {name: scene.pick.choice(JUMPS_S) for name in names}
    for name, wrong_by_s in jumps.items():
        clocks.jump(name, wrong_by_s)
    try:
        yield ", ".join(f"{name} {wrong_by_s:+g} s" for name, wrong_by_s in jumps.items())
    finally:
        for name in names:
            clocks.jump(name, 0.0)


FAULTS = (Fault("clock jumps", jump, (6, 10)),)
