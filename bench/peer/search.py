"""The highest rate a server sustains, found by trying rates."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

TRIES_MAX = 14
PUSH_P99_MS_MAX = 100.0
DELIVERED_SHARE_MIN = 0.99
GENERATOR_SHARE_MAX = 0.85
"""Of one core: above, the generator may be what is measured, and the rate does not count."""

ROWS_SHARE_MIN = 0.999


@dataclass(frozen=True, slots=True)
class Try:
    """What one rate gave; `cost` is for each message."""

    rate: float
    sustained: bool
    push_p50_ms: float = 0.0
    push_p99_ms: float = 0.0
    heard_rate: float = 0.0
    generator_share: float = 0.0
    cost: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Terms:
    """When a rate counts as sustained, beside that nothing is lost, doubled or refused."""

    rows: float  # in tables, for each message, at least
    push_p99_ms: float = PUSH_P99_MS_MAX


def faults(report: Mapping[str, Any], rate: float, rows: float, terms: Terms) -> list[str]:
    """Why the rate does not count as sustained; nothing where it does. `rows`: per message."""
    wanted = DELIVERED_SHARE_MIN * rate * report["audience"]
    checks = {
        "gave up": report["cut_short"],
        "fell behind": report["heard_rate"] < wanted,
        "lost": report["lost"],
        "doubled": report["doubled"],
        "refused": report["refused"],
        "not archived": rows < ROWS_SHARE_MIN * terms.rows,
        "too slow": not report["push"]["p99_ms"] <= terms.push_p99_ms,
        "the generator was too busy": report["cpu_share"] > GENERATOR_SHARE_MAX,
    }
    return [name for name, found in checks.items() if found]


def highest(probe: Callable[[float], Try], start: float, step: float, close: float) -> Try | None:
    """The best try: up or down by `step` to one rate that holds and one that does not, then
    between them until they are within `close` (both are factors above 1); None if none held.
    """
    best: Try | None = None
    failed = 0.0
    rate = start
    for _ in range(TRIES_MAX):
        tried = probe(rate)
        if tried.sustained:
            best = tried
        else:
            failed = rate
        if best is None:
            rate = failed / step
        elif not failed:
            rate = best.rate * step
        elif failed / best.rate <= close:
            break
        else:
            rate = (best.rate * failed) ** 0.5
    return best
