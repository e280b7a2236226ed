"""`python -m bench.peer`"""
import resource
import signal
import sys

from bench.__main__ import running_platform
from bench.peer.ejabberd import Ejabberd
from bench.peer.sides import Ours, Peer
from bench.peer.workloads import Bench
from bench.scenarios import knob
from dev.environment import ROOT
import os

VAR = ROOT / "var"

def main() -> int:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    what = sys.argv[1:] or ["serial", "idle", "group", "one"]
    with running_platform(VAR / "bench-peer") as target:
        target.platform.stop()
        bench = Bench(target.mariadb)
        ej = Ejabberd(VAR / "bench-peer" / "ejabberd", target.mariadb, sql_pool_size=int(knob("POOL", 16)))
        for side in (Peer(ej), Ours(target, os.environ.get("TRANSPORT", "tcp"))):
            if os.environ.get("SIDE", side.name) != side.name: continue
            for w in what:
                with side.running():
                    if w == "serial": print(side.name, "serial", bench.serial(side), flush=True)
                    if w == "idle": print(side.name, "idle KiB", bench.idle(side), flush=True)
                    if w == "group": print(side.name, "group", bench.group(side, 200, 1.5), flush=True)
                    if w == "one": print(side.name, "one", bench.one_to_one(side, 1500, 1.5), flush=True)
    return 0

if __name__ == "__main__":
    sys.exit(main())
