"""Addresses of servers: `tcp://host:port`, `tls://…`, `ws(s)://host:port/ws`, `http(s)://…`."""

from dataclasses import dataclass
from urllib.parse import urlsplit

_TRANSPORTS = {
    "tcp": "tcp",
    "tls": "tls",
    "ws": "ws",
    "wss": "ws",
    "http": "comet",
    "https": "comet",
}
_PORTS = {"ws": 80, "http": 80, "wss": 443, "https": 443}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address; `transport` is tcp, tls, ws or comet."""

    url: str
    transport: str
    host: str
    port: int
    secure: bool

    @property
    def scheme(self) -> str:
        """tcp, tls, ws, wss, http or https."""
        return self.url.partition(":")[0]

    @classmethod
    def parse(cls, url: str) -> "Endpoint":
        """Read an address; ValueError when it is none."""
        parts = urlsplit(url)
        transport = _TRANSPORTS.get(parts.scheme)
        port = parts.port or _PORTS.get(parts.scheme)
        if transport is None or not parts.hostname or port is None:
            raise ValueError(f"not an endpoint: {url!r}; e.g. tls://im.example.com:8003")
        secure = parts.scheme in ("tls", "wss", "https")
        if transport == "ws" and parts.path in ("", "/"):
            url = f"{parts.scheme}://{parts.netloc}/ws"
        return cls(url.rstrip("/"), transport, parts.hostname, port, secure)
