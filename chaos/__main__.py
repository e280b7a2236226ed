"""`make chaos`: breaks a platform of its own for a while and checks every promise.

DURATION_S: seconds under faults, 240 unless given, and never less than every fault takes once;
with starting, healing and checking the run takes about 6 minutes then. SEED: everything random
comes from it; printed when it is not given.
ONLY: a part of the names of the faults to inject, comma-separated.
"""

import os
import random
import shlex
import signal
import sys
from textwrap import fill

from chaos.faults import FAULTS
from chaos.run import Result, run
from dev.environment import ROOT

SHORT_S = 240.0
SHOWN_MAX = 20


def main() -> int:
    """0 when nothing was violated."""
    duration_s = float(os.environ.get("DURATION_S") or SHORT_S)
    seed = int(os.environ.get("SEED") or random.randrange(1_000_000))
    only = [name for name in os.environ.get("ONLY", "").split(",") if name]
    faults = [
        fault
        for fault in FAULTS
        if not only or any(name.lower() in fault.name.lower() for name in only)
    ]
    if not faults:
        sys.exit(f"no fault has one of these in its name: {', '.join(only)}")
    path = ROOT / "var" / "chaos.json"
    path.unlink(missing_ok=True)  # who interrupts us must not find an older result
    result = run(ROOT / "var" / f"chaos-{os.getpid()}", seed, duration_s, faults, say)
    result.asked_s, result.only = duration_s, only
    result.write(path)
    report(result)
    print(f"written to {path.relative_to(ROOT)}; again:\n{again(result)}")
    return 1 if result.violations else 0


def again(result: Result) -> str:
    """The command that repeats it."""
    only = f"ONLY={shlex.quote(','.join(result.only))} " if result.only else ""
    return f"  {only}make chaos SEED={result.seed} DURATION_S={result.asked_s:g}"


def say(text: str) -> None:
    """A line of progress, at once."""
    print(text, flush=True)


def report(result: Result) -> None:
    """The result for people, at 80 columns."""
    injected = [fault for fault in result.faults if not fault.skipped]
    print(
        f"{result.acked} sends acknowledged, {result.refused} refused, {result.in_doubt} in doubt;"
        f" {result.recalled} recalls\n{result.rows} rows, {result.connections} connections,"
        f" {result.tasks} tasks, {len(injected)} faults, at rest after {result.converged_s:g} s"
    )
    for reason in sorted({f"{f.name}: {f.skipped}" for f in result.faults if f.skipped}):
        print(fill(f"skipped: {reason}", 80, subsequent_indent="    "))
    for ended in result.ended:
        print(fill(ended, 80, subsequent_indent="    "))
    print(f"{len(result.violations)} violations")
    for violation in result.violations[:SHOWN_MAX]:
        print(fill(violation, 80, initial_indent="  - ", subsequent_indent="    "))
    if len(result.violations) > SHOWN_MAX:
        print(f"  and {len(result.violations) - SHOWN_MAX} more")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # nothing mounted is left behind
    sys.exit(main())
