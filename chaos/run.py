"""One run: load, faults in an order the seed gives, healing, and the check."""

import json
import random
import shutil
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from itertools import count
from pathlib import Path

import pymysql

from chaos.bed import Bed
from chaos.checker import check
from chaos.converge import CONVERGE_EMPTIED_S, CONVERGE_S, converge, lagging, mark
from chaos.evidence import gather
from chaos.faults.base import Fault, Scene, Skipped
from chaos.load import Load
from proto import im_pb2

WARM_UP_S = 3.0
BETWEEN_S = (0.5, 2.5)
RECOVERING_SHARE = 0.5
"""Of the faults; the others are followed by the next one whatever is still in trouble."""
RECOVERING_EVERY_S = 0.2
EMPTIED_LATELY_S = 60.0
STARTING_S = 30.0
"""Who has not run for longer than this may still be starting."""
NOTICED_S = 5.0
"""After so long at most an end is noticed."""
CELERY = ("worker", "beat")
"""They end when the broker fails them at the wrong moment (kombu); supervisors start them again."""

Say = Callable[[str], None]


@dataclass
class Injected:
    """A fault as it was: when, how long, and what it did, or why it did nothing."""

    name: str
    at_s: float
    lasted_s: float = 0.0
    note: str = ""
    skipped: str = ""
    acks: int = 0
    """Sends acknowledged while it lasted."""
    recovered_s: float | None = None
    """After so long all that had been stored was delivered, and everybody answered, under load;
    None where that was not waited for, or did not come true."""


