"""Cuts one HTTP/1.1 connection into requests and answers, and those into what a network may lose.

Pure: bytes in, pieces out. The answer to a long poll that brings messages, or says that groups have
some, is a push of messages, in one piece; each event of an event stream is the push it carries.
Everything else passes as it comes.
"""

import json
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from google.protobuf.message import DecodeError

from proto import im_pb2
from proto.commands import BY_NAME
from tests.support.proxyframes import Piece

_END_OF_HEAD = b"\r\n\r\n"
_END_OF_EVENT = b"\n\n"


class Request(NamedTuple):
    """One request, whole."""

    path: str
    data: bytes


class HttpCutter:
    """Both directions of one connection; feed each any bytes."""

    def __init__(self) -> None:
        self._asked = b""
        self._said = b""
        self._expected: deque[str] = deque()  # paths whose answers are to come
        self._streams = False

    def ask(self, data: bytes) -> Iterator[Request]:
        """Add what the client says; iterate over the requests it completes."""
        self._asked += data
        while _END_OF_HEAD in self._asked:
            head, _, rest = self._asked.partition(_END_OF_HEAD)
            size = int(_fields(head).get(b"content-length", b"0"))
            if len(rest) < size:
                return
            whole = len(head) + len(_END_OF_HEAD) + size
            path = head.split(b" ", 2)[1].decode().partition("?")[0]
            found, self._asked = self._asked[:whole], self._asked[whole:]
            yield Request(path, found)

    def expect(self, request: Request) -> None:
        """The request is passed on: an answer will come."""
        self._expected.append(request.path)

    def feed(self, data: bytes) -> Iterator[Piece]:
        """Add what the server says; iterate over the pieces it completes."""
        self._said += data
        while (piece := self._next()) is not None:
            yield piece

    def _next(self) -> Piece | None:
        if self._streams:
            event, end, rest = self._said.partition(_END_OF_EVENT)
            if not end:
                return None
            self._said = rest
            return _event(event + end)
        head, end, rest = self._said.partition(_END_OF_HEAD)
        if not end:
            return None
        fields = _fields(head)
        if fields.get(b"content-type", b"").startswith(b"text/event-stream"):
            self._streams, self._said = True, rest
            return Piece(head + end)
        size = int(fields.get(b"content-length", b"0"))
        if len(rest) < size:
            return None
        self._said = rest[size:]
        path = self._expected.popleft() if self._expected else ""
        return _answer(path, head + end, rest[:size])


def _fields(head: bytes) -> dict[bytes, bytes]:
    """The header fields, by their names in lower case."""
    lines = (line.partition(b":") for line in head.split(b"\r\n")[1:])
    return {name.lower(): value.strip() for name, _, value in lines}


def _answer(path: str, head: bytes, body: bytes) -> Piece:
    if path == "/comet":
        with suppress(DecodeError):
            answer = im_pb2.CometResponse.FromString(body)
            news = answer.messages or answer.group_messages or answer.HasField("groups_version")
            if news:
                return Piece(head + body, im_pb2.CMD_PUSH_MESSAGES, 0, alone=True)
    return Piece(head + body)


def _event(data: bytes) -> Piece:
    for line in data.splitlines():
        if line.startswith(b"data:"):
            value = json.loads(line.removeprefix(b"data:"))
            command = BY_NAME.get(value.get("cmd"))
            return Piece(data, None if command is None else command.number, value.get("seq"))
    return Piece(data)
