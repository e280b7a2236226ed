"""One run of the load generators against the platform, with all that is measured around them."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench import procs
from bench.loader import TIMEOUT_S, GeneratorLimited, Loaders
from bench.merge import bottleneck, merge
from bench.sent import GENERATOR, NEIGHBOURS, Sent
from bench.stores import Work
from bench.target import Target, knob, users

WARMUP_S = 3.0


@dataclass(frozen=True, slots=True)
class Ran:
    """What some load generators, the processes and the stores did in the same time."""

    reports: list[dict[str, Any]]
    span_s: float
    cpu_s: dict[str, float]  # by process, the generators and all others
    work: Work
    machine_share: float  # of all processors

    def check(self) -> None:
        """Raise `GeneratorLimited` when a generator was the bottleneck."""
        for report in self.reports:
            why = bottleneck(report, self.machine_share)
            if why is not None:
                raise GeneratorLimited(f"figures withheld: {why}")


def run_together(
    target: Target, orders: Sequence[dict[str, Any]], duration_s: float, rest_s: float = 0.0
) -> Ran:
    """Let generators do what they are ordered, all from the same moment.

    What platform and stores do at rest is measured for `rest_s` before, and taken off.
    """
    procs.wait_until_quiet(knob("QUIET_S", 30))
    with Loaders(orders, TIMEOUT_S + duration_s) as loaders:
        loaders.wait_for("connected")
        rest = Rest(target, rest_s)
        loaders.start()
        loaders.wait_for("measuring")
        stores, before = target.stores.read(), procs.by_name(target.pids)
        machine_s, began_s = procs.machine_cpu_s(), time.perf_counter()
        loaders.wait_for("measured")
        machine_s, span_s = procs.machine_cpu_s() - machine_s, time.perf_counter() - began_s
        after, work = procs.by_name(target.pids), target.stores.since(stores)
        reports = loaders.wait_for("done")
    cpu_s = {name: after[name].cpu_s - before[name].cpu_s for name in after}
    generators_s = sum(report["cpu_s"] for report in reports)
    neighbours_s = max(0.0, machine_s - sum(cpu_s.values()) - generators_s)
    cpu_s, work = rest.take_off(cpu_s, work, span_s)
    cpu_s |= {GENERATOR: generators_s, NEIGHBOURS: neighbours_s}
    return Ran(reports, span_s, cpu_s, work, procs.machine_share(machine_s, span_s))


class Rest:
    """What is done while nobody asks for anything; nothing where it was not looked at."""

    def __init__(self, target: Target, span_s: float) -> None:
        self.span_s = span_s
        self.cpu_s: dict[str, float] = {}
        self.work = Work()
        if span_s:
            stores, before = target.stores.read(), procs.by_name(target.pids)
            time.sleep(span_s)
            after, self.work = procs.by_name(target.pids), target.stores.since(stores)
            self.cpu_s = {name: after[name].cpu_s - before[name].cpu_s for name in after}

    def take_off(
        self, cpu_s: dict[str, float], work: Work, span_s: float
    ) -> tuple[dict[str, float], Work]:
        """What is left of a time without it; never less than nothing."""
        share = span_s / self.span_s if self.span_s else 0.0
        left_s = {
            name: max(0.0, s - share * self.cpu_s.get(name, 0.0)) for name, s in cpu_s.items()
        }
        return left_s, work.without(self.work, share)


def send(
    target: Target,
    scenario: str,
    rate: float,
    duration_s: float,
    count: int,
    transport: str = "websocket",
    *,
    loaders: int = 1,
    lockstep: bool = False,
    warmup_s: float | None = None,
) -> Sent:
    """Run the sending load and return what it and the processes used.

    `loaders` processes share users and rate; a conversation is among users of one of them. Raises
    `GeneratorLimited` when one of them was the bottleneck.
    """
    ran = run_together(
        target,
        [
            send_order(
                target,
                scenario,
                rate / loaders,
                duration_s,
                count // loaders,
                transport,
                lockstep=lockstep,
                warmup_s=warmup_s,
            )
            for _ in range(loaders)
        ],
        duration_s,
    )
    ran.check()
    return Sent(scenario, ran.span_s, merge(ran.reports), ran.cpu_s, ran.work)


def send_order(
    target: Target,
    scenario: str,
    rate: float,
    duration_s: float,
    count: int,
    transport: str = "websocket",
    *,
    lockstep: bool = False,
    warmup_s: float | None = None,
) -> dict[str, Any]:
    """What a generator is told for a share of the sending load."""
    time.sleep(0.002)  # names and seeds are made of the millisecond
    names = users(scenario.replace("/", "-"), count)
    return {
        "send": {
            "host": target.host,
            "port": target.ports["tcp" if transport == "tcp" else "websocket"],
            "transport": transport,
            "users": names,
            "tokens": target.tokens(names),
            "rate": rate,
            "warmup_s": knob("WARMUP_S", WARMUP_S) if warmup_s is None else warmup_s,
            "duration_s": duration_s,
            "seed": time.time_ns() // 1_000_000,
            "lockstep": lockstep,
            "together": True,
        }
    }
