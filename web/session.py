"""One connection of one client, whatever its transport: its state, its queue, its requests.

A transport cuts bytes into requests and calls `receive`; the session answers through `Wire`.

    OPENING  --auth-->  OPEN  --close-->  CLOSING
"""

import secrets
import time
from collections.abc import Callable
from enum import Enum, auto
from functools import lru_cache

import gevent
from google.protobuf.message import Message

from models.errors import Code, IMError
from models.registry import Presence
from models.usercentre.tokens import Identity
from proto import frame, im_pb2, jsonframe
from proto.commands import BY_NUMBER, COMMANDS, Command
from web.codec import Downlink, Form, Request, Shape, read_json, read_mars, refusal
from web.outbox import Outbox
from web.services import Services
from web.wire import Wire

REQUESTS_MAX = 64
"""Requests of one connection in progress; beyond it nothing more is read from it."""


ABNORMAL = 1006
"""Never sent: the connection is cut without a closing handshake."""

CLOSE_NONSENSE = 1002  # what came cannot be read
CLOSE_COME_BACK = 1012  # the server restarts
CLOSE_REFUSED = 4401  # do not come back with this token
CLOSE_SILENT = 4408  # come back when there is something to say


@lru_cache
def _form(kind: int, shape: Shape, client_version: int | None) -> Form:
    """Connections of one form want the same bytes; one tuple for all of them."""
    return kind, shape, client_version


class State(Enum):
    OPENING = auto()
    OPEN = auto()
    CLOSING = auto()


_CLIENT_COMMANDS = frozenset(command.number for command in COMMANDS if command.request)
ALLOWED: dict[State, frozenset[int]] = {
    State.OPENING: frozenset({im_pb2.CMD_AUTH, im_pb2.CMD_ADDRESSES}),
    State.OPEN: _CLIENT_COMMANDS,
    State.CLOSING: frozenset(),
}
"""Which commands each state admits; NOOP is answered in every one, by the read loop."""


