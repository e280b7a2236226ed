"""One report from those of several load generators, and whether they were the bottleneck.

Percentiles are those of all single measurements together: an average of percentiles is none.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import chain
from typing import Any

from bench.loader import GeneratorLimited
from bench.measure import summarise, unpack

CPU_SHARE_MAX = 0.85
"""Of one core: a generator that uses more cannot keep to its clock."""

LATE_P99_MS_MAX = 20.0
"""Sends later than this, on a machine that has time, are the generator's own fault."""

MACHINE_BUSY_SHARE = 0.90
"""From here on sends are late because the server has the processors: the latencies hold it."""

SUMS = (
    "offered_rate", "acked_rate", "delivered_rate", "deliveries_rate", "sent", "acked", "lost",
    "own_lost", "unanswered", "duplicates", "cpu_s", "acked_measured", "bytes",
)  # fmt: skip
WORST = ("lag_growth_ms", "delivered_in_s", "cpu_share", "measured_s", "messages")
COUNTERS = ("refused", "counts")
LATENCIES = ("send", "ack", "push")


def merge(reports: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The report of all of them; that of one stays what it is, without its samples."""
    if len(reports) == 1:
        return {name: value for name, value in reports[0].items() if name != "samples"}
    merged: dict[str, Any] = {}
    for name in set().union(*reports):
        values = [report[name] for report in reports if name in report]
        if name in SUMS:
            merged[name] = sum(values)
        elif name in WORST:
            merged[name] = max(values)
        elif name in COUNTERS:
            merged[name] = dict(sum((Counter(value) for value in values), Counter()))
        elif name in LATENCIES:
            samples = (unpack(report["samples"][name]) for report in reports)
            merged[name] = asdict(summarise(chain.from_iterable(samples)))
    return merged


def check_share(cpu_share: float) -> None:
    """Raise `GeneratorLimited` where a generator was too busy for figures of the server."""
    if cpu_share > CPU_SHARE_MAX:
        raise GeneratorLimited(f"figures withheld: the generator used {cpu_share:.2f} of a core")


def bottleneck(report: Mapping[str, Any], machine_share: float) -> str | None:
    """Why the figures are the generator's and not the server's; None when they are the server's.

    `machine_share`: of all processors, what was in use; `report` of one generator, or merged.
    """
    if report["cpu_share"] > CPU_SHARE_MAX:
        return (
            f"a load generator used {100 * report['cpu_share']:.0f} % of a core"
            f" (most: {100 * CPU_SHARE_MAX:.0f} %)"
        )
    late_ms = report["send"]["p99_ms"]
    if late_ms > LATE_P99_MS_MAX and machine_share < MACHINE_BUSY_SHARE:
        return (
            f"sends were {late_ms:.0f} ms late (p99) while the machine was"
            f" {100 * machine_share:.0f} % busy"
        )
    return None
