"""Scenarios that hold connections: what each costs, and how a herd comes back."""

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from bench import procs
from bench.loader import TIMEOUT_S, Loader
from bench.measure import Figure
from bench.merge import check_share
from bench.parts import in_parts
from bench.sending import send
from bench.target import Target, knob, users

SETTLE_TIMEOUT_S = 60.0
FIRST = 50
"""Connections opened before memory is read: imports, pools and caches of the first are not ours."""

MEMORY_KIB_MAX = {"websocket": 22, "tcp": 14, "comet": 22}
PROCESS = {"websocket": "web", "tcp": "gateway", "comet": "web"}
ROUNDS = 3
BURST_RATE = 12000
BURST_S = 4


def idle(target: Target) -> Iterator[Figure]:
    """Memory of a fresh process for each connection that does nothing, by transport."""
    return in_parts(
        {
            transport: partial(_idle, target, transport, most_kib)
            for transport, most_kib in MEMORY_KIB_MAX.items()
        }
    )


def _idle(target: Target, transport: str, most_kib: float) -> Iterator[Figure]:
    count = max(int(knob("USERS", 10000)), 2 * FIRST)
    name = f"{PROCESS[transport]}.{transport}"
    with fresh(target, name) as address:
        tokens = target.tokens(users(f"idle-{transport}", count))
        order = {**address, "tokens": tokens, "transport": transport}
        pids = procs.workers(target.platform.pid(name))
        yield from _hold(order, pids, transport, count, most_kib)


def _hold(
    order: dict[str, Any], pids: list[int], transport: str, count: int, most_kib: float
) -> Iterator[Figure]:
    """Memory, whoever was busy; how fast they opened only where that was up to the server."""
    with Loader({"idle": order}, TIMEOUT_S) as loader:
        loader.wait_for("ready")  # it reads a line when one arrives, not one that came before
        loader.tell(FIRST)
        loader.wait_for("connected")
        before_bytes = procs.settled_rss_bytes(pids, SETTLE_TIMEOUT_S)
        started_s = time.monotonic()
        loader.tell(count)
        connected = loader.wait_for("connected")
        connected_s = time.monotonic() - started_s
        after_bytes = procs.settled_rss_bytes(pids, SETTLE_TIMEOUT_S)
    each_kib = (after_bytes - before_bytes) / (count - FIRST) / 1024
    yield Figure("idle", f"{transport} connections", count, "", least=10000)
    yield Figure("idle", f"{transport} memory for each", each_kib, "KiB", most=most_kib)
    if transport != "comet":  # nobody says when a poll has begun
        share = connected["cpu_share"]
        yield Figure("idle", f"{transport} generator busy", 100 * share, "% core")
        check_share(share)
        yield Figure("idle", f"{transport} opened", (count - FIRST) / connected_s, "per s")


def transports(target: Target) -> list[Figure]:
    """Messages end to end as fast as they go, over WebSocket and TCP in turn."""
    rates: dict[str, list[float]] = {"websocket": [], "tcp": []}
    lost, busiest = 0, 0.0
    for _ in range(int(knob("ROUNDS", ROUNDS))):
        for transport, measured in rates.items():
            run = send(target, transport, BURST_RATE, BURST_S, 1000, transport)
            report = run.report
            lost += report["lost"] + report["unanswered"]
            busiest = max(busiest, report["cpu_share"])
            measured.append(report["counts"]["pushed"] / report["delivered_in_s"])
    medians = {transport: statistics.median(measured) for transport, measured in rates.items()}
    return [
        Figure("transports", "WebSocket", medians["websocket"], "msg/s"),
        Figure("transports", "TCP", medians["tcp"], "msg/s"),
        Figure("transports", "TCP / WebSocket", medians["tcp"] / medians["websocket"], "", least=1),
        Figure("transports", "lost or unanswered", lost, "messages", most=0),
        Figure("transports", "CPU of the generator", 100 * busiest, "% core"),
    ]


@contextmanager
def fresh(target: Target, process: str) -> Iterator[dict[str, Any]]:
    """A process of its own for a scenario, by its address; it stops at the end."""
    target.platform.start(process)
    try:
        yield {"host": target.host, "port": target.platform.port(process)}
    finally:
        target.platform.stop(process)


def restart(target: Target) -> list[Figure]:
    """A process with 10,000 clients dies and is started again: when is everybody back?"""
    count = int(knob("USERS", 10000))
    names = users("restart", count)
    process = "web.restart"
    with fresh(target, process) as address:
        order = {**address, "tokens": target.tokens(names)}
        with Loader({"idle": order}, TIMEOUT_S) as loader:
            loader.wait_for("ready")
            loader.tell(count)
            loader.wait_for("connected")
            stores = target.stores.read()
            loader.tell(0)
            loader.wait_for("expecting")
            target.platform.kill(process)
            target.platform.start(process)
            back = loader.wait_for("back")
            statements = target.stores.since(stores).statements
    check_share(back["cpu_share"])
    return [
        Figure("restart", "connections", count, "", least=10000),
        Figure("restart", "half of them back", back["half_s"], "s"),
        Figure("restart", "all of them back", back["all_s"], "s", most=20),
        Figure("restart", "MySQL statements per login", statements / count, "", most=0.1),
        Figure("restart", "CPU of the generator", 100 * back["cpu_share"], "% core"),
    ]


def storm(target: Target) -> list[Figure]:
    """Everybody connects and logs in at the same moment, to a fresh process."""
    count = int(knob("USERS", 5000))
    names = users("storm", count)
    process = "web.storm"
    with fresh(target, process) as address:
        order = {**address, "tokens": target.tokens(names), "at_once_max": count}
        procs.wait_until_quiet(knob("QUIET_S", 30))
        with Loader({"idle": order}, TIMEOUT_S) as loader:
            loader.wait_for("ready")
            stores = target.stores.read()
            before = procs.usage(procs.tree(target.platform.pid(process)))
            machine_s = procs.machine_cpu_s()
            loader.tell(count)
            got = loader.wait_for("connected")
            machine_s = procs.machine_cpu_s() - machine_s
            after = procs.usage(procs.tree(target.platform.pid(process)))
            work = target.stores.since(stores)
    check_share(got["cpu_share"])
    took, span_s = got["open"], got["span_s"]
    return [
        Figure("storm", "connections", count, ""),
        Figure("storm", "all open after", span_s, "s"),
        Figure("storm", "open p50", took["p50_ms"], "ms"),
        Figure("storm", "open p99", took["p99_ms"], "ms"),
        Figure("storm", "open max", took["max_ms"], "ms"),
        Figure("storm", "MySQL statements per login", work.statements / count, ""),
        Figure("storm", "Redis commands per login", work.redis_commands / count, ""),
        Figure("storm", "CPU of web per login", 1000 * (after.cpu_s - before.cpu_s) / count, "ms"),
        Figure(
            "storm", "memory for each", (after.rss_bytes - before.rss_bytes) / count / 1024, "KiB"
        ),
        Figure("storm", "CPU of the generator", 100 * got["cpu_share"], "% core"),
        Figure("storm", "CPU of the machine", 100 * procs.machine_share(machine_s, span_s), "%"),
    ]
