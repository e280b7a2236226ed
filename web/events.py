"""Server-sent events (HTML standard, section 9.2): `GET /events`, downlinks as a stream of text.

Each event's data is one `im.json` message. Messages carry their version as the event's id, so a
browser that reconnects by itself says where it left off. The uplink is the short link.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import gevent
from flask import Flask, Response, request

from models.errors import Code, IMError
from models.usecases.reading import sync
from models.usercentre.tokens import Identity
from proto import im_pb2, jsonframe
from web.codec import Downlink, Shape, event
from web.connection import hand_over, run
from web.dispatch import TooLate, translate
from web.httpcall import bearer_token, client_ip, respond
from web.origin import cors_headers
from web.services import check_device
from web.session import CLOSE_REFUSED, Session, State
from web.tcp import TcpWire

if TYPE_CHECKING:
    from web.services import Services

HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n"
    b"X-Accel-Buffering: no\r\nConnection: close\r\n%s\r\n"
)
RETRY_MS = 2000
"""How long a browser waits before it reconnects."""


class EventSession(Session):
    """A session whose messages follow each other without gap or repetition from its cursor on.

    While the log is being read, downlinks with messages only say that there is more of it; one
    with a hole before it makes the log be read again, as does a gap in what Redis forwarded.
    """

    __slots__ = ("_behind", "_reached", "_reading")

    def __init__(self, services: "Services", wire: TcpWire, ip: str) -> None:
        super().__init__(services, wire, Shape.EVENTS, "events", ip)
        self._reading = True
        self._behind = False
        self._reached = 0  # version up to which everything was queued

    def offer(self, downlink: Downlink) -> None:
        """As any session, in order."""
        previous, last = downlink.span()
        if not last and self.state is State.OPEN:
            super().offer(downlink)
        if downlink.number == im_pb2.CMD_PUSH_RESYNC or (last and previous > self._reached):
            self._read_again()
        elif last and self._reading:
            self._behind = True
        elif last > self._reached:
            if previous < self._reached:
                downlink = downlink.behind(self._reached)
            self._reached = last
            super().offer(downlink)

    def _read_again(self) -> None:
        self._behind = True
        if not self._reading:
            self._reading = True
            gevent.spawn(self.catch_up, self._reached)

    def _mark_behind(self) -> None:
        """A reader that cannot keep up comes back later and says where it was."""
        self.services.metrics.behind.inc()
        self.go_away(RETRY_MS)

    def begin(self, since: int, version: int) -> None:
        """Send what the mailbox holds beyond `since`; `version` is the latest that was published.

        Who only comes back and has all of that costs MySQL nothing.
        """
        self._behind = self._behind or version > since or not since
        self.catch_up(since)

    def catch_up(self, since: int) -> None:
        """Read the log from `since` while there is more of it, then let downlinks through."""
        self._reached = since
        try:
            while self._behind and not self.closing:
                self._behind = False
                self._read_log()
            self._reading = False
        except Exception as error:
            translate(error, "events")  # logs what nobody expected
            self.go_away(RETRY_MS)  # the reader comes back and says where it was

    def _read_log(self) -> None:
        more = True
        while more and not self.closing:
            request_ = im_pb2.SyncRequest(cursor=self._reached)
            page = sync(self.services.core, self.user, request_)
            if page.messages:
                push = im_pb2.MessagesPush(messages=page.messages, previous=self._reached)
                super().offer(Downlink(im_pb2.CMD_PUSH_MESSAGES, push.SerializeToString()))
                self.outbox.drain()
            self._reached, more = page.cursor, page.more


class EventStreams:
    """The route."""

    def __init__(self, services: "Services") -> None:
        self._services = services

    def add_route(self, app: Flask, path: str) -> None:
        """Serve streams at `path`."""
        app.add_url_rule(path, view_func=self._stream, methods=["GET"])

    def _stream(self) -> Response:
        services = self._services
        ip = client_ip(services)
        try:
            platform = request.args.get("platform", "")
            device = request.args.get("device", "")
            check_device(platform, device)
            since = _since()
            services.admission.enter(ip)
        except IMError as error:
            return self._refuse(error)
        try:
            with (
                gevent.Timeout(services.settings.request_timeout_s, TooLate()),
                services.admission.login(),
            ):
                identity, token = self._identity()
        except Exception as error:
            services.admission.leave(ip)
            return self._refuse(error)
        opening = HEAD % "".join(f"{k}: {v}\r\n" for k, v in cors_headers().items()).encode(
            "latin-1"
        )

        def open_(session: Session) -> im_pb2.AuthResponse:
            with services.admission.login():
                return services.open(session, identity, token, platform, device)

        return hand_over(
            request.environ["gunicorn.socket"],
            lambda sock: serve(services, sock, ip, opening, open_, since),
        )

    def _refuse(self, error: Exception) -> Response:
        refusal = im_pb2.AuthResponse(error=translate(error, "events").to_proto())
        self._services.metrics.requests.labels("events", refusal.error.name).inc()
        return respond(refusal, as_json=True)

    def _identity(self) -> tuple[Identity, str]:
        """By a one-use ticket, which alone may stand in a URL, or by a bearer token."""
        services = self._services
        ticket = request.args.get("ticket")
        if ticket is not None:
            identity, token = services.core.tickets.redeem(ticket)
            services.verifier.check(identity)
            return identity, token
        token = bearer_token()
        identity = services.verifier.verify(token)
        return identity, token if services.keeps_tokens else ""


class Nothing:
    """What a reader of events says: nothing that matters."""

    def feed(self, data: bytes) -> Iterator[None]:
        return iter(())

    def take(self, message: None) -> None:
        """Never called."""

    def fed(self) -> bool:
        return False


def serve(
    services: "Services",
    sock: Any,
    ip: str,
    opening: bytes,
    open_: Callable[[Session], im_pb2.AuthResponse],
    since: int | None,
) -> None:
    """Serve one stream; see `run`."""
    wire = TcpWire(sock)
    session = EventSession(services, wire, ip)
    session.outbox.put(opening + b"retry: %d\n\n" % RETRY_MS)  # before anything else can be said
    gevent.spawn(_begin, services, session, open_, since)
    run(session, wire, Nothing())


def _begin(
    services: "Services",
    session: EventSession,
    open_: Callable[[Session], im_pb2.AuthResponse],
    since: int | None,
) -> None:
    """Open the session, say so, and catch up."""
    try:
        with gevent.Timeout(services.settings.request_timeout_s, TooLate()):
            answer = open_(session)
    except Exception as error:
        answer = im_pb2.AuthResponse(error=translate(error, "events").to_proto())
    text = jsonframe.encode("auth", 0, answer).encode()
    session.outbox.put(event(text))
    if answer.error.code:
        session.close(CLOSE_REFUSED, answer.error.name)
    else:
        session.begin(answer.version if since is None else since, answer.version)


def _since() -> int | None:
    """The cursor to go on from: what a reconnecting browser says comes before the URL."""
    text = request.headers.get("Last-Event-ID") or request.args.get("since")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise IMError(Code.BAD_REQUEST, "since is a version")
    return int(text)
