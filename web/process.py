"""What a process that holds many connections asks of the system and of Python."""

import gc
import resource
from pathlib import Path

from prometheus_client.multiprocess import mark_process_dead

FILES_SPARE = 1000


def allow_files(connections: int) -> bool:
    """Raise the limit of open files as far as allowed; False when that is too low."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard >= connections + FILES_SPARE


def spare_long_pauses() -> None:
    """What is there now stays and need not be looked through by the garbage collector again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def forget_dead_gauges(folder: str) -> None:
    """Remove the gauges of processes that died without a word."""
    for gauge in Path(folder).glob("gauge_live*.db") if folder else ():
        pid = gauge.stem.rpartition("_")[2]
        if not _runs(pid):
            mark_process_dead(pid, folder)  # type: ignore[no-untyped-call]


def _runs(pid: str) -> bool:
    """Whether a process of this number runs; one that died and was not waited for does not."""
    try:
        return bool(Path("/proc", pid, "cmdline").read_bytes())
    except OSError:
        return False