class Session:
    """See the module. Not thread-safe: all of it runs in one process' greenlets."""

    __slots__ = (
        "_authenticating",
        "_client_version",
        "_form",
        "_requests",
        "_room",
        "_services",
        "_shape",
        "_wire",
        "gone",
        "heard_at",
        "id",
        "identity",
        "ip",
        "opened_at",
        "outbox",
        "presence",
        "state",
        "token",
        "transport",
        "unfinished_at",
        "user",
        "watched",
    )

    def __init__(
        self, services: Services, wire: Wire, shape: Shape, transport: str, ip: str
    ) -> None:
        self.id = secrets.token_hex(8)
        self.ip = ip
        self.user = ""
        self.presence: Presence | None = None  # while the registry counts it in
        self.watched: frozenset[str] = frozenset()  # users whose presence it is told
        self.gone = False  # the transport has let go of the connection
        self.identity: Identity | None = None
        self.token = ""  # kept only where it must be asked about again
        self.state = State.OPENING
        self.opened_at = self.heard_at = time.monotonic()
        self.transport = transport
        self._services = services
        self._wire = wire
        self._shape = shape
        self._client_version: int | None = None  # until the first frame
        self._form = _form(wire.kind, shape, None)
        self.outbox = Outbox(services, wire, self)
        self._requests = 0
        self._authenticating = False
        self.unfinished_at = 0.0  # since when a frame has been incomplete; 0: none is
        self._room: Callable[[], object] | None = None

    @property
    def services(self) -> Services:
        return self._services

    @property
    def closing(self) -> bool:
        return self.state is State.CLOSING

    @property
    def host(self) -> str:
        return ""  # the client knows where it is connected to

    def open(self) -> bool:
        """Authenticated: from here on every command is admitted; False when it is too late."""
        if self.state is State.OPENING:
            self.state = State.OPEN
        return self.state is State.OPEN

    # ------------------------------------------------------------ inbound

    def receive_frame(self, received: frame.Frame) -> None:
        """Take one Mars frame; raises FrameError when the connection must end."""
        if received.client_version != self._client_version:
            if self._client_version is not None:
                raise frame.FrameError("client_version changed")
            self._say_version(received.client_version)
        if received.cmd == frame.NOOP_CMD:
            if not self.closing:
                self.answer_noop(received)
        elif received.cmd != frame.SIGNALLING_CMD:
            self._receive(read_mars(received))

    def _say_version(self, client_version: int) -> None:
        self._client_version = client_version
        self._form = _form(self._wire.kind, self._shape, client_version)

    def answer_noop(self, received: frame.Frame) -> None:
        """Return a heartbeat."""
        answer = frame.encode(frame.NOOP_CMD, received.seq, b"", received.client_version)
        self.outbox.put(self._wire.wrap(answer))

    def refuse_frame(self, error: frame.FrameError) -> None:
        """End the connection over a frame that is none; one too large is answered first."""
        if isinstance(error, frame.FrameTooLarge):
            if self._client_version is None:
                self._say_version(error.client_version)
            command = BY_NUMBER.get(error.cmd)
            request = Request(error.cmd, error.seq, command, b"")
            self._answer(request, refusal(IMError(Code.TOO_LARGE, str(error)), command))
        self.close(CLOSE_NONSENSE, str(error))

    def receive_text(self, text: str) -> None:
        """Take one `im.json` message."""
        try:
            request = read_json(text)
        except IMError as error:
            self._put(jsonframe.encode("error", 0, refusal(error, None)).encode())
            return
        self._receive(request)

    def _receive(self, request: Request) -> None:
        command = request.command
        try:
            if command is None or command.request is None:
                raise IMError(Code.UNKNOWN_COMMAND, "unknown command")
            if command.number not in ALLOWED[self.state]:
                raise IMError(Code.UNAUTHENTICATED, "authenticate first")
            parsed = request.parse()
        except IMError as error:
            self._answer(request, refusal(error, command))
            return
        self._requests += 1
        if command.number == im_pb2.CMD_SEND:
            self._services.dispatcher.send(
                self.user, parsed, lambda answer: self._finish(request, answer)
            )
        elif command.number == im_pb2.CMD_AUTH:
            if self._authenticating:
                busy = IMError(Code.OVERLOADED, "another login is under way", retry_after_ms=500)
                self._finish(request, refusal(busy, command))
                return
            self._authenticating = True
            gevent.spawn(self._authenticate, request, parsed)
        else:
            gevent.spawn(self._call, request, command, parsed)

    @property
    def is_full(self) -> bool:
        """Whether the client must read more of its answers before it is heard again."""
        if self.state is State.CLOSING:
            return False
        too_many = self._requests >= REQUESTS_MAX
        return too_many or self.outbox.queued_bytes > self._services.settings.outbound_bytes_max

    def when_room(self, call: Callable[[], object]) -> None:
        """Call it, once, when that may have changed."""
        self._room = call

    def _call(self, request: Request, command: Command, parsed: Message) -> None:
        answer = self._services.dispatcher.call(self, command, parsed)
        self._finish(request, answer)

    def _authenticate(self, request: Request, parsed: Message) -> None:
        assert isinstance(parsed, im_pb2.AuthRequest)
        try:
            answer = self._services.authenticate(self, parsed)
        finally:
            self._authenticating = False
        self._finish(request, answer)
        if answer.error.code:
            self._services.metrics.requests.labels("auth", answer.error.name).inc()
        identifies = request.seq == frame.IDENTIFY_SEQ  # WIRE.md: refused once, then closed
        if answer.error.code and (identifies or not answer.error.retryable):
            self.close(CLOSE_REFUSED, answer.error.name)

    def _finish(self, request: Request, answer: Message) -> None:
        self._requests -= 1
        self.made_room()
        self._answer(request, answer)

    # ------------------------------------------------------------ outbound

    def _answer(self, request: Request, answer: Message) -> None:
        if self._shape is Shape.JSON:
            name = request.command.name if request.command else "error"
            self._put(jsonframe.encode(name, request.seq, answer).encode())
        else:
            body = answer.SerializeToString()
            version = self._client_version or 0
            self._put(frame.encode(request.number, request.seq, body, version))

    def offer(self, downlink: Downlink) -> None:
        """Queue a downlink; who cannot keep up loses the queue and is told to sync.

        What goes to a group is written at once where nothing waits.
        """
        if self.state is State.CLOSING:
            return
        data = downlink.wrapped.get(self._form)
        if data is None:
            shaped = self._shaped(downlink)
            if shaped is None:
                return
            data = downlink.wrapped[self._form] = self._wire.wrap(shaped)
        if downlink.group and self.outbox.send(data):
            return
        if self.outbox.has_room(len(data)):
            self.outbox.put(data, droppable=True)
        else:
            self._mark_behind()

    def _shaped(self, downlink: Downlink) -> bytes | None:
        """Its bytes for this connection; None before the client has said its version."""
        if self._shape is Shape.JSON:
            return downlink.json()
        if self._shape is Shape.EVENTS:
            return downlink.events()
        return None if self._client_version is None else downlink.mars(self._client_version)

    def _put(self, data: bytes) -> None:
        if self.state is not State.CLOSING:
            self.outbox.put(self._wire.wrap(data))

    def comment(self) -> None:
        """Show an event stream's reader, and the proxies on its way, that it lives."""
        self.heard_at = time.monotonic()  # nothing else is ever heard of it
        self.outbox.put(b":\n\n")

    def _mark_behind(self) -> None:
        """Drop the queued downlinks and say so: all of it can be read again by sync."""
        self.outbox.drop_downlinks()
        self._services.metrics.behind.inc()
        shaped = self._shaped(Downlink(im_pb2.CMD_PUSH_RESYNC, b""))
        assert shaped is not None, "who was sent anything has said its version"
        self.outbox.put(self._wire.wrap(shaped), droppable=True)

    def made_room(self) -> None:
        """The client may be heard again, if that was why it was not."""
        if self._room is not None:
            call, self._room = self._room, None
            call()

    # ------------------------------------------------------------ the end

    def kick(self, error: IMError) -> None:
        """Tell the client why it must not come back by itself, then close."""
        push = im_pb2.KickedPush(error=error.to_proto())
        self._say(Downlink(im_pb2.CMD_PUSH_KICKED, push.SerializeToString()))
        self.close(CLOSE_REFUSED, error.code.name)

    def go_away(self, delay_ms: int) -> None:
        """Tell the client to come back after a delay, then close."""
        push = self._services.go_away(delay_ms)
        self._say(Downlink(im_pb2.CMD_PUSH_GO_AWAY, push.SerializeToString()))
        self.close(CLOSE_COME_BACK, "going away")

    def _say(self, downlink: Downlink) -> None:
        """Queue what sync does not replace."""
        shaped = self._shaped(downlink)
        if shaped is not None:
            self._put(shaped)

    def close(self, code: int, reason: str) -> None:
        """End the connection, once, after writing what is queued."""
        if self.state is State.CLOSING:
            return
        self.state = State.CLOSING
        self._services.hub.all.discard(self)
        self._services.hub.remove(self)
        self._services.attendance.leave(self)
        self.made_room()
        self._wire.shut(self, code, reason)

    def write_failed(self) -> None:
        """Nothing can be written any more."""
        self.outbox.clear()
        self.close(ABNORMAL, "write failed")
