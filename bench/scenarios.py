"""The scenarios, their targets, and what is measured around the load generator."""

import json
import math
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests

from bench import procs
from bench.measure import Figure
from dev.platform import Platform
from dev.services import MariaDB

USERS_PER_TOKEN_CALL = 5000
TOKENS_TIMEOUT_S = 120
WARMUP_S = 3.0
LOADER_TIMEOUT_S = 300.0  # it has shorter limits of its own
LAG_GROWTH_MS_MAX = 25.0
NEIGHBOURS = "everything else"


class RunFailed(Exception):
    """A scenario could not be carried out; there are no figures."""


@dataclass(frozen=True, slots=True)
class Target:
    """A running platform, as the scenarios see it."""

    host: str
    ports: Mapping[str, int]  # by transport
    usercenter_url: str
    usercenter_secret: str
    pids: Mapping[str, int]
    platform: Platform
    mariadb: MariaDB

    def tokens(self, users: list[str]) -> list[str]:
        """A token of the user centre for each user."""
        tokens: dict[str, str] = {}
        for start in range(0, len(users), USERS_PER_TOKEN_CALL):
            answer = requests.post(
                f"{self.usercenter_url}/tokens",
                json={"users": users[start : start + USERS_PER_TOKEN_CALL]},
                headers={"Authorization": f"Bearer {self.usercenter_secret}"},
                timeout=TOKENS_TIMEOUT_S,
            )
            answer.raise_for_status()
            tokens |= answer.json()["tokens"]
        return [tokens[user] for user in users]


class Loader:
    """The load generator's process; use it as a context manager."""

    def __init__(self, order: dict[str, Any], timeout_s: float) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.load"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._watchdog = threading.Timer(timeout_s, self._process.kill)
        self._watchdog.start()
        self.tell(order)

    def __enter__(self) -> "Loader":
        return self

    def __exit__(self, *_: object) -> None:
        self._watchdog.cancel()
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()

    def tell(self, value: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(value) + "\n")
        self._process.stdin.flush()

    def wait_for(self, event: str) -> dict[str, Any]:
        """The next event, which must be this one; `RunFailed` otherwise."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RunFailed(f"the load generator ended with code {self._process.wait()}")
        got: dict[str, Any] = json.loads(line)
        if got["event"] != event:
            raise RunFailed(got.get("why", f"{got['event']} instead of {event}"))
        return got


def knob(name: str, default: float) -> float:
    """A number from the environment, to explore; the targets are those of the default."""
    return float(os.environ.get(name) or default)


def users(scenario: str, count: int) -> list[str]:
    run = f"{time.time_ns() // 1_000_000:x}"
    return [f"{scenario}-{run}-{number}" for number in range(count)]


def send(
    target: Target,
    scenario: str,
    rate: float,
    duration_s: float,
    count: int,
    transport: str = "websocket",
) -> "Sent":
    """Run the sending load and return what it and the processes used."""
    names = users(scenario, count)
    order = {
        "host": target.host,
        "port": target.ports[transport],
        "transport": transport,
        "users": names,
        "tokens": target.tokens(names),
        "rate": rate,
        "warmup_s": WARMUP_S,
        "duration_s": duration_s,
        "seed": time.time_ns() // 1_000_000,
    }
    procs.wait_until_quiet(knob("QUIET_S", 30))
    with Loader({"send": order}, LOADER_TIMEOUT_S + duration_s) as loader:
        loader.wait_for("connected")
        loader.wait_for("measuring")
        before, machine_s = procs.by_name(target.pids), procs.machine_cpu_s()
        loader.wait_for("measured")
        after, machine_s = procs.by_name(target.pids), procs.machine_cpu_s() - machine_s
        report = loader.wait_for("done")
    cpu_s = {name: after[name].cpu_s - before[name].cpu_s for name in after}
    cpu_s["the generator"] = report["cpu_s"]
    cpu_s[NEIGHBOURS] = max(0.0, machine_s - sum(cpu_s.values()))
    return Sent(scenario, duration_s, report, cpu_s)


@dataclass(frozen=True, slots=True)
class Sent:
    """What one sending run gave."""

    scenario: str
    duration_s: float
    report: dict[str, Any]
    cpu_s: dict[str, float]

    def figure(self, name: str, value: float, unit: str, **target: float) -> Figure:
        return Figure(self.scenario, name, value, unit, **target)

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

    def costs(self) -> list[Figure]:
        """CPU over the measured time, in shares of one core.

        "Everything else" is the kernel and whatever else ran: a busy neighbour spoils latencies.
        """
        return [
            *(
                self.figure(f"CPU of {name}", 100 * used_s / self.duration_s, "% core")
                for name, used_s in self.cpu_s.items()
            ),
            self.figure("sent late by the gen. p99", self.report["send"]["p99_ms"], "ms"),
        ]


def one_to_one(target: Target) -> list[Figure]:
    """Sustained one-to-one messages: nothing lost, nothing doubled, no growing lag."""
    rate, duration_s = knob("RATE", 4000), knob("DURATION_S", 30)
    run = send(target, "one-to-one", rate, duration_s, int(knob("USERS", 1000)))
    report, figure = run.report, run.figure
    return [
        figure("offered", round(report["offered_rate"]), "msg/s", least=rate),
        figure("acknowledged", report["acked_rate"], "msg/s", least=0.99 * rate),
        figure("delivered", report["delivered_rate"], "msg/s", least=0.99 * rate),
        figure("growth of the lag", report["lag_growth_ms"], "ms", most=LAG_GROWTH_MS_MAX),
        figure("ack p50", report["ack"]["p50_ms"], "ms"),
        figure("ack p99", report["ack"]["p99_ms"], "ms", most=50),
        figure("push p50", report["push"]["p50_ms"], "ms"),
        figure("push p99", report["push"]["p99_ms"], "ms", most=250),
        figure("push max", report["push"]["max_ms"], "ms"),
        *run.integrity(),
        *run.costs(),
    ]


def latency(target: Target) -> list[Figure]:
    """What one message takes while the machine is far from busy."""
    rate, duration_s = knob("RATE", 200), knob("DURATION_S", 15)
    run = send(target, "latency", rate, duration_s, int(knob("USERS", 200)))
    report, figure = run.report, run.figure
    return [
        figure("ack p50", report["ack"]["p50_ms"], "ms"),
        figure("ack p99", report["ack"]["p99_ms"], "ms"),
        figure("push p50", report["push"]["p50_ms"], "ms", most=8),
        figure("push p99", report["push"]["p99_ms"], "ms"),
        *run.integrity(),
        *run.costs(),
    ]


def to_json(figure: Figure) -> dict[str, Any]:
    return {
        "scenario": figure.scenario,
        "name": figure.name,
        "value": figure.value if math.isfinite(figure.value) else None,
        "unit": figure.unit,
        "target": figure.target or None,
        "met": figure.met,
    }
