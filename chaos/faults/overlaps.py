"""Two faults at once: processes die and come back while a store is away."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from chaos.faults import mysql, redis
from chaos.faults.base import Fault, Inject, Scene
from chaos.faults.processes import kill

STORES: dict[str, Inject] = {
    "Redis frozen": redis.frozen,
    "MariaDB frozen": mysql.frozen,
    "one database away": mysql.one_away,
}
KINDS = ("web", "gateway", "worker")
APART_S = 1.0


@contextmanager
def killed_without_a_store(scene: Scene) -> Iterator[str]:
    """One of each kind; they start without that store, and end and start until it is back."""
    away = scene.pick.choice(sorted(STORES))
    names = []
    with STORES[away](scene) as which:
        for kind in scene.pick.sample(KINDS, len(KINDS)):
            with kill(scene, kind) as name:
                names.append(name)
            time.sleep(APART_S)
        yield f"{away} {which}: {', '.join(names)}".replace(" :", ":")


FAULTS = (Fault("kill -9 while a store is away", killed_without_a_store, (1, 3), stores=True),)
