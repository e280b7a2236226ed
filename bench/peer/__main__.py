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
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace

import requests

from bench.__main__ import VAR, running_platform
from bench.caller import CallFailed
from bench.measure import table
from bench.peer.comparison import OURS, PEER, Round, compare
from bench.peer.ejabberd import Ejabberd
from bench.peer.sides import Ours, Peer, Side
from bench.peer.workloads import Bench
from bench.scenarios import RunFailed, Target, knob, to_json
from dev.platform import PlatformError
from dev.services import ServiceError

WORKLOADS = ("idle", "serial", "one-to-one", "group")
SQL_POOL = 64
"""The best of 8, 16, 32 and 64 (docs/performance-peer.md)."""

AS_QUICK = "one-to-one, as quick"
FIRST_STEP, NEXT_STEP = 1.4, 1.12  # factors between the rates a search begins with
START = {  # messages a second where the first search begins
    ("one-to-one", OURS): 4000.0,
    ("one-to-one", PEER): 2000.0,
    (AS_QUICK, OURS): 500.0,
    ("group", OURS): 6000.0,
    ("group", PEER): 300.0,
}


def rounds(target: Target, wanted: Sequence[str]) -> Iterator[Round]:
    """What each server shows, round by round, in turns."""
    bench = Bench(target.mariadb)
    folder = VAR / "bench-peer" / "ejabberd"
    ejabberd = Ejabberd(folder, target.mariadb, sql_pool_size=int(knob("SQL_POOL", SQL_POOL)))
    sides: tuple[Side, ...] = (Peer(ejabberd), Ours(target, os.environ.get("TRANSPORT", "tcp")))
    if only := os.environ.get("SIDE"):
        sides = tuple(side for side in sides if side.name == only)
    starts = dict(START)
    step = FIRST_STEP
    peer_p99_ms = 0.0
    for number in range(int(knob("ROUNDS", 3))):
        for side in sides:
            print(f"round {number + 1}: {side.name}", file=sys.stderr, flush=True)
            with side.running():
                done = one_round(bench, side, wanted, starts, step)
                if side.name == PEER and done.one is not None:
                    peer_p99_ms = done.one.push_p99_ms
                elif done.one is not None and peer_p99_ms:
                    start = starts[AS_QUICK, OURS]
                    quick = bench.one_to_one(side, start, FIRST_STEP, peer_p99_ms)
                    starts[AS_QUICK, OURS] = quick.rate
                    done = replace(done, one_as_quick=quick)
                yield done
        step = NEXT_STEP


def one_round(
    bench: Bench,
    side: Side,
    wanted: Sequence[str],
    starts: dict[tuple[str, str], float],
    step: float,
) -> Round:
    """The workloads on the server that runs; `starts` is where the next searches begin."""
    done = Round(side.name)
    if "idle" in wanted:  # first: memory is that of a fresh process
        done = replace(done, idle_kib=bench.idle(side))
    if "serial" in wanted:
        done = replace(done, serial_ms=bench.serial(side))
    if "one-to-one" in wanted:
        done = replace(done, one=bench.one_to_one(side, starts["one-to-one", side.name], step))
    if "group" in wanted:
        done = replace(done, group=bench.group(side, starts["group", side.name], step))
    for name, best in (("one-to-one", done.one), ("group", done.group)):
        if best is not None:
            starts[name, side.name] = best.rate
    return done


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.peer", description="Compare with ejabberd.")
    parser.add_argument("workload", nargs="*", help=f"of {', '.join(WORKLOADS)}; default: all")
    wanted = parser.parse_args().workload or WORKLOADS
    if unknown := set(wanted) - set(WORKLOADS):
        parser.error(f"no such workload: {', '.join(sorted(unknown))}")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # inherited by all we start
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # and stop what we started
    done: list[Round] = []
    failed = False
    try:
        with running_platform(VAR / "bench-peer") as target:
            target.platform.stop()
            try:
                for each in rounds(target, wanted):
                    done.append(each)
            except (RunFailed, CallFailed, requests.RequestException) as error:
                print(f"failed: {error}", file=sys.stderr)
                failed = True
    except (ServiceError, PlatformError, subprocess.CalledProcessError) as error:
        print(error, file=sys.stderr)
        return 1
    figures = compare(done)
    print(table(figures))
    (VAR / "bench-peer.json").write_text(json.dumps([to_json(f) for f in figures], indent=1) + "\n")
    return int(failed or any(figure.met is False for figure in figures))


if __name__ == "__main__":
    sys.exit(main())
