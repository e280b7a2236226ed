"""Plots of a report's figures, as PNG."""

import math
import re
import statistics
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import matplotlib

from bench.measure import Figure

matplotlib.use("Agg")
from matplotlib import pyplot  # what draws must be chosen before
from matplotlib.ticker import StrMethodFormatter

POINT = re.compile(r"(\w+) at (\d+): (ack|push) (p50|p99)")
ROWS_OF = {"k": 1_000, "M": 1_000_000}
INCHES = (8.0, 5.0)
DOTS_PER_INCH = 120
LIMIT_MS = 100.0

Lines = Mapping[str, list[tuple[float, float]]]
"""Points by the name of their line."""


def draw(figures: Iterable[Figure], folder: Path) -> list[Path]:
    """Draw what there are figures for; return the files written."""
    known = [figure for figure in figures if math.isfinite(figure.value)]
    drawn = []
    for name, draw_one, lines in (
        ("latency-by-rate", _latency_by_rate, rate_lines(known)),
        ("cost-by-group-size", _cost_by_size, size_lines(known)),
        ("page-by-rows", _page_by_rows, row_lines(known)),
    ):
        if any(len(points) > 1 for points in lines.values()):
            path = folder / f"bench-{name}.png"
            _save(path, draw_one, lines)
            drawn.append(path)
    return drawn


def rate_lines(figures: Iterable[Figure]) -> Lines:
    """Latency (ms) against offered rate, the median of the capacity search's tries at each."""
    tries: dict[str, dict[float, list[float]]] = {}
    for figure in figures:
        if found := POINT.fullmatch(figure.name):
            transport, rate, what, share = found.groups()
            line = tries.setdefault(f"{transport} {what} {share}", {})
            line.setdefault(float(rate), []).append(figure.value)
    return {
        name: [(rate, statistics.median(values)) for rate, values in sorted(line.items())]
        for name, line in tries.items()
    }


def size_lines(figures: Iterable[Figure]) -> Lines:
    """What one message costs against the size of its group."""
    names = {
        "server CPU per message": "CPU, ms",
        "MySQL statements per message": "MySQL statements",
        "MySQL rows written per message": "MySQL rows written",
        "Redis commands per message": "Redis commands",
        "push p50": "push p50, ms",
    }
    return _lines(figures, names, "group/", int)


def row_lines(figures: Iterable[Figure]) -> Lines:
    """The time of a page of history against the rows of the table."""
    names = {"page p50": "p50", "page p99": "p99"}
    return _lines(figures, names, "history/", _count)


def _lines(
    figures: Iterable[Figure], names: Mapping[str, str], prefix: str, size: Callable[[str], float]
) -> Lines:
    lines: dict[str, list[tuple[float, float]]] = {}
    for figure in figures:
        if figure.scenario.startswith(prefix) and figure.name in names:
            point = (size(figure.scenario.removeprefix(prefix)), figure.value)
            lines.setdefault(names[figure.name], []).append(point)
    return {name: sorted(points) for name, points in lines.items()}


def _count(short: str) -> float:
    return float(short[:-1]) * ROWS_OF[short[-1]] if short[-1] in ROWS_OF else float(short)


def _save(path: Path, draw_one: Callable[[Any, Lines], None], lines: Lines) -> None:
    figure, axes = pyplot.subplots(figsize=INCHES, layout="constrained")
    draw_one(axes, lines)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(StrMethodFormatter("{x:,g}"))
    axes.yaxis.set_minor_formatter(StrMethodFormatter("{x:,g}"))
    axes.grid(which="major", alpha=0.4)
    axes.legend()
    figure.savefig(path, dpi=DOTS_PER_INCH)
    pyplot.close(figure)


def _plot(axes: Any, lines: Lines) -> None:
    for name, points in lines.items():
        axes.plot(*zip(*points, strict=True), marker="o", label=name)


def _latency_by_rate(axes: Any, lines: Lines) -> None:
    _plot(axes, {name: points for name, points in lines.items() if " push " in name})
    axes.axhline(LIMIT_MS, color="grey", linestyle="--", label=f"{LIMIT_MS:g} ms")
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="offered, messages a second",
        ylabel="from due to pushed, ms",
        title="Latency against rate",
    )


def _cost_by_size(axes: Any, lines: Lines) -> None:
    _plot(axes, lines)
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="members, all of them online",
        ylabel="for one message",
        title="Cost of a message against the size of its group",
    )


def _page_by_rows(axes: Any, lines: Lines) -> None:
    _plot(axes, lines)
    axes.set(
        xscale="log",
        xlabel="rows of the table",
        ylabel="page of 50 messages, ms",
        title="History against rows",
        ylim=(0, None),
    )
