"""WebSocket (RFC 6455) behind flask-sock's route, with a lean connection of our own.

`websockets`' sans-I/O protocol checks the handshake and reads frames; the handler's greenlet reads
the socket, the session's queue writes it. No compression, bounded messages. Why not
simple-websocket: docs/decisions/003-websocket.md.
"""

import socket
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import gevent
from flask import Response, request
from flask_sock import Sock
from websockets.datastructures import Headers
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request as Handshake
from websockets.protocol import State as WireState
from websockets.server import ServerProtocol

from models.errors import IMError
from proto import frame as mars
from web.codec import Shape
from web.connection import CLOSE_LINGER_S, hand_over, run
from web.httpcall import STATUS, client_ip
from web.session import ABNORMAL, Session
from web.wire import SocketWire

if TYPE_CHECKING:
    from web.services import Services

JSON_SUBPROTOCOL = "im.json"


def message_header(opcode: int, size: int) -> bytes:
    """Header of an unmasked, unfragmented message."""
    first = 0x80 | opcode
    if size < 126:
        return bytes((first, size))
    if size < 65536:
        return bytes((first, 126)) + size.to_bytes(2, "big")
    return bytes((first, 127)) + size.to_bytes(8, "big")


class Connection(SocketWire):
    """The bytes of one WebSocket; the session's wire."""

    __slots__ = ("opcode", "protocol")

    def __init__(self, sock: Any, text: bool, body_max: int) -> None:
        super().__init__(sock)
        self.protocol = ServerProtocol(state=WireState.OPEN, max_size=body_max)
        self.opcode = Opcode.TEXT if text else Opcode.BINARY

    @property
    def kind(self) -> int:
        """A binary and a text message differ in their first byte."""
        return int(self.opcode)

    def wrap(self, data: bytes) -> bytes:
        return message_header(self.opcode, len(data)) + data

    def shut(self, session: Session, code: int, reason: str) -> None:
        gevent.spawn(self._shut, session, code, reason)

    def _shut(self, session: Session, code: int, reason: str) -> None:
        """Send what is queued and our close; give the client a moment to answer; cut."""
        protocol = self.protocol
        with gevent.Timeout(CLOSE_LINGER_S, False):  # type: ignore[arg-type]
            if code != ABNORMAL and protocol.state is WireState.OPEN:
                protocol.send_close(code, reason[:100])
                self.queue_control(session)
            session.outbox.drain()
            while code != ABNORMAL and not session.gone and not protocol.close_expected():
                gevent.sleep(0.05)
            self.shutdown(socket.SHUT_WR)  # the server hangs up first: RFC 6455, section 7.1.1
            while code != ABNORMAL and not session.gone:
                gevent.sleep(0.05)
        self.shutdown(socket.SHUT_RDWR)

    def queue_control(self, session: Session) -> None:
        """Queue what the protocol itself wants to say: pongs and closes, never messages."""
        for data in self.protocol.data_to_send():
            if data:
                session.outbox.put(data)


