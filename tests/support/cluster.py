"""A platform for tests: its processes and servers, tokens for anybody, connections for anybody."""

import itertools
import subprocess
import sys
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

import kombu.pools
import redis
import requests

from dev.clients.device import Device
from dev.clients.http import ShortClient
from dev.clients.mars import MarsClient
from dev.clients.wire import Caller
from dev.clients.ws import WebSocketClient
from dev.environment import ROOT, store_settings
from dev.platform import Platform
from dev.services import MariaDB, Redis
from dev.store import Store
from tests.support.polls import Comet, CometDevice, EventDevice

PROCESSES = ("usercenter", "web", "gateway", "worker", "beat")
Apart = Literal["same shard", "other shard", "other database"]
APART: tuple[Apart, ...] = ("same shard", "other shard", "other database")
Transport = Literal["ws-frames", "ws-json", "tcp", "http-json", "http-protobuf"]
TRANSPORTS: tuple[Transport, ...] = ("ws-frames", "ws-json", "tcp", "http-json", "http-protobuf")
Kind = Literal["ws-frames", "ws-json", "tcp", "tls", "comet", "events"]
KINDS: tuple[Kind, ...] = ("ws-frames", "ws-json", "tcp", "tls", "comet", "events")


class Cluster:
    """Two databases of two tables in `mariadb`, an own Redis, and the processes of the platform.

    The second database lies in the server `second` where there is one.
    Connections opened through it are closed by `hang_up`, which tests need not call themselves.
    """

    def __init__(
        self,
        root: Path,
        mariadb: MariaDB,
        *,
        second: MariaDB | None = None,
        processes: tuple[str, ...] = PROCESSES,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.mariadb = mariadb
        self.redis = Redis(root / "redis")
        self._processes = processes
        self._open: list[Device | ShortClient | Comet] = []
        self._tokens: dict[str, str] = {}
        prefix = uuid.uuid4().hex[:8]
        self._databases = {f"im_{prefix}_0": mariadb, f"im_{prefix}_1": second or mariadb}
        self.redis.start()
        urls = [server.create_database(name) for name, server in self._databases.items()]
        (root / "metrics").mkdir(parents=True)
        settings = {
            **store_settings(urls, self.redis.url()),
            "IM_TABLES_PER_DATABASE": "2",
            "IM_SEND_RATE_PER_S": "100000",  # tests send as fast as they can
            "IM_SEND_BURST": "100000",
            "IM_DEVICES_WEB_MAX": "64",
            "PROMETHEUS_MULTIPROC_DIR": str(root / "metrics"),
            **(env or {}),
        }
        self.platform = Platform(settings, root / "logs", usercenter=True)
        self.store = Store(self._databases)

    def __enter__(self) -> Self:
        try:
            command = [sys.executable, "-m", "migrations"]
            subprocess.run(
                command, env=self.platform.env, cwd=ROOT, check=True, stdout=subprocess.DEVNULL
            )
            self.platform.start(*self._processes)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self.hang_up()
        self.platform.stop(timeout_s=0)
        self.redis.kill()
        for name, server in self._databases.items():
            if server.alive:
                server.drop_database(name)

    # ------------------------------------------------------------ people

    def person(self, name: str = "user") -> str:
        """A user id nobody had before."""
        return f"{name}-{uuid.uuid4().hex[:10]}"

    def pair(self, apart: Apart = "other shard") -> tuple[str, str]:
        """Two new user ids whose mailboxes lie like this."""
        alice = self.person("alice")
        home = self.store.shard_of(alice)
        for _ in itertools.count():
            bob = self.person("bob")
            shard = self.store.shard_of(bob)
            if apart == "same shard":
                fits = shard == home
            elif apart == "other shard":
                fits = shard.database == home.database and shard.table != home.table
            else:
                fits = shard.database != home.database
            if fits:
                return alice, bob
        raise AssertionError("unreachable")

    def token(self, user: str, ttl_s: int = 3600) -> str:
        """A token of the user; the same one again, unless it is a short one."""
        if ttl_s != 3600:
            return self._issue(user, ttl_s)
        if user not in self._tokens:
            self._tokens[user] = self._issue(user, ttl_s)
        return self._tokens[user]

    def new_token(self, user: str) -> str:
        """Another token of the user."""
        return self._issue(user, 3600)

    def usercenter(self, path: str, body: Any, *, bearer: str = "") -> Any:
        """Call the user centre, with the platform's secret unless another bearer is given."""
        bearer = bearer or self.platform.env["IM_USERCENTER_SECRET"]
        with requests.Session() as session:
            session.trust_env = False
            answer = session.post(
                f"{self.platform.url('usercenter')}{path}",
                json=body,
                headers={"Authorization": f"Bearer {bearer}"},
                timeout=20,
            )
        assert answer.ok, answer.text
        return answer.json()

    def _issue(self, user: str, ttl_s: int) -> str:
        answer = self.usercenter("/tokens", {"users": [user], "ttl_s": ttl_s})
        return str(answer["tokens"][user])

    # ------------------------------------------------------------ connections

    def connect(
        self, user: str, web: str = "web", *, json: bool = False, token: str = ""
    ) -> WebSocketClient:
        """An authenticated WebSocket of the user."""
        client = self.connect_bare(web, json=json)
        client.auth(token or self.token(user))
        return client

    def connect_bare(self, web: str = "web", *, json: bool = False) -> WebSocketClient:
        """A WebSocket that has not authenticated."""
        client = WebSocketClient(self.platform.url(web), json=json)
        self._open.append(client)
        return client

    def tcp(self, user: str = "", gateway: str = "gateway", *, tls: bool = False) -> MarsClient:
        """A TCP connection, authenticated when a user is named."""
        port = self.platform.port(f"{gateway}.tls" if tls else gateway)
        client = MarsClient(port, certificate=self.certificate if tls else None)
        self._open.append(client)
        if user:
            client.auth(self.token(user))
        return client

    @property
    def certificate(self) -> Path:
        """What TLS clients trust."""
        return Path(self.platform.env["IM_TLS_CERTIFICATE"])

    def comet(
        self, user: str, web: str = "web", *, since: int = 0, token: str = "", **more: Any
    ) -> CometDevice:
        """A device of the user that polls."""
        client = CometDevice(self.platform.url(web), token or self.token(user), since, **more)
        self._open.append(client)
        return client

    def events(self, user: str, web: str = "web", *, token: str = "", **more: Any) -> EventDevice:
        """A device of the user that reads an event stream."""
        client = EventDevice(self.platform.url(web), token or self.token(user), **more)
        self._open.append(client)
        return client

    def device(
        self,
        kind: Kind,
        user: str,
        web: str = "web",
        *,
        since: int = 0,
        device: str = "",
        token: str = "",
    ) -> Device:
        """A device of the user by any transport; those without an uplink start behind `since`."""
        token = token or self.token(user)
        if kind == "comet":
            return self.comet(user, web, since=since, device=device, token=token)
        if kind == "events":
            return self.events(user, web, since=since, device=device, token=token)
        if kind.startswith("ws"):
            client: Device = self.connect_bare(web, json=kind == "ws-json")
        else:
            client = self.tcp(gateway=web.replace("web", "gateway", 1), tls=kind == "tls")
        client.auth(token, device=device)
        return client

    def polls(self, user: str, web: str = "web", *, json: bool = True, token: str = "") -> Comet:
        """Single polls of the user."""
        client = Comet(self.platform.url(web), token or self.token(user), json=json)
        self._open.append(client)
        return client

    def short(self, token: str, web: str = "web", *, json: bool = False) -> ShortClient:
        """Short calls under this token; none when it is empty."""
        client = ShortClient(self.platform.url(web), token, json=json)
        self._open.append(client)
        return client

    def caller(self, transport: Transport, user: str, web: str = "web") -> Caller:
        """A client of the user by any transport."""
        json = transport.endswith("json")
        if transport == "tcp":
            return self.tcp(user, web.replace("web", "gateway"))
        if transport.startswith("ws"):
            return self.connect(user, web, json=json)
        return self.short(self.token(user), web, json=json)

    def hang_up(self) -> None:
        """Close every connection opened here."""
        while self._open:
            self._open.pop().close()

    # ------------------------------------------------------------ what it does inside

    def start(self, *names: str) -> None:
        """Start processes again, after a failure of Redis too."""
        kombu.pools.reset()  # our own connections to a Redis that died meanwhile
        self.platform.start(*names)

    def revive(self, *names: str) -> None:
        """Start those that ended, as a supervisor would; who hangs is not helped."""
        for name in names:
            if not self.platform.alive(name):
                self.start(name)

    def mend(self) -> None:
        """Let everything run again that was killed or frozen."""
        for server in (self.mariadb, self.redis):
            server.resume()
            if not server.alive:
                server.start()
        self.revive(*self._processes)

    def redis_client(self) -> "redis.Redis":
        """Redis as the platform uses it; the caller closes it."""
        return redis.Redis.from_url(self.redis.url(), socket_timeout=5)

    def logs(self) -> dict[str, str]:
        """What the processes have written, by process."""
        return {
            path.stem: self.platform.log(path.stem) for path in self.platform.logs.glob("*.log")
        }

    def metrics(self, web: str = "web") -> dict[str, float]:
        """The samples on a web process' metrics port, by name with labels."""
        url = f"http://127.0.0.1:{self.platform.port(f'{web}.metrics')}/metrics"
        text = requests.get(url, timeout=10).text
        samples = {}
        for line in text.splitlines():
            if not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                samples[name] = float(value)
        return samples
