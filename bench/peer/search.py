"""The highest rate a server sustains, found by trying rates; of each, two that agree decide."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bench.agree import agreed
from bench.loader import GeneratorLimited
from bench.merge import bottleneck

TRIES_MAX = 16
BEHIND = frozenset({"gave up", "fell behind"})
WRONG = frozenset({"doubled", "in another order", "heard by others"})
MISSING = frozenset({"lost", "not archived"})
STEP_MAX = 2.0
PUSH_P99_MS_MAX = 100.0
DELIVERED_SHARE_MIN = 0.99


@dataclass(frozen=True, slots=True)
class Try:
    """What one rate gave; `cost` is for each message."""

    rate: float
    sustained: bool
    limited: str = ""  # why it is the generator that was measured; empty: it was the server
    """Of the best: why it is a lower bound."""
    broken: bool = False  # a message was lost, doubled or heard where it should not be
    push_p50_ms: float = 0.0
    push_p99_ms: float = 0.0
    heard_rate: float = 0.0
    generator_share: float = 0.0
    cost: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Terms:
    """When a rate counts as sustained, beside that every message was heard, once and in order."""

    rows: float  # in the archive, for each message, at least
    push_p99_ms: float = PUSH_P99_MS_MAX


def faults(report: Mapping[str, Any], rate: float, rows: float, terms: Terms) -> list[str]:
    """Why the rate does not count as sustained; nothing where it does.

    `rows`: in the archive, for each message.
    """
    wanted = DELIVERED_SHARE_MIN * rate * report["audience"]
    checks = {
        "gave up": report["cut_short"],
        "fell behind": report["heard_rate"] < wanted,
        "lost": report["lost"],
        "doubled": report["doubled"],
        "in another order": report["disordered"],
        "heard by others": report["strayed"],
        "refused": report["refused"],
        "not archived": rows < terms.rows,
        "too slow": not report["push"]["p99_ms"] <= terms.push_p99_ms,
        "the generator ended it": limited_by(report),
    }
    return [name for name, found in checks.items() if found]


def is_broken(found: Iterable[str]) -> bool:
    """Whether these faults are more than slowness: a message was heard wrongly, or never.

    What is missing where the server fell behind may be on its way, as no one waits for ever.
    """
    names = set(found)
    return bool(names & WRONG or (names & MISSING and not names & BEHIND))


def limited_by(report: Mapping[str, Any]) -> str:
    """Why the figures are the generator's: too busy, or late (bench/merge.py); else empty."""
    return bottleneck(report, report["machine_share"]) or ""


def decided(attempt: Callable[[], Try]) -> Try:
    """Of the tries of a rate that decide on it, the one with the higher push p99."""
    return max(agreed(attempt), key=lambda one: one.push_p99_ms)


def settled(best: Try | None, tries: Sequence[Try], close: float) -> Try | None:
    """The best try; `limited` where the generator, and not the server, ended the search.

    So it did where one of its own limits lies within the factor `close` of the best rate, which is
    then a lower bound. Raises `GeneratorLimited` where no rate held for it.
    """
    for tried in sorted((tried for tried in tries if tried.limited), key=lambda one: one.rate):
        if best is None:
            raise GeneratorLimited(f"figures withheld at {tried.rate:,.0f} msg/s: {tried.limited}")
        if tried.rate <= close * best.rate:
            return replace(best, limited=f"at {tried.rate:,.0f} msg/s {tried.limited}")
    return best


def highest(probe: Callable[[float], Try], start: float, step: float, close: float) -> Try | None:
    """The best try: up or down to one rate that holds and one that does not, then between them.

    `step` is the first step, each further one is longer, and `close` is how near they are to be in
    the end; all are factors above 1. None if none held.
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
            step = min(step**1.5, STEP_MAX)
        elif not failed:
            rate = best.rate * step
            step = min(step**1.5, STEP_MAX)
        elif failed / best.rate <= close:
            break
        else:
            rate = (best.rate * failed) ** 0.5
    else:
        return best and replace(best, limited="the search ran out of tries")
    return best
