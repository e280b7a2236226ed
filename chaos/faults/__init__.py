"""All faults; each module has one idea."""

from chaos.faults import (
    clock,
    mysql,
    network,
    overlaps,
    paused_worker,
    processes,
    redis,
    slow_readers,
    tasks,
)
from chaos.faults.base import Fault

FAULTS: tuple[Fault, ...] = (
    *processes.FAULTS,
    *redis.FAULTS,
    *mysql.FAULTS,
    *tasks.FAULTS,
    *paused_worker.FAULTS,
    *overlaps.FAULTS,
    *network.FAULTS,
    *slow_readers.FAULTS,
    *clock.FAULTS,
)
