"""Memory and CPU seconds of process trees, from /proc."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dev.proc import tree as tree

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PROCESSORS = os.cpu_count() or 1
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
SETTLED_SHARE = 0.01
SETTLE_POLL_S = 0.5
QUIET_CPU_SHARE = 0.25  # of one core


@dataclass(frozen=True, slots=True)
class Usage:
    cpu_s: float
    rss_bytes: int


def workers(pid: int) -> list[int]:
    """The children of a master process; the process itself where it has none."""
    return tree(pid)[1:] or [pid]


def usage(pids: list[int]) -> Usage:
    """CPU seconds used so far, by the kernel on their behalf too, and resident memory."""
    ticks = rss_pages = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        ticks += int(fields[11]) + int(fields[12])  # utime, stime: proc(5) fields 14 and 15
        rss_pages += int(fields[21])
    return Usage(ticks / TICKS_PER_S, rss_pages * PAGE_BYTES)


def machine_cpu_s() -> float:
    """CPU seconds all processors spent on anything but waiting (proc(5), /proc/stat)."""
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(
        int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    )
    return (user + nice + system + irq + softirq + steal) / TICKS_PER_S


def machine_share(cpu_s: float, span_s: float) -> float:
    """The share of all processors that so many CPU seconds are of a time."""
    return cpu_s / span_s / PROCESSORS


def by_name(pids: Mapping[str, int]) -> dict[str, Usage]:
    """Usage of each named process with its descendants."""
    return {name: usage(tree(pid)) for name, pid in pids.items()}


def settled_rss_bytes(pids: list[int], timeout_s: float) -> int:
    """Resident memory once it has stayed within a percent for three readings."""
    deadline_s = time.monotonic() + timeout_s
    readings = [usage(pids).rss_bytes]
    while time.monotonic() < deadline_s:
        time.sleep(SETTLE_POLL_S)
        readings = [*readings[-2:], usage(pids).rss_bytes]
        if len(readings) == 3 and max(readings) - min(readings) <= SETTLED_SHARE * max(readings):
            break
    return readings[-1]


def wait_until_quiet(timeout_s: float) -> None:
    """Return when the machine does little, so that nobody else's work is measured, or in time."""
    deadline_s = time.monotonic() + timeout_s
    before_s = machine_cpu_s()
    while time.monotonic() < deadline_s:
        time.sleep(1)
        after_s = machine_cpu_s()
        if after_s - before_s < QUIET_CPU_SHARE:
            break
        before_s = after_s
