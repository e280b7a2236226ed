"""What all long connections share: leaving gunicorn's request, and a session's life."""

import socket
import ssl
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Any, Protocol

import structlog
from flask import Response

from web.reading import Inbound, LoopReader, read_in_greenlet
from web.session import ABNORMAL, Session

log = structlog.get_logger()

CLOSE_LINGER_S = 5.0

# A peer that vanished is found out within about three minutes of silence, or 30 seconds after
# something was written to it (tcp(7)).
KEEPALIVE = {
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE): 1,
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE): 90,
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL): 30,
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT): 3,
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT): 30_000,
    (socket.IPPROTO_TCP, socket.TCP_NODELAY): 1,
}


class Closable(Protocol):
    """The part of a wire that ends with its reader."""

    sock: Any

    def close(self) -> None:
        """Let go of the socket."""


def run(session: Session, wire: Closable, inbound: Inbound) -> None:
    """Serve a connection that admission has counted in; raises nothing.

    Returns at once for a plain socket, which the event loop goes on reading; at the end of the
    connection for a TLS socket.
    """
    services = session.services
    services.hub.all.add(session)
    services.metrics.connections.labels(session.transport).inc()
    if not isinstance(wire.sock, ssl.SSLSocket):
        LoopReader(wire.sock, session, inbound, partial(_ended, session, wire))
        return
    try:
        read_in_greenlet(wire.sock, session, inbound)
    except Exception as error:
        log.error("connection failed", exc_info=error)
    finally:
        _ended(session, wire)


def _ended(session: Session, wire: Closable) -> None:
    """Nothing more will be read."""
    services = session.services
    session.close(ABNORMAL, "the client is gone")
    services.metrics.connections.labels(session.transport).dec()
    services.admission.leave(session.ip)
    wire.close()
    session.gone = True


def keep_alive(sock: Any) -> None:
    """Let the kernel find out when the other side has vanished."""
    for (level, option), value in KEEPALIVE.items():
        sock.setsockopt(level, option, value)


class AlreadyAnswered(Response):
    """What a route returns whose socket has been used up."""

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        raise StopIteration


def hand_over(sock: Any, serve: Callable[[Any], object]) -> AlreadyAnswered:
    """Serve a request's connection apart from it; gunicorn and Flask let go.

    Their frames and the request's environment would otherwise stay for as long as the client does:
    10 KiB each. The descriptor changes hands: with a duplicate, epoll would go on reporting the one
    gunicorn has closed. A TLS socket cannot be taken out of its state and is served where it is.
    """
    with suppress(OSError):  # the client is gone already; reading finds out
        keep_alive(sock)
    serve(sock if isinstance(sock, ssl.SSLSocket) else socket.socket(fileno=sock.detach()))
    return AlreadyAnswered()
