"""The figures of one run: rates, latencies, what was lost, and what each message cost."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.measure import Figure
from bench.stores import Work

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
class Sent:
    """What one run gave."""

    scenario: str
    duration_s: float
    report: dict[str, Any]
    cpu_s: dict[str, float]
    work: Work

    def figure(self, name: str, value: float, unit: str, **more: Any) -> Figure:
        return Figure(self.scenario, name, value, unit, **more)

    def damage(self) -> list[Figure]:
        """Acknowledged messages not pushed once and in order: what no load excuses."""
        counts = self.report["counts"]
        wrong = {
            "lost": self.report["lost"],
            "lost for sender's devices": self.report["own_lost"],
            "duplicates": counts.get("duplicate", 0),
            "out of order": counts.get("out of order", 0),
        }
        return [self.figure(name, n, "messages", most=0) for name, n in wrong.items()]

    def integrity(self) -> list[Figure]:
        """Every acknowledged message pushed once and in order, every send acknowledged."""
        counts = self.report["counts"]
        refused = sum(self.report["refused"].values())
        figures = [
            *self.damage(),
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
