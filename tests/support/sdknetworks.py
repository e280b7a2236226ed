"""The networks of one scenario: a proxy for each device, and the addresses that lead through it."""

from contextlib import ExitStack
from typing import Any, Protocol, TypeVar

from dev.ports import free_port
from tests.support.cluster import Cluster
from tests.support.proxy import Proxy
from tests.support.proxyframes import Speech
from tests.support.proxytls import TlsRelay

_SPEECH: dict[str, Speech] = {
    "tcp": "mars",
    "ws": "websocket",
    "events": "http",
    "comet": "http",
}
_PORT = {"tcp": "gateway", "tls": "gateway.tls"}
_URL = {"tcp": "tcp://{}", "tls": "tls://{}", "ws": "ws://{}/ws"}


class _Closable(Protocol):
    def close(self) -> None: ...


C = TypeVar("C", bound=_Closable)


class Networks:
    """Each device's own network to where a transport goes; `[name]` is its proxy."""

    def __init__(self, cluster: Cluster, transport: str, scenario: dict[str, Any]) -> None:
        self._cluster = cluster
        self._transport = transport
        # Who loses single pushes must read what goes over the network: TLS ends there, then.
        self._reads_tls = any(step.get("do") in ("drop", "duplicate") for step in scenario["steps"])
        self._stack = ExitStack()
        self._proxies: dict[str, Proxy] = {}
        self._ports: dict[str, int] = {}
        for name in scenario["devices"]:
            self._proxies[name], self._ports[name] = self._open(transport)

    def __getitem__(self, name: str) -> Proxy:
        return self._proxies[name]

    def endpoint(self, name: str, at: str) -> str:
        """`own`: this device's link; `refused`: nobody listens there; else another transport."""
        transport = self._transport if at in ("own", "refused") else at
        if at == "own":
            port = self._ports[name]
        elif at == "refused":
            port = free_port()
        else:
            _, port = self._open(transport)
        return _URL.get(transport, "http://{}").format(f"127.0.0.1:{port}")

    def close(self) -> None:
        self._stack.close()

    def _open(self, transport: str) -> tuple[Proxy, int]:
        """A proxy to the process of a transport, and the port that leads to it."""
        target = self._cluster.platform.port(_PORT.get(transport, "web"))
        if transport == "tls" and self._reads_tls:
            env = self._cluster.platform.env
            certificate, key = env["IM_TLS_CERTIFICATE"], env["IM_TLS_KEY"]
            behind = self._kept(TlsRelay(target, trusted=self._cluster.certificate))
            proxy = self._kept(Proxy(behind.port, "mars"))
            before = self._kept(TlsRelay(proxy.port, certificate=certificate, key=key))
            return proxy, before.port
        proxy = self._kept(Proxy(target, _SPEECH.get(transport, "opaque")))
        return proxy, proxy.port

    def _kept(self, opened: C) -> C:
        self._stack.callback(opened.close)
        return opened
