"""The platform that is broken: its servers, its processes, and the proxies clients come through."""

import shutil
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import kombu.pools
import redis
import requests
from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector

from chaos.background import Background
from chaos.bridge import Bridge
from chaos.clocks import Clocks
from chaos.proxy import Proxy
from chaos.tmpfs import Tmpfs
from dev.environment import ROOT, store_settings
from dev.platform import Platform
from dev.services import MariaDB, Redis, ServiceError
from dev.store import Store

WEBS = ("web", "web.2")
WORKERS = ("worker", "worker.2")
PROCESSES = ("usercenter", *WEBS, "gateway", *WORKERS, "beat")
SUPERVISED_EVERY_S = 0.5
CALLERS_DB, WORKERS_DB = 1, 2
"""Redis databases: where tasks are enqueued, and where `bridge` brings them to the workers."""
SECOND_DISK_MB = 320
"""Of the second database server, where one can be mounted: it needs about 200 by itself."""


@dataclass(frozen=True)
class Death:
    """A process that ended by itself; moments of the monotonic clock."""

    name: str
    code: int | None
    started: float
    noticed: float


class Bed:
    """Two databases in two MariaDB servers, a Redis, two webs, a gateway, two workers, beat.

    Whoever ends is started again, as by a supervisor, unless `without` keeps it down. Every client
    comes through `proxies`, one for each web and for the gateway.
    """

    def __init__(
        self,
        root: Path,
        *,
        env: Mapping[str, str] | None = None,
        instead: Mapping[str, str] | None = None,
        processes: Sequence[str] = PROCESSES,
        servers: int = 2,
        seed: int = 0,
        logs: Path | None = None,
    ) -> None:
        """`instead`: commands in place of the `Procfile`'s; `servers`: of MariaDB, 1 or 2.

        Nothing of `root` is left in the end; `logs`, of the processes, are where they are given.
        """
        self.root = root
        self._logs = logs or root / "logs"
        self.processes = tuple(processes)
        self.redis = Redis(root / "redis")
        self.disk = Tmpfs(root / "disk", SECOND_DISK_MB)
        self.mariadbs = [MariaDB(root / "mariadb")]
        if servers == 2:
            self.mariadbs.append(MariaDB(self.disk.root / "mariadb"))
        self.clocks = Clocks(root / "clocks")
        self.proxies: dict[str, Proxy] = {}
        self._seed = seed
        self._env = dict(env or {})
        self._instead = instead
        self._stack = ExitStack()
        self._down: set[str] = set()
        self._launched: dict[str, float] = {}
        self.deaths: list[Death] = []
        """Of processes that nobody had taken down."""
        self._lock = threading.RLock()
        self._over = threading.Event()

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _start(self) -> None:
        self._stack.callback(shutil.rmtree, self.root, ignore_errors=True)
        if len(self.mariadbs) == 2:
            self._stack.enter_context(self.disk)
        for server in (*self.mariadbs, self.redis):
            self._stack.callback(server.kill)
            server.start()
        names = [f"im_{uuid.uuid4().hex[:8]}_{n}" for n in range(2)]
        homes = {name: self.mariadbs[n % len(self.mariadbs)] for n, name in enumerate(names)}
        urls = [server.create_database(name) for name, server in homes.items()]
        self.store = Store(homes)
        metrics = self.root / "metrics"
        metrics.mkdir(parents=True)
        settings = {
            **store_settings(urls, self.redis.url()),
            "IM_BROKER_URL": self.redis.url(WORKERS_DB),
            "IM_TABLES_PER_DATABASE": "2",
            "IM_GROUP_TABLES_PER_DATABASE": "1",
            "IM_SEND_RATE_PER_S": "100000",
            "IM_SEND_BURST": "100000",
            "IM_DEVICES_WEB_MAX": "64",
            "IM_DRAIN_S": "2",
            "IM_OUTBOUND_BYTES_MAX": "131072",  # slow readers fill them in some seconds
            "PROMETHEUS_MULTIPROC_DIR": str(metrics),
            **self._env,
        }
        self.platform = Platform(settings, self._logs, usercenter=True, instead=self._instead)
        self._stack.callback(self.platform.stop, timeout_s=0)
        subprocess.run(
            [sys.executable, "-m", "migrations"],
            env=self.platform.env, cwd=ROOT, check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        self.bridge = self._stack.enter_context(
            Bridge(self.redis.port, CALLERS_DB, WORKERS_DB, self._seed)
        )
        for name in self.processes:
            self.platform.launch(name, env=self.own_env(name))
            self._launched[name] = time.monotonic()
        for name in self.processes:
            self.platform.wait_ready(name)
            if name.partition(".")[0] in ("web", "gateway"):
                self.proxies[name] = self._stack.enter_context(Proxy(self.platform.port(name)))
        supervisor = threading.Thread(target=self._supervise, name="supervisor", daemon=True)
        self._stack.callback(supervisor.join)
        self._stack.callback(self._over.set)
        supervisor.start()

    def own_env(self, name: str) -> dict[str, str]:
        """What only this process is told."""
        own = self.clocks.env(name)
        if not name.startswith("worker"):
            own["IM_BROKER_URL"] = self.redis.url(CALLERS_DB)
        return own

    # ------------------------------------------------------------ who runs

    @contextmanager
    def without(self, *names: str) -> Iterator[None]:
        """Leaves these processes to the caller, until the end of the block; then they run."""
        with self._lock:
            self._down.update(names)
        try:
            yield
        finally:
            with self._lock:
                taken = self._down.intersection(names)
                self._down -= taken
                self.revive(*taken)

    def start(self, name: str) -> None:
        """Starts a process that was stopped; returns when it is ready, or was not in time."""
        with self._lock:
            self._launch(name)
            self._down.discard(name)  # from now on it must not end by itself
        self.wait_ready(name)

    def wait_ready(self, *names: str) -> None:
        """Waits for these or all; who does not become ready is no failure yet: converging tells."""
        for name in names or self.processes:
            kombu.pools.reset()  # type: ignore[no-untyped-call]  # Redis may have died meanwhile
            with suppress(Exception):
                self.platform.wait_ready(name)

    def revive(self, *taken: str) -> None:
        """Starts what has ended and is to run; notes those that nobody has `taken` down."""
        with self._lock:
            for name in self.processes:
                if name in self._down or self.platform.alive(name):
                    continue
                if name not in taken:
                    code = self.platform.returncode(name)
                    self.deaths.append(Death(name, code, self._launched[name], time.monotonic()))
                self._launch(name)

    def _launch(self, name: str) -> None:
        self.platform.launch(name)
        self._launched[name] = time.monotonic()

    def raise_servers(self) -> list[str]:
        """Unfreezes the servers and starts those that have ended, which are returned."""
        ended = []
        for server in (*self.mariadbs, self.redis):
            server.resume()
            if not server.alive:
                ended.append(server.root.name)
                server.start()
        return ended

    def heal(self) -> None:
        """Starts and unfreezes everything; processes may still be starting then."""
        self.raise_servers()
        for name in self.processes:
            self.platform.resume(name)
        self.revive()

    def mend(self) -> None:
        """Heals everything; returns when all processes say that they are ready."""
        self.heal()
        self.wait_ready()

    def _supervise(self) -> None:
        while not self._over.wait(SUPERVISED_EVERY_S):
            with suppress(ServiceError, OSError, RuntimeError):
                self.revive()

    # ------------------------------------------------------------ what is needed to use it

    def tokens(self, users: Sequence[str]) -> dict[str, str]:
        """A token for each user, good for an hour."""
        secret = self.platform.env["IM_USERCENTER_SECRET"]
        with requests.Session() as session:
            session.trust_env = False
            answer = session.post(
                f"{self.platform.url('usercenter')}/tokens",
                json={"users": list(users), "ttl_s": 3600},
                headers={"Authorization": f"Bearer {secret}"},
                timeout=30,
            )
        answer.raise_for_status()
        tokens: dict[str, str] = answer.json()["tokens"]
        return tokens

    def redis_client(self) -> "redis.Redis":
        """Redis as the platform uses it; the caller closes it."""
        return redis.Redis.from_url(self.redis.url(), socket_timeout=5)

    @property
    def background(self) -> list[Background]:
        """The threads without which nothing goes on."""
        return [self.bridge, *self.proxies.values()]

    def counter(self, name: str) -> float:
        """A counter (`im_..._total`) of the platform, summed over all processes that ever ran."""
        registry = CollectorRegistry()
        MultiProcessCollector(registry, path=str(self.root / "metrics"))  # type: ignore[no-untyped-call]
        return registry.get_sample_value(name) or 0.0

    def logs(self) -> dict[str, str]:
        """What the processes have written, by process."""
        paths = self.platform.logs.glob("*.log")
        return {path.stem: self.platform.log(path.stem) for path in paths}


def sleep_until(moment: float) -> None:
    """Waits for a moment of the monotonic clock."""
    time.sleep(max(0.0, moment - time.monotonic()))
