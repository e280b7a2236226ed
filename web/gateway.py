"""The gateway process: `python -m web.gateway` holds TCP and TCP+TLS connections.

Its sessions, handlers and downlinks are those of `web`. Several gateways on one machine may share
their ports (SO_REUSEPORT).
"""
# ruff: noqa: E402 - gevent patches the standard library before anything uses it

from gevent import monkey

monkey.patch_all()

import signal
import socket
import ssl
import sys
from typing import Any

import gevent
import structlog
from flask import Flask
from gevent.event import Event
from gevent.pywsgi import WSGIServer
from gevent.server import StreamServer

from models.errors import IMError
from models.settings import Settings
from web.connection import keep_alive
from web.health import Health
from web.process import allow_files, forget_dead_gauges, spare_long_pauses
from web.proxyheader import BadHeader, read_client
from web.root import make_services
from web.services import Services
from web.tcp import serve

log = structlog.get_logger()

BACKLOG = 4096


class TooSlow(Exception):
    """The client did not finish its handshake in time."""


class Server(StreamServer):
    """Accepts; a connection outlives its handler, which closes it by itself."""

    def do_close(self, *_: Any) -> None:
        """Nothing."""


class Gateway:
    """Listeners, and what happens before a connection is a session."""

    def __init__(self, services: Services) -> None:
        settings = services.settings
        self._services = services
        self._context: ssl.SSLContext | None = None
        self._servers: list[Server] = []
        if settings.gateway_port:
            self._listen(settings.gateway_port, self._plain)
        if settings.gateway_tls_port:
            self.load_certificate()
            self._listen(settings.gateway_tls_port, self._secure)

    def load_certificate(self) -> None:
        """Read the certificate, again too: new connections get the new one; raises OSError.

        A context that reads a certificate without its key serves nobody any more, hence a new one.
        """
        settings = self._services.settings
        if settings.gateway_tls_port:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            context.load_cert_chain(settings.tls_certificate, settings.tls_key)
            self._context = context

    def start(self) -> None:
        """Accept connections."""
        for server in self._servers:
            server.start()

    def stop_accepting(self) -> None:
        """Take nobody new; what is connected stays."""
        for server in self._servers:
            server.stop_accepting()
            server.socket.close()

    def _listen(self, port: int, handle: Any) -> None:
        host = self._services.settings.gateway_host
        listener = listen(host, port)
        server = Server(listener, handle, spawn=gevent.spawn_raw)  # type: ignore[call-overload]
        self._servers.append(server)

    def _plain(self, sock: Any, address: tuple[str, int]) -> None:
        self._admit(sock, address[0], None)

    def _secure(self, sock: Any, address: tuple[str, int]) -> None:
        self._admit(sock, address[0], self._context)

    def _admit(self, sock: Any, peer: str, context: ssl.SSLContext | None) -> None:
        """Find out who it is, count the connection in, and serve it."""
        services = self._services
        try:
            with gevent.Timeout(services.settings.handshake_deadline_s, TooSlow()):
                ip = self._client(sock, peer)
                services.admission.enter(ip)
        except (BadHeader, IMError, OSError, TooSlow) as error:
            log.debug("connection refused", error=type(error).__name__)
            sock.close()
            return
        try:
            keep_alive(sock)
            if context is not None:
                with gevent.Timeout(services.settings.handshake_deadline_s, TooSlow()):
                    sock = context.wrap_socket(sock, server_side=True)
        except (OSError, TooSlow) as error:
            log.debug("handshake failed", error=type(error).__name__)
            services.metrics.refused.labels("handshake").inc()
            services.admission.leave(ip)
            sock.close()
            return
        serve(services, sock, ip, "tcp" if context is None else "tls")

    def _client(self, sock: Any, peer: str) -> str:
        """The client's address, by the PROXY header where `peer` is one of our proxies."""
        if peer not in self._services.trusted:
            return peer
        return read_client(lambda count: _exactly(sock, count)) or peer


def _exactly(sock: Any, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = sock.recv(count - len(data))
        if not more:
            raise BadHeader("the connection ended inside it")
        data += more
    return data


def listen(host: str, port: int) -> Any:
    """A listening socket that other processes of this machine may share."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind((host, port))
    listener.listen(BACKLOG)
    listener.setblocking(False)
    return listener


def serve_health(services: Services) -> WSGIServer | None:
    """`/healthz`, `/readyz` and `/metrics` on the loopback port of their own."""
    port = services.settings.gateway_metrics_port
    if not port:
        return None
    app = Flask("im-gateway")
    Health(services.core, port).add_routes(app)
    server = WSGIServer(listen("127.0.0.1", port), app, log=None, error_log=None)
    server.start()
    return server


def main() -> int:
    """Serve until SIGTERM or SIGINT, then send every client away."""
    gevent.config.track_greenlet_tree = False
    settings = Settings()
    forget_dead_gauges(settings.metrics_dir)
    services, keeper = make_services(settings, "gateway")
    if not allow_files(settings.connections_max):
        log.warning("too few open files allowed: raise LimitNOFILE")
    stopping = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        gevent.signal_handler(number, stopping.set)
    try:
        gateway = Gateway(services)
    except OSError as error:
        log.error("the gateway cannot listen", error=str(error))
        return 1

    def reload() -> None:
        try:
            gateway.load_certificate()
        except OSError as error:
            log.error("certificate not read, the old one stays", error=str(error))

    gevent.signal_handler(signal.SIGHUP, reload)
    gateway.start()
    health = serve_health(services)
    spare_long_pauses()
    stopping.wait()
    gateway.stop_accepting()
    keeper.finish()
    if health is not None:
        health.stop()
    services.core.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