@dataclass
class Result:
    """What var/chaos.json holds."""

    seed: int
    asked_s: float = 0.0
    """Seconds under faults that were asked for."""
    only: list[str] = field(default_factory=list)
    """Parts of the names of the faults that were asked for; all, when there are none."""
    acked: int = 0
    faults: list[Injected] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    """Processes that ended by themselves and were started again."""
    refused: int = 0
    in_doubt: int = 0
    """Sends of which nobody knows whether they were done; the checker knows."""
    recalled: int = 0
    connections: int = 0
    rows: int = 0
    tasks: int = 0
    duration_s: float = 0.0
    converged_s: float = 0.0

    def broke_off(self, error: Exception) -> None:
        """Notes what ended the run before everything was checked."""
        traceback.print_exception(error)
        self.violations.append(f"the run broke off, not everything was checked: {error!r}")

    def write(self, path: Path) -> None:
        """As JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=2) + "\n")


class Run:
    """A bed with a load on it."""

    def __init__(self, bed: Bed, load: Load, seed: int, say: Say) -> None:
        self.bed = bed
        self.load = load
        self.result = Result(seed)
        self._say = say
        self._pick = random.Random(f"{seed} faults")
        self._started = time.monotonic()
        self._emptied_at = float("-inf")
        self._stores_away: list[tuple[float, float]] = []

    def whole(self, faults: Sequence[Fault], duration_s: float) -> None:
        """Breaks, heals and checks; what ends that too early is a violation."""
        try:
            self.break_things(faults, duration_s)
            if all(injected.skipped for injected in self.result.faults):
                self.result.violations.append("every fault was skipped: nothing was tested")
            self.settle()
        except Exception as error:
            self.result.broke_off(error)
            self._count()

    def break_things(self, faults: Sequence[Fault], duration_s: float) -> None:
        """Every fault once, then again in another order each time round until the time is over."""
        time.sleep(WARM_UP_S)
        for number in count():
            for fault in self._pick.sample(faults, len(faults)):
                if number and time.monotonic() - self._started > duration_s:
                    return
                injected = self.inject(fault)
                if self._pick.random() < RECOVERING_SHARE:
                    self.recover(injected)
                time.sleep(self._pick.uniform(*BETWEEN_S))

    def inject(self, fault: Fault) -> Injected:
        """One fault, from the breaking to the healing."""
        hold_s = self._pick.uniform(*fault.seconds)
        scene = Scene(self.bed, self.load, random.Random(self._pick.random()))
        began, acks = time.monotonic(), self.load.acked
        injected = Injected(fault.name, round(began - self._started, 1))
        self.result.faults.append(injected)
        entered = False
        try:
            with fault.inject(scene) as note:
                entered = True
                injected.note = note
                time.sleep(hold_s)
        except Skipped as skipped:
            injected.skipped = str(skipped)
        except Exception as error:  # the platform is hurt enough: what it holds is to be checked
            injected.note = f"{injected.note}; broke off: {error!r}".removeprefix("; ")
            if not entered:  # healing may fail and is made good; what was not broken proves nothing
                self.result.violations.append(f"{fault.name} was not injected: {error!r}")
            self._say(injected.note[:80])
            self.bed.mend()
        if ended := self.bed.raise_servers():
            injected.note += f"; died of it: {', '.join(ended)}"
        if fault.empties or "redis" in ended:
            self._emptied_at = time.monotonic()
        injected.note = ", ".join(filter(None, [injected.note, *scene.outcome]))
        self.result.violations += [f"{fault.name}: {what}" for what in scene.wrong]
        if fault.stores:
            self._stores_away.append((began, time.monotonic()))
        injected.lasted_s = round(time.monotonic() - began, 1)
        injected.acks = self.load.acked - acks
        self._say(line_of(injected))
        return injected

    def recover(self, injected: Injected) -> None:
        """Under load all that is stored now is delivered in the promised time."""
        healed = time.monotonic()
        within_s = self._promised_s(healed)
        then, late = None, ["a database answers"]
        while late and time.monotonic() - healed < within_s:
            time.sleep(RECOVERING_EVERY_S)
            try:
                then = then or mark(self.bed, self.load)
                late = lagging(self.bed, self.load, then)
            except (pymysql.MySQLError, OSError) as error:
                late = [f"a database answers ({error})"]
        if not late:
            injected.recovered_s = round(time.monotonic() - healed, 1)
        self.result.violations += [
            f"not within {within_s:g} s of {injected.name}: {what}" for what in late
        ]

    def _promised_s(self, healed: float) -> float:
        lately = healed - self._emptied_at < EMPTIED_LATELY_S
        return CONVERGE_EMPTIED_S if lately else CONVERGE_S

    def settle(self, within_s: float = 0.0) -> None:
        """Heal everything, let it converge within this time or the promised one, and check.

        The time begins when nothing is broken any more: that processes start is part of it.
        """
        self._say("healing")
        self.bed.heal()
        healed = time.monotonic()
        within_s = within_s or self._promised_s(healed)
        self.bed.wait_ready()
        self.result.violations += converge(self.bed, self.load, within_s, healed)
        self.result.converged_s = round(time.monotonic() - healed, 1)
        self._say(f"at rest after {self.result.converged_s:g} s; checking")
        evidence = gather(self.bed, self.load)
        self.result.rows = len(evidence.rows)
        self.result.violations += check(evidence)
        self._count()

    def _count(self) -> None:
        """What the clients and the bed know."""
        self._ended()
        self.result.violations += [
            f"{thread} ended too early: {thread.failure!r}"
            for thread in (*self.bed.background, *self.load.background)
            if thread.failure is not None
        ]
        ops = self.load.ops
        sends = [op for op in ops if op.is_a(im_pb2.SendRequest)]
        self.result.acked = sum(op.acked for op in sends)
        self.result.refused = sum(op.refused for op in sends)
        self.result.in_doubt = sum(not op.acked and not op.refused for op in sends)
        self.result.recalled = sum(op.acked and op.is_a(im_pb2.RecallRequest) for op in ops)
        self.result.connections = sum(a.client.record.connections for a in self.load.actors)
        self.result.tasks = self.bed.bridge.carried
        self.result.duration_s = round(time.monotonic() - self._started, 1)

    def _ended(self) -> None:
        """Notes who ended by themselves; it is a violation where no store was away."""
        for death in self.bed.deaths:
            age_s = death.noticed - death.started
            what = (
                f"{death.name} ended by itself (code {death.code}) at"
                f" {death.noticed - self._started:.1f} s, {age_s:.1f} s old"
            )
            self.result.ended.append(what)
            starting = age_s <= STARTING_S and any(
                began < death.noticed and death.started < over for began, over in self._stores_away
            )
            celery = death.name.startswith(CELERY) and any(
                began < death.noticed < over + NOTICED_S for began, over in self._stores_away
            )
            if not starting and not celery:
                self.result.violations.append(what)


def line_of(injected: Injected) -> str:
    """One line of the progress, at most 80 columns."""
    what = f"skipped: {injected.skipped}" if injected.skipped else injected.note
    line = f"{injected.at_s:6.1f} s  {injected.name:32} {injected.lasted_s:5.1f} s  {what}"
    return line if len(line) <= 80 else line[:77] + "..."


def run(root: Path, seed: int, duration_s: float, faults: Sequence[Fault], say: Say) -> Result:
    """All of it; nothing is left behind but the result, and logs when something was found."""
    say(f"seed {seed}: starting two MariaDB servers, Redis and the platform")
    result = Result(seed)
    logs, kept = root.with_name(f"{root.name}-logs"), root.with_name("chaos-logs")
    shutil.rmtree(kept, ignore_errors=True)
    try:
        with Bed(root, seed=seed, logs=logs) as bed, Load(bed, seed) as load:
            one = Run(bed, load, seed, say)
            result = one.result
            one.whole(faults, duration_s)
    except Exception as error:
        result.broke_off(error)
    finally:
        if result.violations and logs.exists():
            shutil.rmtree(kept, ignore_errors=True)  # of a run beside this one
            logs.rename(kept)
        shutil.rmtree(logs, ignore_errors=True)
    return result
