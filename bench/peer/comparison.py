"""What rounds on both servers come to: medians, ratios, and the targets they meet or miss."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.measure import Figure
from bench.peer.search import Try

OURS, PEER = "ours", "ejabberd"


@dataclass(frozen=True, slots=True)
class Round:
    """What one server showed in one round; None was not measured."""

    side: str
    idle_kib: float | None = None
    serial_ms: float | None = None
    one: Try | None = None
    one_as_quick: Try | None = None  # ours, with a push p99 no worse than the other's at its best
    group: Try | None = None


def compare(rounds: Sequence[Round]) -> list[Figure]:
    """All figures of what was measured; ratios of what was on both."""
    return [
        *_as_quick(rounds),
        *_ratio(
            rounds,
            "one-to-one",
            "highest rate",
            "msg/s",
            lambda r: _of(r.one, "rate"),
            bound=_bound(rounds, lambda r: r.one),
        ),
        *_details(rounds, "one-to-one", lambda r: r.one),
        *_ratio(
            rounds,
            "group",
            "deliveries",
            "per s",
            lambda r: _of(r.group, "heard_rate"),
            least=1,
            bound=_bound(rounds, lambda r: r.group),
        ),
        *_details(rounds, "group", lambda r: r.group),
        *_ratio(rounds, "idle", "memory for each", "KiB", lambda r: r.idle_kib, most=0.6),
        *_ratio(rounds, "serial", "push p50", "ms", lambda r: r.serial_ms, most=3),
    ]


def _of(tried: Try | None, name: str) -> float | None:
    return None if tried is None else float(getattr(tried, name))


def _bound(rounds: Sequence[Round], get: Callable[[Round], Try | None]) -> str:
    """For the names of figures that are lower bounds: the generator ended a search of ours."""
    tries = [get(each) for each in rounds if each.side == OURS]
    return ", at least" if any(tried.limited for tried in tries if tried) else ""


def _values(
    rounds: Sequence[Round], side: str, get: Callable[[Round], float | None]
) -> list[float]:
    values = [get(each) for each in rounds if each.side == side]
    return [value for value in values if value is not None]


def _ratio(
    rounds: Sequence[Round],
    scenario: str,
    name: str,
    unit: str,
    get: Callable[[Round], float | None],
    *,
    most: float | None = None,
    least: float | None = None,
    bound: str = "",
) -> list[Figure]:
    """The medians, and ours in shares of theirs; `bound` where ours is one."""
    values = {side: _values(rounds, side, get) for side in (OURS, PEER)}
    medians = {side: statistics.median(each) for side, each in values.items() if each}
    figures = [
        Figure(scenario, f"{name}, {side}{bound if side == OURS else ''}", median, unit)
        for side, median in medians.items()
    ]
    if len(medians) == len(values):
        ratio = medians[OURS] / medians[PEER]
        figures.append(Figure(scenario, f"{name}: ratio{bound}", ratio, "", most=most, least=least))
    return figures


def _as_quick(rounds: Sequence[Round]) -> list[Figure]:
    """Our highest rate when push p99 may be no worse than theirs at their highest: the target."""
    ours = _values(rounds, OURS, lambda r: _of(r.one_as_quick, "rate"))
    theirs = _values(rounds, PEER, lambda r: _of(r.one, "rate"))
    if not ours or not theirs:
        return []
    rate = statistics.median(ours)
    ratio = rate / statistics.median(theirs)
    return [
        Figure("one-to-one", "at its p99, ours", rate, "msg/s"),
        Figure("one-to-one", "at its p99: ratio", ratio, "", least=2),
    ]


def _details(
    rounds: Sequence[Round], scenario: str, get: Callable[[Round], Try | None]
) -> list[Figure]:
    """Latency, the generator's part, and what each message cost, at the highest rate."""
    figures = []
    for side in (OURS, PEER):
        tries = [tried for each in rounds if each.side == side and (tried := get(each)) is not None]
        if not tries:
            continue
        p99_ms = statistics.median(tried.push_p99_ms for tried in tries)
        share = max(tried.generator_share for tried in tries)
        figures += [
            Figure(scenario, f"push p99, {side}", p99_ms, "ms"),
            Figure(scenario, f"generator busy, {side}", 100 * share, "% core"),
        ]
        for name in tries[0].cost:
            each = statistics.median(tried.cost[name] for tried in tries)
            unit = "ms/msg" if name.startswith("CPU") else "per msg"
            figures.append(Figure(scenario, f"{name}, {side}", each, unit))
    return figures
