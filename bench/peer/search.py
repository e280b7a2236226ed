"""The highest rate a server sustains, found by trying rates."""

from collections.abc import Callable
from dataclasses import dataclass, field

TRIES_MAX = 14


@dataclass(frozen=True, slots=True)
class Try:
    """What one rate gave."""

    rate: float
    sustained: bool
    push_p50_ms: float = 0.0
    push_p99_ms: float = 0.0
    heard_rate: float = 0.0
    generator_share: float = 0.0
    per_message: dict[str, float] = field(default_factory=dict)
    why: str = ""


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
