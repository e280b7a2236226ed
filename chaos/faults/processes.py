"""Processes of the platform die with SIGKILL, their children with them or alone."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial

from chaos.faults.base import Fault, Inject, Scene, Skipped
from dev.proc import tree

STOP_S = 20.0
KINDS = ("web", "gateway", "worker", "beat")
ROUNDS = 3
APART_S = (1.0, 3.0)
"""Less than a process takes to start: the next one dies while others are still coming back."""


@contextmanager
def kill(scene: Scene, kind: str) -> Iterator[str]:
    """One process of this kind with all its children; it stays away for a while."""
    names = [name for name in scene.bed.processes if name.partition(".")[0] == kind]
    name = scene.pick.choice(names)
    with scene.bed.without(name):
        scene.bed.platform.kill(name)
        yield name


@contextmanager
def kill_in_turn(scene: Scene) -> Iterator[str]:
    """One of each kind, again and again, every few seconds; each is started again at once."""
    killed = []
    for _ in range(ROUNDS):
        for kind in scene.pick.sample(KINDS, len(KINDS)):
            with kill(scene, kind) as name:
                killed.append(name)
            time.sleep(scene.pick.uniform(*APART_S))
    yield f"{len(killed)} kills: {', '.join(killed)}"


@contextmanager
def kill_children(scene: Scene) -> Iterator[str]:
    """As the kernel does when memory is short: parents replace them by themselves."""
    names = [name for name in scene.bed.processes if name.startswith(("web", "worker"))]
    families = {name: tree(scene.bed.platform.pid(name))[1:] for name in names}
    parents = [name for name in names if families[name]]
    if not parents:
        raise Skipped("nobody has children just now")
    name = scene.pick.choice(parents)
    children = families[name]
    for child in children:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    yield f"{len(children)} of {name}"


@contextmanager
def rolling_restart(scene: Scene) -> Iterator[str]:
    """One process after the other is stopped in an orderly way and started again."""
    bed = scene.bed
    names = [name for name in bed.processes if name != "usercenter"]
    slowest = (0.0, "nothing")
    for name in names:
        with bed.without(name):
            began = time.monotonic()
            bed.platform.stop(name, timeout_s=STOP_S)
            slowest = max(slowest, (time.monotonic() - began, name))
            bed.start(name)
    yield f"slowest to stop: {slowest[1]}, {slowest[0]:.1f} s"


def _killing(kind: str) -> Inject:
    return partial(kill, kind=kind)


FAULTS = (
    *(Fault(f"kill -9 {kind}", _killing(kind), (1, 4)) for kind in ("web", "gateway", "worker")),
    Fault("kill -9 beat", _killing("beat")),
    Fault("kill -9 in turn", kill_in_turn, (0, 1)),
    Fault("kill -9 children", kill_children, (2, 4)),
    Fault("rolling restart", rolling_restart, (0, 1)),
)