class Messages:
    """Assembles messages from WebSocket frames and hands them to the session."""

    __slots__ = ("_body_max", "_opcode", "_parts", "_session", "_wire")

    def __init__(self, wire: Connection, session: Session, body_max: int) -> None:
        self._wire = wire
        self._session = session
        self._body_max = body_max
        self._parts: list[bytes] = []
        self._opcode = Opcode.BINARY

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames these bytes complete."""
        protocol = self._wire.protocol
        protocol.receive_data(data)
        return (event for event in protocol.events_received() if isinstance(event, Frame))

    def fed(self) -> bool:
        """Say what the protocol wants said; begin to hang up once the closes are exchanged."""
        protocol = self._wire.protocol
        self._wire.queue_control(self._session)
        if protocol.close_expected():
            self._session.close(CloseCode.NORMAL_CLOSURE, "closed")
        return bool(self._parts or protocol.reader.buffer)

    def take(self, event: Frame) -> None:
        """Take one frame; the protocol has checked that they follow each other correctly."""
        if event.opcode in (Opcode.TEXT, Opcode.BINARY):
            self._opcode = event.opcode
            if event.fin:
                self._message(bytes(event.data))
            else:
                self._parts = [bytes(event.data)]
        elif event.opcode is Opcode.CONT:
            self._parts.append(bytes(event.data))
            if event.fin:
                parts, self._parts = self._parts, []
                self._message(b"".join(parts))

    def _message(self, data: bytes) -> None:
        wire = self._wire
        try:
            if self._opcode is not wire.opcode:
                wire.protocol.fail(CloseCode.UNSUPPORTED_DATA, "not the agreed kind of message")
            elif self._opcode is Opcode.TEXT:
                self._session.receive_text(data.decode())
            else:
                self._session.receive_frame(mars.decode(data, self._body_max))
        except UnicodeDecodeError:
            wire.protocol.fail(CloseCode.INVALID_DATA, "invalid UTF-8")
        except mars.FrameTooLarge as error:
            wire.protocol.fail(CloseCode.MESSAGE_TOO_BIG, str(error))
        except mars.FrameError as error:
            wire.protocol.fail(CloseCode.PROTOCOL_ERROR, str(error))


class WebSocket(Sock):  # type: ignore[misc] # flask-sock is not typed
    """flask-sock with our connection instead of simple-websocket's."""

    def __init__(self, services: "Services") -> None:
        super().__init__()
        self._services = services

    def add_route(self, app: Any, path: str) -> None:
        """Serve WebSocket connections at `path`."""

        def websocket_route() -> Response:
            environ = request.environ
            protocol = ServerProtocol(
                subprotocols=[JSON_SUBPROTOCOL],  # type: ignore[list-item]
                select_subprotocol=_select,
                max_size=self._services.settings.body_bytes_max,
            )
            answer = protocol.accept(Handshake(request.full_path, _headers(environ)))
            if answer.status_code != 101:
                return _refusal(bytes(answer.body), answer.status_code)
            services = self._services
            ip = client_ip(services)
            try:
                services.admission.enter(ip)
            except IMError as error:
                return _no_room(error)
            text = protocol.subprotocol == JSON_SUBPROTOCOL
            handshake = answer.serialize()
            return hand_over(
                environ["gunicorn.socket"],
                lambda sock: serve(services, sock, ip, text, handshake),
            )

        app.route(path, websocket=True)(websocket_route)


def serve(services: "Services", sock: Any, ip: str, text: bool, handshake: bytes) -> None:
    """Serve one connection; see `run`."""
    body_max = services.settings.body_bytes_max
    wire = Connection(sock, text, body_max)
    session = Session(services, wire, Shape.JSON if text else Shape.MARS, "websocket", ip)
    session.outbox.put(handshake)
    run(session, wire, Messages(wire, session, body_max))


def _no_room(error: IMError) -> Response:
    refusal = _refusal(error.message.encode() + b"\n", STATUS[error.code])
    if error.retry_after_ms:
        refusal.headers["Retry-After"] = str(-(-error.retry_after_ms // 1000))
    return refusal


def _refusal(why: bytes, status: int) -> Response:
    """The answer to a handshake that fails; RFC 6455, section 4.2.2 wants the version in it."""
    headers = {"Sec-WebSocket-Version": "13"}
    if status == 426:
        headers |= {"Upgrade": "websocket", "Connection": "Upgrade"}
    return Response(why, status, headers, content_type="text/plain")


def _headers(environ: dict[str, Any]) -> Headers:
    headers = Headers()
    for name, value in environ.items():
        if name.startswith("HTTP_"):
            headers[name[5:].replace("_", "-")] = value
    return headers


def _select(protocol: ServerProtocol, offered: Sequence[Any]) -> Any:
    """`im.json` when the client offers it; else none, and messages are frames."""
    return JSON_SUBPROTOCOL if JSON_SUBPROTOCOL in offered else None
