"""All runs side by side, one line each, in tables of at most 80 columns."""

import math
from collections.abc import Iterable, Sequence

from bench.measure import Figure

PROCESSES = {
    "web": "web",
    "gateway": "gateway",
    "worker": "worker",
    "beat": "beat",
    "MariaDB": "mariadb",
    "Redis": "redis",
    "gen.": "the generator",
    "others": "everything else",
}
PERCENTILES = ("p50", "p90", "p99", "p99.9", "max")

Column = tuple[str, str]
"""Title, and the name of its figure."""

RATES: Sequence[Column] = (
    ("offered/s", "offered"),
    ("acked/s", "acknowledged"),
    ("deliv./s", "delivered"),
    ("lost", "lost"),
    ("twice", "duplicates"),
    ("order", "out of order"),
    ("gen. %", "CPU of the generator"),
)
ACKS: Sequence[Column] = tuple((name, f"ack {name}") for name in PERCENTILES)
PUSHES: Sequence[Column] = tuple((name, f"push {name}") for name in PERCENTILES)
COSTS: Sequence[Column] = (
    ("statem.", "MySQL statements per message"),
    ("rows wr.", "MySQL rows written per message"),
    ("rows rd.", "MySQL rows read per message"),
    ("fsyncs", "MySQL fsyncs per message"),
    ("Redis", "Redis commands per message"),
    ("CPU ms", "server CPU per message"),
    ("bytes", "bytes of clients per message"),
)
CPU: Sequence[Column] = tuple((title, f"CPU of {name}") for title, name in PROCESSES.items())
TABLES: Sequence[tuple[str, Sequence[Column]]] = (
    ("Rates, messages", RATES),
    ("Acks, ms", ACKS),
    ("Pushes, ms", PUSHES),
    ("For one message", COSTS),
    ("CPU, % of a core", CPU),
)
NAME_WIDTH = 16


def tables_of_runs(figures: Iterable[Figure]) -> str:
    """Every scenario that has one of the figures of a table is a line of it."""
    by_run: dict[str, dict[str, float]] = {}
    for figure in figures:
        by_run.setdefault(figure.scenario, {})[figure.name] = figure.value
    return "\n\n".join(
        text for title, columns in TABLES if (text := _table(title, columns, by_run))
    )


def _table(title: str, columns: Sequence[Column], by_run: dict[str, dict[str, float]]) -> str:
    rows = [
        (run, [values.get(name, math.nan) for _, name in columns])
        for run, values in by_run.items()
        if any(name in values for _, name in columns)
    ]
    if not rows:
        return ""
    width = min(10, (80 - NAME_WIDTH) // len(columns))
    lines = [f"{title:<{NAME_WIDTH}}" + "".join(f"{name:>{width}}" for name, _ in columns)]
    for run, values in rows:
        cells = "".join(f"{_short(value):>{width}}" for value in values)
        lines.append(f"{run:<{NAME_WIDTH}}{cells}")
    return "\n".join(lines)


def _short(value: float) -> str:
    """At most seven characters where it can be; empty for what was not measured."""
    if math.isnan(value):
        return ""
    if value and abs(value) < 0.01:
        return f"{value:.4f}"
    if abs(value) < 10 and value != int(value):
        return f"{value:.2f}"
    return f"{value:.1f}" if abs(value) < 100 and value != int(value) else f"{value:,.0f}"
