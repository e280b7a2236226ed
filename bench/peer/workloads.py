"""The workloads, on whichever server runs: what is measured around the load generator."""

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench import procs
from bench.peer.generator import Generator
from bench.peer.search import Try, highest
from bench.peer.sides import Side
from bench.scenarios import RunFailed, knob, users
from dev.services import MariaDB

WARMUP_S = 2.0
PUSH_P99_MS_MAX = 100.0
DELIVERED_SHARE_MIN = 0.99
GENERATOR_SHARE_MAX = 0.85
"""Of one core: above, the generator may be what is measured, and a run is refused."""

FIRST_STEP, NEXT_STEP, CLOSE = 1.5, 1.15, 1.05
MEMBERS = 100
IDLE_FIRST = 50  # connections before memory is read: pools and caches of the first do not count
SETTLE_TIMEOUT_S = 30.0
STATEMENTS = {
    "statements": "Questions",
    "rows": "Innodb_rows_inserted",
    "log syncs": "Innodb_os_log_fsyncs",
}


@dataclass(frozen=True, slots=True)
class Bench:
    """Where to measure."""

    mariadb: MariaDB

    def counted(self) -> dict[str, int]:
        """What MariaDB has done so far."""
        names = "', '".join(STATEMENTS.values())
        rows = self.mariadb.execute(f"SHOW GLOBAL STATUS WHERE Variable_name IN ('{names}')")
        values = {str(name): int(str(value)) for name, value in rows}
        return {ours: values[theirs] for ours, theirs in STATEMENTS.items()}

    def one_to_one(self, side: Side, start: float, step: float) -> Try:
        """The highest rate of messages between 1,000 users, any of them to a few others."""
        names = users("one", int(knob("USERS", 1000)))
        return self._search(side, self._party(side, names), start, step)

    def group(self, side: Side, start: float, step: float) -> Try:
        """The highest rate of messages in a room all of whose 100 members are online."""
        names = users("group", MEMBERS)
        party = self._party(side, names)
        party["room"] = side.room(names, party)
        return self._search(side, party, start, step)

    def serial(self, side: Side) -> float:
        """Milliseconds (median) from a message's sending to its push, one at a time."""
        with self._connected(side, self._party(side, users("serial", 2))) as generator:
            procs.wait_until_quiet(knob("QUIET_S", 30))
            return float(generator.do("serial", int(knob("SERIAL", 400)))["push"]["p50_ms"])

    def idle(self, side: Side) -> float:
        """KiB of memory the server's processes take for each connection that does nothing."""
        names = users("idle", int(knob("IDLE", 5000)))
        with Generator(self._party(side, names)) as generator:
            generator.do("open", IDLE_FIRST)
            pids = [pid for root in side.pids.values() for pid in procs.tree(root)]
            before_bytes = procs.settled_rss_bytes(pids, SETTLE_TIMEOUT_S)
            generator.do("open", len(names))
            pids = [pid for root in side.pids.values() for pid in procs.tree(root)]
            after_bytes = procs.settled_rss_bytes(pids, SETTLE_TIMEOUT_S)
        return (after_bytes - before_bytes) / (len(names) - IDLE_FIRST) / 1024

    def _party(self, side: Side, names: list[str]) -> dict[str, Any]:
        return side.party(names) | {"seed": time.time_ns() // 1_000_000}

    def _connected(self, side: Side, party: Mapping[str, Any]) -> Generator:
        generator = Generator(dict(party))
        generator.do("open", len(party["users"]))
        if party.get("room"):
            generator.do("join", True)
        return generator

    def _search(self, side: Side, party: dict[str, Any], start: float, step: float) -> Try:
        with self._connected(side, party) as generator:
            procs.wait_until_quiet(knob("QUIET_S", 30))
            if rate := knob("RATE", 0):
                return self._try(side, generator, rate)
            best = highest(
                lambda rate: self._try(side, generator, rate), start, step, knob("CLOSE", CLOSE)
            )
        if best is None:
            raise RunFailed(f"{side.name} sustained no rate")
        return best

    def _try(self, side: Side, generator: Generator, rate: float) -> Try:
        plan = {"rate": rate, "warmup_s": WARMUP_S, "duration_s": knob("DURATION_S", 6)}
        before, cpu = self.counted(), procs.by_name(side.pids)
        report = generator.do("offer", plan)
        after, cpu_after = self.counted(), procs.by_name(side.pids)
        sent, push = report["sent"], report["push"]
        wanted = {
            "behind": report["heard_rate"] < DELIVERED_SHARE_MIN * rate * report["audience"],
            "cut short": report["cut_short"],
            "lost": report["lost"],
            "doubled": report["doubled"],
            "refused": sum(report["refused"].values()),
            "slow": not push["p99_ms"] <= PUSH_P99_MS_MAX,
            "generator busy": report["cpu_share"] > GENERATOR_SHARE_MAX,
        }
        why = ", ".join(name for name, wrong in wanted.items() if wrong)
        per_message = {name: (after[name] - before[name]) / sent for name in after}
        per_message |= {
            f"CPU of {name}": 1000 * (cpu_after[name].cpu_s - cpu[name].cpu_s) / sent
            for name in cpu
        }
        print(
            f"  {side.name} {rate:,.0f}/s: p50 {push['p50_ms']:.1f} p99 {push['p99_ms']:.1f} ms, "
            f"generator {report['cpu_share']:.0%} {why or 'held'}",
            file=sys.stderr,
            flush=True,
        )
        return Try(
            rate, not why, push["p50_ms"], push["p99_ms"], report["heard_rate"],
            report["cpu_share"], per_message, why,
        )
