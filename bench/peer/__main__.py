"""`python -m bench.peer [workload ...]`: the platform and ejabberd beside each other, or in part.

Starts a private MariaDB and Redis once; then, in turns, ejabberd with its message archive in that
MariaDB and the platform, never both at a time, each with the same users, texts, rates and load
generator. Prints a table, writes `var/bench-peer.json`, and ends with 1 when a target is missed.
To explore: ROUNDS, RATE (only this one, no search), DURATION_S, USERS, IDLE (connections), SERIAL
(messages), CLOSE (how close a search gets), TRANSPORT (ours: tcp, websocket), SQL_POOL
(ejabberd's connections to MariaDB), SIDE (ours, ejabberd), and what `python -m bench` knows.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence

import requests

from bench.__main__ import VAR, prepare, running_platform
from bench.caller import CallFailed
from bench.measure import Figure, table
from bench.peer.comparison import Round, compare
from bench.peer.ejabberd import Ejabberd
from bench.peer.rounds import WORKLOADS, Rounds
from bench.peer.sides import Ours, Peer, Side
from bench.peer.workloads import Bench
from bench.scenarios import RunFailed, Target, knob, to_json
from dev.platform import PlatformError
from dev.services import ServiceError

FAILURES = (
    RunFailed,
    CallFailed,
    ServiceError,
    PlatformError,
    requests.RequestException,
    subprocess.CalledProcessError,
)
SQL_POOL = 64
"""The best of 8, 16, 32 and 64 (docs/performance-peer.md)."""


def rounds(target: Target, wanted: Sequence[str]) -> Rounds:
    """The rounds to run: each tells what each server showed, in turns."""
    folder = VAR / "bench-peer" / "ejabberd"
    ejabberd = Ejabberd(folder, target.mariadb, sql_pool_size=int(knob("SQL_POOL", SQL_POOL)))
    sides: tuple[Side, ...] = (Peer(ejabberd), Ours(target, os.environ.get("TRANSPORT", "tcp")))
    if only := os.environ.get("SIDE"):
        sides = tuple(side for side in sides if side.name == only)
    return Rounds(Bench(target.mariadb), sides, wanted)


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.peer", description="Compare with ejabberd.")
    parser.add_argument("workload", nargs="*", help=f"of {', '.join(WORKLOADS)}; default: all")
    wanted = parser.parse_args().workload or WORKLOADS
    if unknown := set(wanted) - set(WORKLOADS):
        parser.error(f"no such workload: {', '.join(sorted(unknown))}")
    prepare()
    done: list[Round] = []
    broken: list[str] = []
    failed = False
    try:
        with running_platform(VAR / "bench-peer") as target:
            target.platform.stop()
            turns = rounds(target, wanted)
            broken = turns.bench.broken
            try:
                for each in turns.run(int(knob("ROUNDS", 3))):
                    done.append(each)
                failed = turns.failed
            except FAILURES as error:
                print(f"failed: {error}", file=sys.stderr)
                failed = True
            except (KeyboardInterrupt, SystemExit):  # what whole rounds gave is told
                failed = True
    except FAILURES as error:
        print(error, file=sys.stderr)
        return 1
    measured = compare(done)
    wrong = Figure("all", "tries with messages lost or wrong", len(broken), "", most=0)
    figures = [*measured, wrong]
    print(table(figures))
    for what in broken:
        print(f"wrong: {what}")
    if measured or broken:  # otherwise the figures of before stay
        text = json.dumps([to_json(figure) for figure in figures], indent=1)
        (VAR / "bench-peer.json").write_text(f"{text}\n")
    return int(failed or any(figure.met is False for figure in figures))


if __name__ == "__main__":
    sys.exit(main())
