"""The highest rate that is still delivered in time, by transport."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from bench.agree import agreed
from bench.httpusers import POLL_S
from bench.loader import GeneratorLimited, RunFailed
from bench.measure import Figure
from bench.parts import in_parts
from bench.sending import send
from bench.sent import Sent
from bench.target import Target, knob

PUSH_P99_MS_MAX = 100.0
DELIVERED_SHARE_MIN = 0.99
RATE_MAX = 16_000.0
RAMP = 1.5
CLOSE = 1.10
"""The search ends when what is too much is at most this times what was reached."""

STARTS = {"websocket": (2000, 1000), "tcp": (2000, 1000), "comet": (200, 500), "http": (400, 100)}
"""By transport: the rate to begin with, in messages a second, and users."""

ALLOWED_MS = {"http": 1000 * POLL_S}
"""What a transport waits by its nature, on top of the limit."""


def highest(
    holds: Callable[[float], bool], start: float, most: float, close: float = CLOSE
) -> float:
    """The highest rate that holds: half as much again while it does, then bisected.

    Within the factor `close` of one that does not hold, or `most`; 0 when not even a sixteenth of
    `start` holds. Each rate is asked for once: that it is tried again is up to `holds`.
    """
    good, bad = 0.0, start
    while bad <= most and holds(bad):
        good, bad = bad, RAMP * bad
    bad = min(bad, most)
    while not good and bad > start / 16:
        if holds(bad / 2):
            good = bad / 2
        else:
            bad /= 2
    while good and bad / good > close:
        middle = (good + bad) / 2
        if holds(middle):
            good = middle
        else:
            bad = middle
    return good


def sustained(run: Sent, rate: float, push_p99_ms_max: float) -> bool:
    """Whether all that was offered was delivered, in time and undamaged."""
    report = run.report
    return (
        report["offered_rate"] >= DELIVERED_SHARE_MIN * rate
        and report["delivered_rate"] >= DELIVERED_SHARE_MIN * rate
        and report["push"]["p99_ms"] <= push_p99_ms_max
        and all(figure.met is not False for figure in run.integrity())
    )


def capacity(target: Target) -> Iterator[Figure]:
    """The highest rate whose push p99 stays below 100 ms, by transport."""
    wanted = os.environ.get("WAYS", "").split() or list(STARTS)
    starts = {transport: STARTS[transport] for transport in wanted}
    return in_parts(
        {
            transport: partial(
                _search, target, transport, knob("RATE", rate), int(knob("USERS", people))
            )
            for transport, (rate, people) in starts.items()
        }
    )


@dataclass(frozen=True, slots=True)
class Try:
    """What one try of a rate gave; no run where it could not be carried out."""

    sustained: bool = False
    broken: bool = False
    limited: bool = False  # by the generator
    run: Sent | None = None


def slower(tries: Iterable[Try]) -> Sent | None:
    """Of the tries that decided the run with the higher push p99; None without any."""
    runs = [tried.run for tried in tries if tried.run is not None]
    return max(runs, key=lambda run: float(run.report["push"]["p99_ms"]), default=None)


def _search(target: Target, transport: str, start: float, count: int) -> Iterator[Figure]:
    """What was found on the way to the highest rate, and that rate; `RunFailed` without one."""
    best: dict[float, Sent] = {}
    tries: list[Try] = []
    points: list[Figure] = []
    limited: list[float] = []

    def attempt(rate: float) -> Try:
        tried = _try(target, transport, rate, count)
        tries.append(tried)
        if tried.run is not None:
            points.extend(_points(tried.run, transport, rate))
        return tried

    def holds(rate: float) -> bool:
        deciding = agreed(lambda: attempt(rate))
        run = slower(deciding)
        if deciding[0].sustained and run is not None:
            best[rate] = run
        elif deciding[0].limited:
            limited.append(rate)
        return rate in best

    rate = highest(holds, start, RATE_MAX)
    broken = sum(tried.broken for tried in tries)
    yield from points
    yield Figure("capacity", f"{transport}: loss or disorder", broken, "tries", most=0)
    if limited and min(limited) <= CLOSE * rate:
        raise RunFailed(f"the generator ended the search at {min(limited):,.0f}/s")
    if not rate:
        raise RunFailed(f"not even {start / 16:g} messages a second hold")
    yield from best[rate].details(push_p99_ms={})
    yield Figure("capacity", transport, rate, "msg/s")


def _try(target: Target, transport: str, rate: float, count: int) -> Try:
    """Offer the rate for a few seconds, and say what came of it."""
    scenario = f"cap/{'ws' if transport == 'websocket' else transport}"
    duration_s, warmup_s = knob("DURATION_S", 5), knob("WARMUP_S", 2)
    try:
        run = send(target, scenario, rate, duration_s, count, transport, warmup_s=warmup_s)
    except RunFailed as error:
        print(f"  {transport} {rate:,.0f}/s: {error}", file=sys.stderr, flush=True)
        return Try(limited=isinstance(error, GeneratorLimited))
    good = sustained(run, rate, PUSH_P99_MS_MAX + ALLOWED_MS.get(transport, 0.0))
    broken = any(figure.met is False for figure in run.damage())
    print(
        f"  {transport} {rate:,.0f}/s:"
        f" {'held' if good else 'broken' if broken else 'too much'},"
        f" {run.report['delivered_rate']:,.0f}/s delivered,"
        f" push p99 {run.report['push']['p99_ms']:,.0f} ms",
        file=sys.stderr,
        flush=True,
    )
    return Try(good, broken, run=run)


def _points(run: Sent, transport: str, rate: float) -> list[Figure]:
    """What the plot of latencies is made of, from one try."""
    return [
        Figure(
            "capacity",
            f"{transport} at {rate:.0f}: {what} {name}",
            run.report[what][f"{name}_ms"],
            "ms",
            minor=True,
        )
        for what in ("ack", "push")
        for name in ("p50", "p99")
    ]
