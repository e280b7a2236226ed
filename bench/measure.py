"""Percentiles and the figures of a report."""

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Latency:
    """NaN where there was nothing to measure."""

    count: int
    p50_ms: float
    p99_ms: float
    max_ms: float


def summarise(values_ms: Iterable[float]) -> Latency:
    """Percentiles by the nearest rank."""
    ordered = sorted(values_ms)
    count = len(ordered)
    if not count:
        return Latency(0, math.nan, math.nan, math.nan)
    p50, p99 = (ordered[math.ceil(count * share) - 1] for share in (0.50, 0.99))
    return Latency(count, p50, p99, ordered[-1])


@dataclass(frozen=True, slots=True)
class Figure:
    """One number; `most` or `least` is its target, both absent where it is only reported."""

    scenario: str
    name: str
    value: float
    unit: str
    most: float | None = None
    least: float | None = None

    @property
    def target(self) -> str:
        if self.most is not None:
            return f"<= {self.most:g}"
        return f">= {self.least:g}" if self.least is not None else ""

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without one. A value that is NaN meets nothing."""
        if self.most is not None:
            return self.value <= self.most
        return self.value >= self.least if self.least is not None else None


def table(figures: Iterable[Figure]) -> str:
    """Figures as a table of at most 80 columns."""
    rows = [("scenario", "figure", "value", "unit", "target", "met")]
    rows += [
        (
            figure.scenario,
            figure.name,
            f"{figure.value:,.0f}" if abs(figure.value) >= 1000 else f"{figure.value:,.2f}",
            figure.unit,
            figure.target,
            {True: "yes", False: "NO", None: ""}[figure.met],
        )
        for figure in figures
    ]
    return "\n".join(
        f"{scenario:<11} {name:<28} {value:>10} {unit:<9} {target:<10} {met}".rstrip()
        for scenario, name, value, unit, target, met in rows
    )
