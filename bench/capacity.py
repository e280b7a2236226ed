"""The highest rate that is still delivered in time, by transport."""

import os
import sys
from collections.abc import Callable, Iterator

from bench.httpusers import POLL_S
from bench.loader import GeneratorLimited, RunFailed
from bench.measure import Figure
from bench.sending import send
from bench.sent import Sent
from bench.target import Target, knob

PUSH_P99_MS_MAX = 100.0
DELIVERED_SHARE_MIN = 0.99
RATE_MAX = 16_000.0
RAMP = 1.5
CLOSE = 1.10
"""The search ends when what is too much is at most this times what was reached."""

STARTS = {"websocket": (2000, 1000), "tcp": (2000, 1000), "comet": (200, 500), "http": (50, 100)}
"""By transport: the rate to begin with, in messages a second, and users."""

ALLOWED_MS = {"http": 1000 * POLL_S}
"""What a transport waits by its nature, on top of the limit."""


def highest(
    holds: Callable[[float], bool], start: float, most: float, close: float = CLOSE
) -> float:
    """The highest rate that holds: half as much again while it does, then bisected.

    Within the factor `close` of one that does not hold, or `most`; 0 when not even a sixteenth of
    `start` holds. A rate that does not hold is tried twice: machines hiccup.
    """

    def holds_of_two(rate: float) -> bool:
        return holds(rate) or holds(rate)

    good, bad = 0.0, start
    while bad <= most and holds_of_two(bad):
        good, bad = bad, RAMP * bad
    bad = min(bad, most)
    while not good and bad > start / 16:
        if holds_of_two(bad / 2):
            good = bad / 2
        else:
            bad /= 2
    while good and bad / good > close:
        middle = (good + bad) / 2
        if holds_of_two(middle):
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
    for transport in wanted:
        start, count = STARTS[transport]
        yield from _search(target, transport, knob("RATE", start), int(knob("USERS", count)))


def _search(target: Target, transport: str, start: float, count: int) -> list[Figure]:
    duration_s, warmup_s = knob("DURATION_S", 5), knob("WARMUP_S", 2)
    limit_ms = PUSH_P99_MS_MAX + ALLOWED_MS.get(transport, 0.0)
    best: dict[float, Sent] = {}
    points: list[Figure] = []
    limited: list[float] = []

    def holds(rate: float) -> bool:
        scenario = f"cap/{'ws' if transport == 'websocket' else transport}"
        try:
            run = send(target, scenario, rate, duration_s, count, transport, warmup_s=warmup_s)
        except RunFailed as error:
            if isinstance(error, GeneratorLimited):
                limited.append(rate)
            print(f"  {transport} {rate:,.0f}/s: {error}", file=sys.stderr, flush=True)
            return False
        good = sustained(run, rate, limit_ms)
        for what in ("ack", "push"):
            for name in ("p50", "p99"):
                value = run.report[what][f"{name}_ms"]
                points.append(
                    Figure(
                        "capacity",
                        f"{transport} at {rate:.0f}: {what} {name}",
                        value,
                        "ms",
                        minor=True,
                    )
                )
        print(
            f"  {transport} {rate:,.0f}/s: {'held' if good else 'too much'},"
            f" {run.report['delivered_rate']:,.0f}/s delivered,"
            f" push p99 {run.report['push']['p99_ms']:,.0f} ms",
            file=sys.stderr,
            flush=True,
        )
        if good:
            best[rate] = run
        return good

    rate = highest(holds, start, RATE_MAX)
    if limited and min(limited) <= CLOSE * rate:
        raise RunFailed(f"{transport}: the generator ended the search at {min(limited):,.0f}/s")
    if not rate:
        raise RunFailed(f"{transport} does not hold {start / 16:g} messages a second")
    return [
        *points,
        *best[rate].details(push_p99_ms={}),
        Figure("capacity", transport, rate, "msg/s"),
    ]
