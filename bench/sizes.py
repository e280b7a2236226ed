"""What one message costs in groups of 10, 100 and 1,000 members who are all online."""

import time
from collections.abc import Iterator
from functools import partial
from typing import Any

from bench.groupload import SPEAKERS_MAX
from bench.groups import make_group, open_caller
from bench.measure import Figure
from bench.merge import merge
from bench.parts import in_parts
from bench.sending import run_together
from bench.sent import Sent
from bench.target import Target, knob, users

RATES = {10: 200, 100: 60, 1000: 8}
"""Messages a second by size: 2,000 to 8,000 deliveries, far from what saturates."""

REST_S = 4.0


def sizes(target: Target) -> Iterator[Figure]:
    """Messages to groups of 10, 100 and 1,000, everybody online: what each of them costs."""
    return in_parts(
        {f"{size} members": partial(_size, target, size, rate) for size, rate in RATES.items()}
    )


def _size(target: Target, size: int, rate: float) -> list[Figure]:
    duration_s = knob("DURATION_S", 10)
    names = users("size", size)
    with open_caller(target, names[0]) as caller:
        group = make_group(caller, names[1:])
    loaders = int(knob("LOADERS", 1))
    orders = group_orders(target, names, group, knob("RATE", rate), duration_s, loaders)
    ran = run_together(target, orders, duration_s, REST_S)
    ran.check()
    run = Sent(f"group/{size}", ran.span_s, merge(ran.reports), ran.cpu_s, ran.work)
    return group_figures(run)


def group_orders(
    target: Target, names: list[str], group: str, rate: float, duration_s: float, loaders: int = 1
) -> list[dict[str, Any]]:
    """Orders for generators that share the members; those of the first one speak."""
    tokens, seed = target.tokens(names), time.time_ns() // 1_000_000
    speakers = min(SPEAKERS_MAX, len(tokens[::loaders]))
    return [
        {
            "group": {
                "host": target.host,
                "port": target.ports["websocket"],
                "tokens": tokens[number::loaders],
                "group": group,
                "rate": rate,
                "warmup_s": 2.0,
                "duration_s": duration_s,
                "seed": seed,
                "together": True,
                "speaks": number == 0,
                "speakers": speakers,
            }
        }
        for number in range(loaders)
    ]


def group_figures(run: Sent) -> list[Figure]:
    """The figures of a group's run, like those of one-to-one messages."""
    report, figure = run.report, run.figure
    wrong = {
        "lost": report["lost"],
        "duplicates": report["duplicates"],
        "out of order": report["counts"].get("out of order", 0),
        "refused": sum(report["refused"].values()),
        "unanswered": report["unanswered"],
    }
    return [
        figure("offered", report["offered_rate"], "msg/s", minor=True),
        figure("acknowledged", report["acked_rate"], "msg/s", minor=True),
        figure("delivered", report["deliveries_rate"], "per s"),
        *run.latencies(push_p50_ms={}, push_p99_ms={}),
        *(figure(name, n, "messages", most=0, minor=not n) for name, n in wrong.items()),
        *run.minor_costs(),
    ]
