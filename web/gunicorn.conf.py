"""gunicorn's settings, from the platform's own."""

import socket
import ssl
import sys
from typing import Any

import gevent
from prometheus_client.multiprocess import mark_process_dead

from models.settings import Settings
from web.process import allow_files, forget_dead_gauges, spare_long_pauses

CALLS_SPARE = 1000
"""Short calls on top of the long connections; what is one too many of those gets an answer."""

gevent.config.track_greenlet_tree = False  # it keeps 2 KiB of the spawner's frames alive

_settings = Settings()

worker_class = "gevent"
workers = _settings.web_workers
bind = [f"{_settings.web_host}:{_settings.web_port}"]
if _settings.metrics_port:
    bind.append(f"127.0.0.1:{_settings.metrics_port}")
worker_connections = _settings.connections_max + CALLS_SPARE
if _settings.web_tls:
    certfile, keyfile = _settings.tls_certificate, _settings.tls_key
backlog = 4096
keepalive = 10  # also how long a stopping worker waits for idle callers
max_requests = 0  # counts connections, and would end long ones
graceful_timeout = int(_settings.drain_s) + 15
timeout = 60
preload_app = False
control_socket_disable = True  # its path is shared by all of a user's instances
loglevel = "warning"
limit_request_line = 4094
limit_request_fields = 50
limit_request_field_size = 16384
forwarded_allow_ips = "127.0.0.1"


def ssl_context(config: Any, default: Any) -> Any:
    """TLS 1.2 or later, agreed upon in time; who fails is hung up on without a traceback."""
    context = default()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    wrap = context.wrap_socket

    def wrap_in_time(*args: Any, **named: Any) -> Any:
        try:
            with gevent.Timeout(_settings.handshake_deadline_s, TimeoutError()):
                return wrap(*args, **named)
        except OSError:
            raise gevent.GreenletExit from None  # gevent's server closes the socket

    context.wrap_socket = wrap_in_time
    return context


def on_starting(server: Any) -> None:
    """Allow as many sockets as connections; forget what processes left that died with ours."""
    forget_dead_gauges(_settings.metrics_dir)
    if not allow_files(_settings.connections_max):
        server.log.warning("too few open files allowed: raise LimitNOFILE")


def when_ready(server: Any) -> None:
    """Let the kernel cut who does not read what was written: gunicorn itself would wait for ever.

    Accepted sockets inherit it; what is idle is not touched (tcp(7), TCP_USER_TIMEOUT).
    """
    timeout_ms = int(1000 * _settings.write_timeout_s)
    for listener in server.LISTENERS:
        listener.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, timeout_ms)


def post_worker_init(worker: Any) -> None:
    """Send clients away once the worker is told to stop; spare the loop long pauses."""

    def watch() -> None:
        while worker.alive:
            gevent.sleep(0.1)
        sys.modules["web.wsgi"].keeper.drain()

    gevent.spawn(watch)
    spare_long_pauses()


def worker_exit(server: Any, worker: Any) -> None:
    """Wait until every client was sent away and everything accepted is stored."""
    root = sys.modules.get("web.wsgi")
    if root is not None:
        root.keeper.finish()


def child_exit(server: Any, worker: Any) -> None:
    """Forget the gauges of a worker that is gone."""
    if _settings.metrics_dir:
        mark_process_dead(worker.pid, _settings.metrics_dir)  # type: ignore[no-untyped-call]
