"""One run of the load generators against the platform, with all that is measured around them."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench import procs
from bench.loader import TIMEOUT_S, GeneratorLimited, Loaders
from bench.measure import Figure
from bench.merge import bottleneck, merge
from bench.stores import Work
from bench.target import Target, knob, users

WARMUP_S = 3.0
NEIGHBOURS = "everything else"
GENERATOR = "the generator"
PERCENTILES = {
    "p50": "p50_ms",
    "p90": "p90_ms",
    "p99": "p99_ms",
    "p99.9": "p999_ms",
    "max": "max_ms",
}


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
    cpu_s, work = rest.take_off(cpu_s, work, span_s)
    cpu_s[GENERATOR] = sum(report["cpu_s"] for report in reports)
    cpu_s[NEIGHBOURS] = max(0.0, machine_s - sum(cpu_s.values()))
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
) -> "Sent":
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


@dataclass(frozen=True, slots=True)
class Sent:
    """What one run gave; `messages` are those its costs are divided by."""

    scenario: str
    duration_s: float
    report: dict[str, Any]
    cpu_s: dict[str, float]
    work: Work

    def figure(self, name: str, value: float, unit: str, **more: Any) -> Figure:
        return Figure(self.scenario, name, value, unit, **more)

    def integrity(self) -> list[Figure]:
        """Every acknowledged message pushed once and in order, every send acknowledged."""
        counts = self.report["counts"]
        refused = sum(self.report["refused"].values())
        figures = [
            self.figure("lost", self.report["lost"], "messages", most=0),
            self.figure("lost for sender's devices", self.report["own_lost"], "messages", most=0),
            self.figure("duplicates", counts.get("duplicate", 0), "messages", most=0),
            self.figure("out of order", counts.get("out of order", 0), "messages", most=0),
            self.figure("refused", refused, "messages", most=0),
            self.figure("unanswered", self.report["unanswered"], "messages", most=0),
        ]
        if counts.get("holes"):
            figures.append(self.figure("holes in pushes", counts["holes"], "pushes"))
        figures += [
            self.figure(f"refused: {name}", count, "messages")
            for name, count in self.report["refused"].items()
        ]
        return figures

    def rates(self) -> list[Figure]:
        """What was offered, and what came of it."""
        names = {
            "offered": "offered_rate",
            "acknowledged": "acked_rate",
            "delivered": "delivered_rate",
        }
        return [self.figure(n, self.report[key], "msg/s", minor=True) for n, key in names.items()]

    def latencies(self, **shown: Mapping[str, float]) -> list[Figure]:
        """Every percentile of acks and pushes; a line of its own for those named, with its target.

        Names are those of `Latency` after what was measured: `push_p99_ms={"most": 100}`.
        """
        return [
            self.figure(
                f"{what} {name}",
                self.report[what][key],
                "ms",
                minor=f"{what}_{key}" not in shown,
                **shown.get(f"{what}_{key}", {}),
            )
            for what in ("ack", "push")
            for name, key in PERCENTILES.items()
        ]

    def costs(self) -> list[Figure]:
        """CPU over the measured time, in shares of one core, and what one message took.

        "Everything else" is the kernel and whatever else ran: a busy neighbour spoils latencies.
        """
        return [
            *(
                self.figure(f"CPU of {name}", 100 * used_s / self.duration_s, "% core")
                for name, used_s in self.cpu_s.items()
            ),
            self.figure("sent late by the gen. p99", self.report["send"]["p99_ms"], "ms"),
            *per_message(
                self.scenario,
                self.report["acked_measured"],
                self.cpu_s,
                self.work,
                self.report["bytes"],
            ),
        ]

    def details(self, **shown: Mapping[str, float]) -> list[Figure]:
        """All of it, for runs that the tables of runs show: a line of its own for what is wrong."""
        return [
            *self.rates(),
            *self.latencies(**shown),
            *map(_minor_when_met, self.integrity()),
            *self.minor_costs(),
        ]

    def minor_costs(self) -> list[Figure]:
        """The costs, without a line of their own."""
        return [_minor(figure) for figure in self.costs()]


def per_message(
    scenario: str,
    messages: int,
    cpu_s: Mapping[str, float],
    work: Work,
    moved_bytes: int | None = None,
) -> list[Figure]:
    """What the stores and the processes did for each message, for JSON and the tables of runs."""
    each = 1 / messages if messages else float("nan")
    server_s = sum(used for name, used in cpu_s.items() if name not in (GENERATOR, NEIGHBOURS))
    figures = [
        ("MySQL statements", work.statements, ""),
        ("MySQL rows written", work.rows_written, ""),
        ("MySQL rows read", work.rows_read, ""),
        ("MySQL fsyncs", work.fsyncs, ""),
        ("Redis commands", work.redis_commands, ""),
        ("server CPU", 1000 * server_s, "ms"),
    ]
    if moved_bytes is not None:
        figures.append(("bytes of clients", moved_bytes, "B"))
    for title, counts in (("MySQL", work.by_statement), ("Redis", work.by_redis_command)):
        figures += [(f"{title} {name}", count, "") for name, count in counts.items()]
    figures += [(f"CPU of {name}", 1000 * used, "ms") for name, used in cpu_s.items()]
    return [
        Figure(scenario, f"{name} per message", value * each, unit, minor=True)
        for name, value, unit in figures
    ]


def _minor(figure: Figure) -> Figure:
    return Figure(figure.scenario, figure.name, figure.value, figure.unit, minor=True)


def _minor_when_met(figure: Figure) -> Figure:
    return figure if figure.met is False else _minor(figure)
