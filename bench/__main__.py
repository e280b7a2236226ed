"""`python -m bench [scenario ...]`: measure the platform on this machine, all scenarios or some.

Starts a private MariaDB (every commit on disk before its ack) and Redis, and the processes of the
`Procfile` once; prints tables, writes `var/bench.json` and plots beside it, and ends with 1 when a
target is missed or a scenario failed: also when the load generator was the bottleneck, whose
figures are withheld.
To explore: RATE, DURATION_S, WARMUP_S, USERS, ROUNDS, BUSY, MEMBERS and MANY (0: not), ROWS (of
history and sync), SCALE (of mixed), WAYS (of capacity, such as "tcp comet"), LOADERS (generators of
one-to-one and sizes), WEB_WORKERS, DATABASES, QUIET_S (how long to wait for a quiet machine before
each run), and any `IM_*` setting.
"""

import argparse
import fcntl
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.capacity import capacity
from bench.groups import groups
from bench.holding import idle, restart, storm, transports
from bench.measure import Figure, table
from bench.mixed import mixed
from bench.parts import FAILURES
from bench.plots import draw
from bench.reading import history, sync
from bench.scenarios import (
    NEIGHBOURS,
    Target,
    closed,
    knob,
    latency,
    one_to_one,
    sparse,
    to_json,
    ways,
)
from bench.sizes import sizes
from bench.stores import Stores
from bench.tables import tables_of_runs
from dev.environment import ROOT, store_settings
from dev.platform import Platform, PlatformError
from dev.services import MariaDB, Redis, ServiceError

VAR = ROOT / "var"
NEIGHBOURS_CPU_PERCENT_MAX = 10
PROCESSES = ("usercenter", "web", "gateway", "worker", "beat")
SCENARIOS: dict[str, Callable[[Target], Iterable[Figure]]] = {
    "idle": idle,
    "restart": restart,
    "storm": storm,
    "sparse": sparse,
    "latency": latency,
    "one-to-one": one_to_one,
    "ways": ways,
    "closed": closed,
    "transports": transports,
    "sizes": sizes,
    "groups": groups,
    "mixed": mixed,
    "capacity": capacity,
    "sync": sync,
    "history": history,  # last: its rows push everybody else's out of the buffer pool
}


@contextmanager
def taken(lock: Path) -> Iterator[None]:
    """Two runs at once would measure, and delete, each other."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit("another benchmark runs here")
        yield


@contextmanager
def running_platform(folder: Path) -> Iterator[Target]:
    """Everything started, with data of its own in `folder` that is thrown away at the end.

    Folders that lie beside each other have one lock: a user's are all in `var`, a test's are not.
    """
    with ExitStack() as stack:
        stack.enter_context(taken(folder.parent / "bench.lock"))
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "metrics").mkdir(parents=True)
        mariadb = MariaDB(folder / "mariadb", buffer_pool_mb=512)
        redis = Redis(folder / "redis", append_only=True)
        stack.callback(shutil.rmtree, folder / "mariadb", ignore_errors=True)
        for service in (mariadb, redis):
            stack.callback(service.stop)
            service.start()
        databases = [mariadb.create_database(f"im_{n}") for n in range(int(knob("DATABASES", 1)))]
        settings = {
            **store_settings(databases, redis.url()),
            "PROMETHEUS_MULTIPROC_DIR": str(folder / "metrics"),
            "IM_CONNECTIONS_PER_IP_MAX": "20000",  # all of them come from here
            "IM_COMET_WAIT_S": "300",
            "IM_SEND_RATE_PER_S": "1000",  # one owner invites 100,000
            "IM_GROUP_MEMBERS_MAX": "110000",  # joins of a group of 100,000 are measured
            "IM_WEB_WORKERS": str(int(knob("WEB_WORKERS", 1))),
            **{name: value for name, value in os.environ.items() if name.startswith("IM_")},
        }
        platform = stack.enter_context(Platform(settings, folder / "logs", usercenter=True))
        subprocess.run([sys.executable, "-m", "migrations"], env=platform.env, cwd=ROOT, check=True)
        platform.start(*PROCESSES)
        stores = Stores(mariadb, redis)
        stack.callback(stores.close)
        yield Target(
            host="127.0.0.1",
            ports={"websocket": platform.port("web"), "tcp": platform.port("gateway")},
            usercenter_url=platform.url("usercenter"),
            usercenter_secret=platform.env["IM_USERCENTER_SECRET"],
            pids={name: platform.pid(name) for name in PROCESSES[1:]}
            | {"mariadb": mariadb.pid, "redis": redis.pid},
            platform=platform,
            mariadb=mariadb,
            stores=stores,
        )


def prepare() -> None:
    """Let this process and all it starts open what the system allows; SIGTERM stops them too."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench", description="Measure the platform.")
    parser.add_argument("scenario", nargs="*", help=f"of {', '.join(SCENARIOS)}; default: all")
    wanted = set(parser.parse_args().scenario or SCENARIOS)
    if unknown := wanted - set(SCENARIOS):
        parser.error(f"no such scenario: {', '.join(sorted(unknown))}")
    prepare()
    figures: list[Figure] = []
    failed = False
    try:
        with running_platform(VAR / "bench") as target:
            for name, scenario in SCENARIOS.items():
                if name not in wanted:
                    continue
                print(f"{name}: {scenario.__doc__}", file=sys.stderr, flush=True)
                try:
                    for figure in scenario(target):  # what came before a failure is kept
                        figures.append(figure)
                except FAILURES as error:
                    print(f"{name} failed: {error}", file=sys.stderr)
                    failed = True
    except (ServiceError, PlatformError, subprocess.CalledProcessError) as error:
        print(error, file=sys.stderr)
        failed = True
    finally:  # what was measured before an interruption is kept
        report(figures)
    return int(failed or any(figure.met is False for figure in figures))


def report(figures: list[Figure]) -> None:
    """Print the tables, write the JSON, draw the plots; without figures those of before stay."""
    if not figures:
        return
    print(table(figures))
    print(f"\n{tables_of_runs(figures)}")
    busy = [f.value for f in figures if f.name == f"CPU of {NEIGHBOURS}"]
    if max(busy, default=0) > NEIGHBOURS_CPU_PERCENT_MAX:
        print("Other programs kept this machine busy: latencies are theirs too, run it again.")
    (VAR / "bench.json").write_text(json.dumps([to_json(f) for f in figures], indent=1) + "\n")
    for path in draw(figures, VAR):
        print(f"drawn: {path.relative_to(ROOT)}")


if __name__ == "__main__":
    sys.exit(main())
