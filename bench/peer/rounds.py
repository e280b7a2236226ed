"""Rounds: the workloads on one server after the other, each search begun where the last ended."""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

from bench.loader import RunFailed
from bench.peer.comparison import OURS, PEER, Round
from bench.peer.search import Try
from bench.peer.sides import Side
from bench.peer.workloads import Bench

T = TypeVar("T")

IDLE, SERIAL, ONE, GROUP = WORKLOADS = ("idle", "serial", "one-to-one", "group")
QUICK = "one-to-one, as quick"
FIRST_STEP, NEXT_STEP = 1.4, 1.12  # factors between the rates a search begins with
START = {  # messages a second where the first search begins
    (ONE, OURS): 4000.0,
    (ONE, PEER): 2000.0,
    (QUICK, OURS): 500.0,
    (GROUP, OURS): 6000.0,
    (GROUP, PEER): 300.0,
}


@dataclass(slots=True)
class Rounds:
    """The wanted workloads in turns on these sides, the peer first."""

    bench: Bench
    sides: Sequence[Side]
    wanted: Sequence[str]
    failed: bool = False
    """Whether something could not be measured: the other workloads and rounds go on."""
    _starts: dict[tuple[str, str], float] = field(default_factory=lambda: dict(START))
    _steps: dict[tuple[str, str], float] = field(default_factory=dict)
    _peer_p99_ms: float = 0.0

    def run(self, count: int) -> Iterator[Round]:
        """What each server showed, as soon as it is known."""
        for number in range(count):
            for side in self.sides:
                print(f"round {number + 1}: {side.name}", file=sys.stderr, flush=True)
                with side.running():
                    done = self._round(side)
                yield done

    def _round(self, side: Side) -> Round:
        done = Round(side.name)
        if IDLE in self.wanted:  # first: memory is that of fresh processes
            done = replace(done, idle_kib=self._tried(lambda: self.bench.idle(side)))
        if SERIAL in self.wanted:
            done = replace(done, serial_ms=self._tried(lambda: self.bench.serial(side)))
        if ONE in self.wanted:
            done = self._one_to_one(side, done)
        if GROUP in self.wanted:
            done = replace(done, group=self._searched(GROUP, side, self.bench.group))
        return done

    def _one_to_one(self, side: Side, done: Round) -> Round:
        """The highest rate, and ours also at a push p99 no worse than the peer's at its highest."""
        best = self._searched(ONE, side, self.bench.one_to_one)
        done = replace(done, one=best)
        if side.name == PEER:
            self._peer_p99_ms = best.push_p99_ms if best else 0.0
        elif self._peer_p99_ms:
            as_quick = partial(self.bench.one_to_one, push_p99_ms=self._peer_p99_ms)
            done = replace(done, one_as_quick=self._searched(QUICK, side, as_quick))
        return done

    def _searched(self, workload: str, side: Side, search: Callable[..., Try]) -> Try | None:
        """The search's end, where the next one of its kind begins."""
        best = self._tried(lambda: search(side, *self._begin(workload, side)))
        if best:
            self._starts[workload, side.name] = best.rate
        return best

    def _tried(self, work: Callable[[], T]) -> T | None:
        try:
            return work()
        except RunFailed as error:
            print(f"  failed: {error}", file=sys.stderr, flush=True)
            self.failed = True
            return None

    def _begin(self, workload: str, side: Side) -> tuple[float, float]:
        """Where a search begins, and its first step: a large one the first time."""
        at = (workload, side.name)
        step = self._steps.get(at, FIRST_STEP)
        self._steps[at] = NEXT_STEP
        return self._starts[at], step
