"""All faults; each module has one idea."""

from dataclasses import replace

from chaos.faults import (
    clock,
    mysql,
    network,
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
    *network.FAULTS,
    *slow_readers.FAULTS,
    *clock.FAULTS,
)
LONG_PAUSE_S = 45.0


def faults_for(duration_s: float) -> list[Fault]:
    """The faults, those of a long run kept up as long as they are to be."""
    long = duration_s >= 1200
    return [
        replace(fault, seconds=(LONG_PAUSE_S, LONG_PAUSE_S))
        if long and fault in paused_worker.FAULTS
        else fault
        for fault in FAULTS
    ]
