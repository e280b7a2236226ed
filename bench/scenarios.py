"""The scenarios of one-to-one messages and their targets."""

import math
from collections.abc import Iterator
from functools import partial
from typing import Any

from bench.httpusers import POLL_S
from bench.loader import TIMEOUT_S, Loader, RunFailed
from bench.measure import Figure
from bench.parts import in_parts
from bench.sending import WARMUP_S, send
from bench.sent import NEIGHBOURS, Sent
from bench.target import Target, knob, users

__all__ = [
    "LOADER_TIMEOUT_S", "NEIGHBOURS", "WARMUP_S", "Loader", "RunFailed", "Sent", "Target", "closed",
    "knob", "latency", "one_to_one", "send", "sparse", "to_json", "users", "ways",
]  # fmt: skip

LOADER_TIMEOUT_S = TIMEOUT_S
LAG_GROWTH_MS_MAX = 25.0
SPARSE_RATE = 62  # messages a second: `bench/sizing.py` says of which users
WAYS = {"websocket": (1000, 1000), "tcp": (1000, 1000), "comet": (200, 500), "http": (100, 100)}
"""By transport: messages a second, and users; few enough that none of them is saturated."""

SHORT = {"websocket": "ws"}
CLOSED_CLIENTS = (2, 10, 100)
CLOSED_RATE_MAX = 20_000.0


def one_to_one(target: Target) -> list[Figure]:
    """Sustained one-to-one messages: nothing lost, nothing doubled, no growing lag."""
    rate, duration_s = knob("RATE", 4000), knob("DURATION_S", 30)
    loaders = int(knob("LOADERS", 1))
    people = int(knob("USERS", 1000))
    run = send(target, "one-to-one", rate, duration_s, people, loaders=loaders)
    report, figure = run.report, run.figure
    return [
        figure("offered", round(report["offered_rate"]), "msg/s", least=rate),
        figure("acknowledged", report["acked_rate"], "msg/s", least=0.99 * rate),
        figure("delivered", report["delivered_rate"], "msg/s", least=0.99 * rate),
        figure("growth of the lag", report["lag_growth_ms"], "ms", most=LAG_GROWTH_MS_MAX),
        *run.latencies(
            ack_p50_ms={},
            ack_p99_ms={"most": 50},
            push_p50_ms={},
            push_p99_ms={"most": 250},
            push_max_ms={},
        ),
        *run.integrity(),
        *run.costs(),
    ]


def latency(target: Target) -> list[Figure]:
    """What one message takes while the machine is far from busy."""
    return _unhurried(target, "latency", knob("RATE", 200), knob("DURATION_S", 15), most=8)


def sparse(target: Target) -> list[Figure]:
    """What one message takes when there are as many as 10,000 users send at their busiest."""
    return _unhurried(target, "sparse", knob("RATE", SPARSE_RATE), knob("DURATION_S", 30))


def _unhurried(
    target: Target, name: str, rate: float, duration_s: float, most: float | None = None
) -> list[Figure]:
    """`most`: the target of the median push, in milliseconds."""
    run = send(target, name, rate, duration_s, int(knob("USERS", 200)))
    goal = {} if most is None else {"most": most}
    return [
        *run.rates(),
        *run.latencies(ack_p50_ms={}, ack_p99_ms={}, push_p50_ms=goal, push_p99_ms={}),
        *run.integrity(),
        *run.costs(),
    ]


def ways(target: Target) -> Iterator[Figure]:
    """The same messages over WebSocket, TCP, Comet, and POSTs with a poll of the receiver."""
    return in_parts(
        {
            SHORT.get(transport, transport): partial(_way, target, transport, rate, people)
            for transport, (rate, people) in WAYS.items()
        }
    )


def _way(target: Target, transport: str, usual: float, people: int) -> list[Figure]:
    rate, count = knob("RATE", usual), int(knob("USERS", people))
    name = f"ways/{SHORT.get(transport, transport)}"
    run = send(target, name, rate, knob("DURATION_S", 8), count, transport)
    figures = run.details(push_p50_ms={}, push_p99_ms={})
    if transport == "http":
        figures.append(run.figure("receivers poll every", POLL_S, "s"))
    return figures


def closed(target: Target) -> Iterator[Figure]:
    """A closed loop: so many users, each with one message outstanding."""
    return in_parts(
        {f"{clients} users": partial(_closed, target, clients) for clients in CLOSED_CLIENTS}
    )


def _closed(target: Target, clients: int) -> list[Figure]:
    duration_s, warmup_s = knob("DURATION_S", 6), knob("WARMUP_S", 1)
    name = f"closed/{clients}"
    run = send(target, name, CLOSED_RATE_MAX, duration_s, clients, lockstep=True, warmup_s=warmup_s)
    return [*run.details(), run.figure("in lockstep", run.report["acked_rate"], "msg/s")]


def to_json(figure: Figure) -> dict[str, Any]:
    return {
        "scenario": figure.scenario,
        "name": figure.name,
        "value": figure.value if math.isfinite(figure.value) else None,
        "unit": figure.unit,
        "target": figure.target or None,
        "met": figure.met,
    }
