"""Percentiles and the figures of a report."""

import base64
import math
from array import array
from collections.abc import Iterable
from dataclasses import dataclass

SHARES = (0.50, 0.90, 0.99, 0.999)


@dataclass(frozen=True, slots=True)
class Latency:
    """NaN where there was nothing to measure."""

    count: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    p90_ms: float = math.nan
    p999_ms: float = math.nan


def summarise(values_ms: Iterable[float]) -> Latency:
    """Percentiles by the nearest rank."""
    ordered = sorted(values_ms)
    count = len(ordered)
    if not count:
        return Latency(0, math.nan, math.nan, math.nan)
    p50, p90, p99, p999 = (ordered[math.ceil(count * share) - 1] for share in SHARES)
    return Latency(count, p50, p99, ordered[-1], p90, p999)


def pack(values_ms: Iterable[float]) -> str:
    """Single measurements as text, from one process to another: 32-bit floats in base64."""
    return base64.b64encode(array("f", values_ms).tobytes()).decode()


def unpack(packed: str) -> "array[float]":
    """What `pack` was given, to seven digits."""
    values = array("f")
    values.frombytes(base64.b64decode(packed))
    return values


@dataclass(frozen=True, slots=True)
class Figure:
    """One number; `most` or `least` is its target, both absent where it is only reported.

    `minor`: it is in the JSON and in the tables of runs, and has no line of its own.
    """

    scenario: str
    name: str
    value: float
    unit: str
    most: float | None = None
    least: float | None = None
    minor: bool = False

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
        if not figure.minor
    ]
    return "\n".join(
        f"{scenario:<11} {name:<28} {value:>10} {unit:<9} {target:<10} {met}".rstrip()
        for scenario, name, value, unit, target, met in rows
    )
