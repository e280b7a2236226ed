"""HAProxy with the configuration of `deploy/`, in front of processes of a platform."""

import socket
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from dev.clients.mars import MarsClient
from dev.clients.wait import wait_until
from dev.environment import ROOT
from dev.ports import free_port
from dev.services import Service, find_command, write_private
from tests.support.cluster import Cluster
from tests.support.secure import Secure

CONFIGURATION = ROOT / "deploy" / "haproxy.cfg"
WEBS, GATEWAYS = ("web.behind", "web.behind2"), ("gateway.behind", "gateway.behind2")
CONNECTIONS_PER_IP_MAX = 8
"""What each process behind takes of one address."""

PORTS = ("HTTPS", "HTTP", "TCP", "TLS")


class HAProxy(Service):
    """One HAProxy on free ports.

    `env` are settings of `IM_LB_…`, `changes` texts of the configuration replaced by others.
    """

    def __init__(
        self,
        root: Path,
        cluster: Cluster,
        *,
        env: Mapping[str, str] | None = None,
        changes: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(root, None)
        self._cluster = cluster
        self._changes = changes or {}
        self.ports = {name: free_port() for name in PORTS}
        self._env = {
            **{f"IM_LB_{name}": f"127.0.0.1:{port}" for name, port in self.ports.items()},
            "IM_LB_CERTIFICATE": str(self.root / "both.pem"),
            # Relative: the name of a socket is at most 107 bytes.
            "IM_LB_SOCKET": "unix@admin.sock",
            "IM_LB_CONNECTIONS_MAX": "400",  # within anybody's limit of open files
            "IM_LB_AS_STARTED": "1",
            **_servers("IM_WEB", WEBS, cluster),
            **_servers("IM_GATEWAY", GATEWAYS, cluster),
            **_servers("IM_GATEWAY_TLS", tuple(f"{name}.tls" for name in GATEWAYS), cluster),
            **(env or {}),
        }

    def secure(self) -> Secure:
        """Clients of its HTTPS port."""
        return Secure(self._cluster, self.ports["HTTPS"])

    def mars(self, *, tls: bool = False, source: str = "") -> MarsClient:
        """A Mars client of its TCP or TLS port."""
        certificate = self._cluster.certificate if tls else None
        return MarsClient(
            self.ports["TLS" if tls else "TCP"], certificate=certificate, source=source
        )

    # ------------------------------------------------------------ its admin socket

    def command(self, text: str) -> str:
        """What the admin socket answers."""
        with closing(socket.socket(socket.AF_UNIX)) as admin:
            # The path may be longer than a socket's name may be; this one is not.
            admin.connect(f"/proc/{self.pid}/cwd/admin.sock")
            admin.sendall(text.encode() + b"\n")
            with admin.makefile("r") as answer:
                return answer.read().strip()

    def status(self, backend: str, server: str, column: str = "status") -> str:
        """A column of `show stat`: `status`, `scur` (connections now), `stot` (so far)."""
        names, *rows = self.command("show stat").lstrip("# ").splitlines()
        for row in rows:
            values = dict(zip(names.split(","), row.split(","), strict=True))
            if (values["pxname"], values["svname"]) == (backend, server):
                return values[column]
        raise KeyError(f"{backend}/{server}")

    def wait_up(self) -> None:
        """Return when every server is found healthy."""
        for backend, server in (
            (backend, f"{kind}{n}")
            for backend, kind in (("web", "web"), ("tcp", "gateway"), ("tls", "gateway"))
            for n in (1, 2)
        ):
            wait_until(
                lambda backend=backend, server=server: self.status(backend, server) == "UP",  # type: ignore[misc]
                what=f"{backend}/{server} up",
            )

    @contextmanager
    def drained(self, *servers: str) -> Iterator[None]:
        """No new connections for these servers, as before maintenance: `web/web1`."""
        try:
            for server in servers:
                assert not self.command(f"set server {server} state drain")
            yield
        finally:
            for server in servers:
                self.command(f"set server {server} state ready")

    # ------------------------------------------------------------ the service

    def _prepare(self) -> list[str]:
        env = self._cluster.platform.env
        both = (Path(env[name]).read_text() for name in ("IM_TLS_CERTIFICATE", "IM_TLS_KEY"))
        write_private(self.root / "both.pem", "".join(both))
        text = CONFIGURATION.read_text()
        for old, new in self._changes.items():
            assert old in text, f"the configuration has no {old!r}"
            text = text.replace(old, new)
        (self.root / "haproxy.cfg").write_text(text)
        settings = [f"{name}={value}" for name, value in self._env.items()]
        return ["env", *settings, find_command("haproxy", "haproxy"), "-db", "-f", "haproxy.cfg"]

    def _answers(self) -> bool:
        try:
            return "Uptime" in self.command("show info")
        except OSError:
            return False


@contextmanager
def behind(cluster: Cluster) -> Iterator[Cluster]:
    """The platform with processes that believe the proxy."""
    env = {
        "IM_TRUSTED_PROXIES": "127.0.0.1/32",
        "IM_CONNECTIONS_PER_IP_MAX": str(CONNECTIONS_PER_IP_MAX),
    }
    cluster.platform.start(*WEBS, *GATEWAYS, env=env)
    try:
        yield cluster
    finally:
        cluster.platform.stop(*WEBS, *GATEWAYS)


@contextmanager
def running(proxy: HAProxy) -> Iterator[HAProxy]:
    """The proxy, with every server behind it found."""
    try:
        proxy.start()
        proxy.wait_up()
        yield proxy
    finally:
        proxy.kill()


def _servers(prefix: str, names: tuple[str, ...], cluster: Cluster) -> dict[str, str]:
    return {
        f"{prefix}_{number}": f"127.0.0.1:{cluster.platform.port(name)}"
        for number, name in enumerate(names, 1)
    }
