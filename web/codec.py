"""How commands look on a connection: Mars frames in binary, or `im.json` in text.

Pure: no I/O. A `Downlink` is encoded once per shape, however many connections it goes to.
"""

from dataclasses import dataclass
from enum import Enum, auto

from google.protobuf.message import DecodeError, Message

from models.errors import Code, IMError
from proto import frame, im_pb2, jsonframe
from proto.commands import BY_NAME, BY_NUMBER, Command
from proto.views_pb2 import MessagesView


class Shape(Enum):
    """What bytes a connection wants."""

    MARS = auto()
    JSON = auto()
    EVENTS = auto()  # text/event-stream


@dataclass(slots=True)
class Request:
    """One inbound command; `command` is None when the number or name is unknown."""

    number: int
    seq: int
    command: Command | None
    body: bytes | dict[str, object]

    def parse(self) -> Message:
        """The body as the server reads it; raises BAD_REQUEST."""
        command = self.command
        if command is None or command.request is None:
            raise IMError(Code.UNKNOWN_COMMAND, "unknown command")
        if isinstance(self.body, bytes):
            return parse_bytes(command, self.body)
        return parse_json(command, self.body)


def parse_bytes(command: Command, body: bytes) -> Message:
    """A protobuf body."""
    try:
        return (command.view or command.request).FromString(body)  # type: ignore[union-attr]
    except DecodeError as error:
        raise IMError(Code.BAD_REQUEST, f"body is not the protobuf of {command.name}") from error


def parse_json(command: Command, body: dict[str, object]) -> Message:
    """A JSON body."""
    try:
        message = jsonframe.to_message(body, command.request)  # type: ignore[arg-type]
    except jsonframe.JSONError as error:
        raise IMError(Code.BAD_REQUEST, str(error)) from error
    if command.view is not None:
        return command.view.FromString(message.SerializeToString())
    return message


def refusal(error: IMError, command: Command | None) -> Message:
    """The answer that carries an error: field 1 of every answer type."""
    answer = command.answer() if command is not None and command.request else im_pb2.Reply()
    answer.error.CopyFrom(error.to_proto())  # type: ignore[attr-defined]
    return answer


def read_mars(received: frame.Frame) -> Request:
    """A request from a frame."""
    return Request(received.cmd, received.seq, BY_NUMBER.get(received.cmd), received.body)


def read_json(text: str) -> Request:
    """A request from a text message; raises BAD_REQUEST."""
    try:
        name, seq, body = jsonframe.decode(text)
    except jsonframe.JSONError as error:
        raise IMError(Code.BAD_REQUEST, str(error)) from error
    command = BY_NAME.get(name)
    return Request(command.number if command else 0, seq, command, body)


Form = tuple[int, Shape, int | None]
"""What decides on the bytes a connection gets: kind of wire, shape, the client's version."""


class Downlink:
    """A frame on its way to many connections."""

    __slots__ = ("_events", "_json", "_mars", "_span", "body", "group", "number", "wrapped")

    def __init__(self, number: int, body: bytes, group: str = "") -> None:
        self.number = number
        self.body = body
        self.group = group  # whose messages it carries; empty: a mailbox's, or none
        self._mars: dict[int, bytes] = {}
        self._json: bytes | None = None
        self._events: bytes | None = None
        self._span: tuple[int, int] | None = None
        self.wrapped: dict[Form, bytes] = {}
        """What was sent to connections of each form so far."""

    def mars(self, client_version: int) -> bytes:
        """As a Mars frame for clients of this version."""
        encoded = self._mars.get(client_version)
        if encoded is None:
            encoded = frame.encode(self.number, frame.PUSH_SEQ, self.body, client_version)
            self._mars[client_version] = encoded
        return encoded

    def json(self) -> bytes:
        """As the text of `im.json`."""
        if self._json is None:
            command = BY_NUMBER[self.number]
            message = command.answer.FromString(self.body)
            self._json = jsonframe.encode(command.name, frame.PUSH_SEQ, message).encode()
        return self._json

    def events(self) -> bytes:
        """As one event of a stream; messages carry their last version as its id."""
        if self._events is None:
            self._events = event(self.json(), self.span()[1])
        return self._events

    def span(self) -> tuple[int, int]:
        """The version before its messages, and the last of theirs; zeros without, and of groups."""
        if self._span is None:
            self._span = (0, 0)
            if self.number == im_pb2.CMD_PUSH_MESSAGES and not self.group:
                push = MessagesView.FromString(self.body)
                self._span = (push.previous, push.messages[-1].version if push.messages else 0)
        return self._span

    def behind(self, version: int) -> "Downlink":
        """The same without the messages up to `version`."""
        push = im_pb2.MessagesPush.FromString(self.body)
        rest = [message for message in push.messages if message.version > version]
        push = im_pb2.MessagesPush(messages=rest, previous=version)
        return Downlink(self.number, push.SerializeToString())


def event(text: bytes, version: int = 0) -> bytes:
    """One event of text/event-stream (HTML standard, section 9.2)."""
    name = b"id: %d\n" % version if version else b""
    return b"%sdata: %s\n\n" % (name, text)


def messages_downlink(previous: int, entries: bytes, group: str = "") -> Downlink:
    """A MessagesPush made of encoded entries and the version before the first."""
    body = bytearray(entries)
    if previous:
        body.append(0x18)  # field 3, varint
        while previous > 0x7F:
            body.append(previous & 0x7F | 0x80)
            previous >>= 7
        body.append(previous)
    if group:
        name = group.encode()  # 64 bytes at most
        body += b"\x22%c%s" % (len(name), name)  # field 4
    return Downlink(im_pb2.CMD_PUSH_MESSAGES, bytes(body), group)


def read_channel(payload: bytes) -> Downlink:
    """What a pub/sub payload (models/downlink.py) says."""
    head, _, body = payload.partition(b"\n")
    if head[:1] == b"m":
        return messages_downlink(int(head[1:]), body)
    return Downlink(int(head[1:]), body)


def read_group_channel(group: str, payload: bytes) -> tuple[Downlink, int, list[str]]:
    """What a payload of a group's channel says.

    And the version before its messages, and who is not in the group behind them.
    """
    head, _, body = payload.partition(b"\n")
    previous, _, left = head[1:].partition(b" ")
    gone = left.decode().split(",") if left else []
    version = int(previous)
    return messages_downlink(version, body, group), version, gone
