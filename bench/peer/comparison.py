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


Get = Callable[[Round], float | None]


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
    tries = [get(each) for each in _of_side(rounds, OURS)]
    return _at_least(*filter(None, tries))


def _at_least(*tries: Try) -> str:
    return ", at least" if any(tried.limited for tried in tries) else ""


def _pairs(rounds: Sequence[Round], ours: Get, theirs: Get) -> list[tuple[float, float]]:
    """What both showed, of the rounds in which both did; the peer's turn comes first."""
    turns = zip(_of_side(rounds, OURS), _of_side(rounds, PEER), strict=False)
    both = [(ours(mine), theirs(other)) for mine, other in turns]
    return [(mine, other) for mine, other in both if mine is not None and other is not None]


def _of_side(rounds: Sequence[Round], side: str) -> list[Round]:
    return [each for each in rounds if each.side == side]


def _alone(rounds: Sequence[Round], side: str, get: Get) -> list[float]:
    return [value for each in _of_side(rounds, side) if (value := get(each)) is not None]


def _ratio(
    rounds: Sequence[Round],
    scenario: str,
    name: str,
    unit: str,
    get: Get,
    *,
    most: float | None = None,
    least: float | None = None,
    bound: str = "",
) -> list[Figure]:
    """The medians, and ours in shares of theirs; `bound` where ours is one."""
    pairs = _pairs(rounds, get, get)
    mine = [mine for mine, _ in pairs] or _alone(rounds, OURS, get)
    other = [other for _, other in pairs] or _alone(rounds, PEER, get)
    figures = [
        Figure(scenario, f"{name}, {who}", statistics.median(values), unit)
        for who, values in ((f"{OURS}{bound}", mine), (PEER, other))
        if values
    ]
    if pairs:
        ratio = statistics.median(mine) / statistics.median(other)
        figures.append(Figure(scenario, f"{name}: ratio{bound}", ratio, "", most=most, least=least))
    return figures


def _as_quick(rounds: Sequence[Round]) -> list[Figure]:
    """Our highest rate when push p99 may be no worse than theirs at their highest: the target."""
    pairs = _pairs(rounds, lambda r: _of(r.one_as_quick, "rate"), lambda r: _of(r.one, "rate"))
    if not pairs:
        return []
    mine, other = map(statistics.median, zip(*pairs, strict=True))
    bound = _bound(rounds, lambda r: r.one_as_quick)
    return [
        Figure("one-to-one", f"at its p99, ours{bound}", mine, "msg/s"),
        Figure("one-to-one", f"at its p99: ratio{bound}", mine / other, "", least=2),
        *_by_round(rounds),
    ]


def _by_round(rounds: Sequence[Round]) -> list[Figure]:
    """What each round found one to one, of which the medians are made."""
    figures = []
    shown: list[tuple[str, str, Callable[[Round], Try | None]]] = [
        (PEER, "ejabberd", lambda r: r.one),
        (OURS, "ours at its p99", lambda r: r.one_as_quick),
        (OURS, "ours", lambda r: r.one),
    ]
    for side, who, get in shown:
        for number, each in enumerate(_of_side(rounds, side), 1):
            if tried := get(each):
                name = f"round {number}, {who}"
                figures += [
                    Figure("one-to-one", name + _at_least(tried), tried.rate, "msg/s"),
                    Figure("one-to-one", f"{name}: push p99", tried.push_p99_ms, "ms"),
                ]
    return figures


def _details(
    rounds: Sequence[Round], scenario: str, get: Callable[[Round], Try | None]
) -> list[Figure]:
    """Latency, the generator's part, and what each message cost, at the highest rate."""
    figures = []
    for side in (OURS, PEER):
        tries = [tried for each in _of_side(rounds, side) if (tried := get(each)) is not None]
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
