"""The workloads, on whichever server runs: what is measured around the load generator."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from bench import procs
from bench.loader import GeneratorLimited
from bench.peer.comparison import PEER
from bench.peer.generator import Generator
from bench.peer.search import (
    PUSH_P99_MS_MAX,
    Terms,
    Try,
    decided,
    faults,
    highest,
    is_broken,
    limited_by,
    settled,
)
from bench.peer.sides import Side
from bench.scenarios import RunFailed, knob, users
from dev.services import MariaDB

FIRST_S = 3.0  # of messages that do not count, before the first rate is tried: caches are cold
WARMUP_S = 2.0
DURATION_S = 6.0
CLOSE = 1.05
"""A rate that holds and one that does not are this close (a factor) when a search ends."""

USERS, MEMBERS, IDLE, SERIAL = 1000, 100, 5000, 400
IDLE_FIRST = 50  # connections before memory is read: pools and caches of the first do not count
SETTLE_TIMEOUT_S = 30.0
STATUS = {"statements": "Questions", "rows": "Handler_write", "log syncs": "Innodb_data_fsyncs"}


@dataclass(frozen=True, slots=True)
class Bench:
    """Measures the server that runs; both keep their messages in `mariadb`."""

    mariadb: MariaDB
    broken: list[str] = field(default_factory=list)
    """Tries in which a message was heard wrongly or never, whichever server's."""

    def one_to_one(
        self, side: Side, start: float, step: float, push_p99_ms: float = PUSH_P99_MS_MAX
    ) -> Try:
        """The highest rate of messages among many users, each to a few of the others."""
        party = side.party(users("one", int(knob("USERS", USERS))))
        return self._search(side, party, Terms(side.rows["one"], push_p99_ms), start, step)

    def group(self, side: Side, start: float, step: float) -> Try:
        """The highest rate of messages in a room all of whose members are online and talk."""
        names = users("group", MEMBERS)
        party = side.party(names)
        party["room"] = side.room(names, party)
        return self._search(side, party, Terms(side.rows["group"]), start, step)

    def serial(self, side: Side) -> float:
        """Milliseconds (median) from a message's sending to its push, one at a time."""
        with connected(side.party(users("serial", 2))) as generator:
            return float(generator.do("serial", int(knob("SERIAL", SERIAL)))["push"]["p50_ms"])

    def idle(self, side: Side) -> float:
        """KiB of memory the server's processes take for each connection that does nothing."""
        count = int(knob("IDLE", IDLE))
        with Generator(side.party(users("idle", count))) as generator:
            generator.do("open", IDLE_FIRST)
            before_bytes = memory_bytes(side)
            generator.do("open", count)
            after_bytes = memory_bytes(side)
        return (after_bytes - before_bytes) / (count - IDLE_FIRST) / 1024

    def _search(
        self, side: Side, party: dict[str, Any], terms: Terms, start: float, step: float
    ) -> Try:
        """The best rate of ours may be a lower bound; raises `GeneratorLimited` where theirs is."""
        tries: list[Try] = []
        close = knob("CLOSE", CLOSE)
        with connected(party) as generator:

            def probe(rate: float) -> Try:
                tries.append(decided(partial(self._try, side, party, generator, rate, terms)))
                return tries[-1]

            if rate := knob("RATE", 0):
                best: Try | None = probe(rate)
            else:
                generator.do("offer", {"rate": start / 2, "warmup_s": 0, "duration_s": FIRST_S})
                best = highest(probe, start, step, close)
        best = settled(best, tries, close)
        if best is None:
            raise RunFailed(f"{side.name} sustained no rate")
        if best.limited and side.name == PEER:  # a lower bound of theirs would flatter ours
            raise GeneratorLimited(f"{side.name}: figures withheld, {best.limited}")
        return best

    def _try(
        self, side: Side, party: dict[str, Any], generator: Generator, rate: float, terms: Terms
    ) -> Try:
        """One rate, what it gave and what each message cost."""
        duration_s = knob("DURATION_S", DURATION_S)
        plan = {"rate": rate, "warmup_s": WARMUP_S, "duration_s": duration_s}
        roots = {**side.pids, "mariadb": self.mariadb.pid}
        counted, used = self._counted(), procs.by_name(roots)
        report = generator.do("offer", plan)
        counted_after, used_after = self._counted(), procs.by_name(roots)
        sent = report["sent"]
        cost = {name: (counted_after[name] - counted[name]) / sent for name in counted}
        cost |= {
            f"CPU of {name}": 1000 * (used_after[name].cpu_s - used[name].cpu_s) / sent
            for name in roots
        }
        written = counted_after["rows"] - counted["rows"]
        stored = side.stored(party, report["prefix"], written)
        found = faults(report, rate, stored / sent, terms)
        why = ", ".join(found)
        if broken := is_broken(found):
            self.broken.append(f"{side.name} at {rate:,.0f} msg/s: {why}")
        push = report["push"]
        print(
            f"  {rate:,.0f} msg/s: push p50 {push['p50_ms']:.1f}, p99 {push['p99_ms']:.1f} ms; "
            f"generator {report['cpu_share']:.0%} of a core; {why or 'held'}",
            file=sys.stderr,
            flush=True,
        )
        return Try(
            rate=rate,
            sustained=not why,
            limited=limited_by(report),
            broken=broken,
            push_p50_ms=push["p50_ms"],
            push_p99_ms=push["p99_ms"],
            heard_rate=report["heard_rate"],
            generator_share=report["cpu_share"],
            cost=cost,
        )

    def _counted(self) -> dict[str, int]:
        """What MariaDB has done so far."""
        names = "', '".join(STATUS.values())
        rows = self.mariadb.execute(f"SHOW GLOBAL STATUS WHERE Variable_name IN ('{names}')")
        values = {str(name): int(str(value)) for name, value in rows}
        return {ours: values[theirs] for ours, theirs in STATUS.items()}


@contextmanager
def connected(party: dict[str, Any]) -> Iterator[Generator]:
    """A load generator all of whose party are connected, and in the room where there is one."""
    with Generator(party) as generator:
        generator.do("open", len(party["users"]))
        if party.get("room"):
            generator.do("join", True)
        procs.wait_until_quiet(knob("QUIET_S", 30))
        yield generator


def memory_bytes(side: Side) -> int:
    """Resident memory of all the server's processes, once it has settled."""
    pids = [pid for root in side.pids.values() for pid in procs.tree(root)]
    return procs.settled_rss_bytes(pids, SETTLE_TIMEOUT_S)
