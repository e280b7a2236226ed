"""One lean connection of one user, driven by the loop of `bench/client.py`.

How bytes are cut: `bench/transports.py`.
"""

import os
import select
import socket
import struct
from enum import Enum, auto
from typing import TYPE_CHECKING, Protocol

from proto import im_pb2
from proto.frame import CLIENT_VERSION, HEAD_BYTES

AUTH_SEQ = 1
RECEIVE_BYTES = 1 << 16
HEAD = struct.Struct(">IIIII")
READ, WRITE = select.EPOLLIN, select.EPOLLOUT

if TYPE_CHECKING:
    from bench.client import Clients


class ClientError(Exception):
    """The server refused, closed or did not answer; the run is worth nothing."""


class State(Enum):
    CONNECTING = auto()
    UPGRADING = auto()  # the opening is sent
    AUTHENTICATING = auto()
    OPEN = auto()
    CLOSED = auto()


class Handler(Protocol):
    """Called for every frame of an authenticated connection; `data[start:end]` is its body."""

    def answered(self, seq: int, data: bytes, start: int, end: int) -> None: ...

    def pushed(self, client: "Client", cmd: int, data: bytes, start: int, end: int) -> None: ...


class Client:
    """One connection of one user; the loop calls `readable` and `writable`."""

    __slots__ = (
        "_clients",
        "_inbound",
        "_outbound",
        "fd",
        "index",
        "sock",
        "state",
        "token",
        "version",
    )

    def __init__(self, clients: "Clients", index: int, token: str) -> None:
        self._clients = clients
        self.index = index
        self.token = token
        self.version = 0
        """Newest version of the user's mailbox that was seen."""
        self.connect()

    def connect(self) -> None:
        """Connect, again too."""
        self._inbound = b""
        self._outbound = b""
        self.state = State.CONNECTING
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.fd = self.sock.fileno()
        self.sock.connect_ex(self._clients.address)
        self._clients.register(self)

    # What differs between transports.

    @staticmethod
    def head(size_bytes: int) -> bytes:
        """What goes before a Mars frame of this size."""
        return b""

    def opening(self) -> bytes:
        """What goes before the first frame; empty when that may leave at once."""
        return b""

    def read(self, data: bytes) -> None:
        """Handle what is complete in `data`; keep the rest."""
        raise NotImplementedError

    # What does not.

    def log_in(self) -> None:
        """Authenticate."""
        self.state = State.AUTHENTICATING
        request = im_pb2.AuthRequest(
            token=self.token, platform="bench", device=f"bench-{self.index}"
        )
        self.send(self.encode(im_pb2.CMD_AUTH, AUTH_SEQ, request.SerializeToString()))

    def log_in_again(self) -> None:
        """The time has come that the server named, unless the connection has ended meanwhile."""
        if self.state is State.AUTHENTICATING:
            self.log_in()

    def encode(self, cmd: int, seq: int, body: bytes) -> bytes:
        """One Mars frame as this transport carries it."""
        head = HEAD.pack(HEAD_BYTES, CLIENT_VERSION, cmd, seq, len(body))
        return self.head(HEAD_BYTES + len(body)) + head + body

    def send(self, data: bytes) -> None:
        """Write, or keep for later what the socket does not take."""
        self._clients.sent_bytes += len(data)
        self._write(data)

    def _write(self, data: bytes) -> None:
        if not self._outbound:
            try:
                sent = self.sock.send(data)
            except BlockingIOError:
                sent = 0
            except OSError as error:
                self.close(f"{error}")
                return
            if sent == len(data):
                return
            data = data[sent:]
            self._clients.watch(self, READ | WRITE)
        self._outbound += data

    def writable(self) -> None:
        if self.state is State.CONNECTING:
            error = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if error:
                self.close(os.strerror(error))
                return
            self._clients.watch(self, READ)
            opening = self.opening()
            if opening:
                self.state = State.UPGRADING
                self.send(opening)
            else:
                self.log_in()
            return
        rest, self._outbound = self._outbound, b""
        self._clients.watch(self, READ)
        self._write(rest)

    def readable(self) -> None:
        try:
            data = self.sock.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self.close(f"{error}")
            return
        if not data:
            self.ended()
            return
        self._clients.received_bytes += len(data)
        if self._inbound:
            data = self._inbound + data
            self._inbound = b""
        self.read(data)

    def ended(self) -> None:
        """The server has closed the connection."""
        self.close("closed by the server")

    def read_frame(self, data: bytes, start: int, end: int) -> None:
        """Handle the Mars frame `data[start:end]`."""
        head_bytes, _, cmd, seq, _ = HEAD.unpack_from(data, start)
        start += head_bytes
        if self.state is State.OPEN:
            if seq:
                self._clients.handler.answered(seq, data, start, end)
            else:
                self._clients.handler.pushed(self, cmd, data, start, end)
        elif seq == AUTH_SEQ:
            error = im_pb2.Reply.FromString(data[start:end]).error
            if error.retry_after_ms:
                self._clients.later(error.retry_after_ms / 1000, self.log_in_again)
            elif error.code:
                self.close(f"log-in refused: {error.name} {error.message}")
            elif cmd == im_pb2.CMD_AUTH:
                # As a real client does; from here on the server keeps its contact list.
                self.version = im_pb2.AuthResponse.FromString(data[start:end]).version
                if self._clients.greets:
                    self.send(self.encode(im_pb2.CMD_CONTACTS, AUTH_SEQ, b""))
                else:
                    self.opened()
            else:
                self.opened()

    def opened(self) -> None:
        """Authenticated: the connection counts."""
        if self.state is State.CLOSED:
            return
        self.state = State.OPEN
        self._clients.count_open()

    def close(self, why: str) -> None:
        """Close; it comes back by itself only where clients are told to."""
        if self.state is State.CLOSED:
            return
        self._clients.closed(self, why)
        self.state = State.CLOSED
        self.sock.close()
