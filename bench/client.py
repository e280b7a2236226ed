"""Many lean clients in one thread, for a load generator that shares the machine.

An own epoll loop instead of asyncio, and framing by hand instead of a library: at 12,000 inbound
frames a second those cost more than the measured part. How bytes are cut: `bench/transports.py`.
"""

import heapq
import os
import random
import select
import socket
import struct
import time
from collections import deque
from collections.abc import Callable, Sequence
from enum import Enum, auto
from typing import Protocol

from proto import im_pb2
from proto.frame import CLIENT_VERSION, HEAD_BYTES

AUTH_SEQ = 1
RECEIVE_BYTES = 1 << 16
CONNECTING_MAX = 64  # handshakes in flight: a server's accept queue is short
RETRY_S = 1.0  # a client that comes back tries about this often
HEAD = struct.Struct(">IIIII")
READ, WRITE = select.EPOLLIN, select.EPOLLOUT


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
        self.send(rest)

    def readable(self) -> None:
        try:
            data = self.sock.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self.close(f"{error}")
            return
        if not data:
            self.close("closed by the server")
            return
        if self._inbound:
            data = self._inbound + data
            self._inbound = b""
        self.read(data)

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
        self._clients.opened += 1

    def close(self, why: str) -> None:
        """Close; it comes back by itself only where clients are told to."""
        if self.state is State.CLOSED:
            return
        self._clients.closed(self, why)
        self.state = State.CLOSED
        self.sock.close()


class Clients:
    """The connections of one process and the loop that serves them.

    `greets`: each asks for its contact list once it is open. `returns`: who is cut comes back.
    """

    def __init__(
        self,
        address: tuple[str, int],
        tokens: Sequence[str],
        handler: Handler,
        kind: type[Client],
    ) -> None:
        self.address = address
        self.handler = handler
        self.greets = True
        self.returns = False
        self.opened = 0
        self.failures: list[str] = []
        self.clients: list[Client] = []
        self._kind = kind
        self._waiting = deque(enumerate(tokens))
        self._by_fd: dict[int, Client] = {}
        self._readers: dict[int, Callable[[], None]] = {}
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._epoll = select.epoll()

    def register(self, client: Client) -> None:
        self._by_fd[client.fd] = client
        self._epoll.register(client.fd, WRITE)

    def watch(self, client: Client, events: int) -> None:
        self._epoll.modify(client.fd, events)

    def also_read(self, fd: int, reader: Callable[[], None]) -> None:
        """Call `reader` whenever the file descriptor has something to read."""
        self._readers[fd] = reader
        self._epoll.register(fd, READ)

    def later(self, delay_s: float, work: Callable[[], None]) -> None:
        """Call `work` after the delay, from the loop."""
        heapq.heappush(self._due, (time.monotonic() + delay_s, id(work), work))

    def closed(self, client: Client, why: str) -> None:
        self._epoll.unregister(client.fd)
        del self._by_fd[client.fd]
        if self.returns:
            self.opened -= client.state is State.OPEN
            self.later(random.uniform(0, 2 * RETRY_S), client.connect)
        else:
            self.failures.append(f"connection {client.index}: {why}")

    def open_until(self, count: int, timeout_s: float) -> None:
        """Connect and authenticate until `count` are open; raise `ClientError` on any failure."""
        deadline_s = time.monotonic() + timeout_s
        while self.opened < count:
            while self._waiting and len(self.clients) < min(count, self.opened + CONNECTING_MAX):
                self.clients.append(self._kind(self, *self._waiting.popleft()))
            self.run_once(0.1)
            if self.failures:
                raise ClientError(self.failures[0])
            if time.monotonic() > deadline_s:
                raise ClientError(f"{self.opened} of {count} connections after {timeout_s:g} s")

    def run_once(self, timeout_s: float) -> None:
        """Wait for traffic, at most so long (in whole milliseconds, upwards), and handle it."""
        for fd, events in self._epoll.poll(timeout_s):
            client = self._by_fd.get(fd)
            if client is None:
                if fd in self._readers:
                    self._readers[fd]()
                continue
            if events & ~WRITE:
                client.readable()
            if events & WRITE and client.state is not State.CLOSED:
                client.writable()
        while self._due and self._due[0][0] <= time.monotonic():
            heapq.heappop(self._due)[2]()

    def run_precisely(self, timeout_s: float) -> None:
        """As `run_once`, with a microsecond's timeout for one more system call."""
        select.select((self._epoll,), (), (), timeout_s)
        self.run_once(0)

    def close(self) -> None:
        for client in self.clients:
            client.state = State.CLOSED
            client.sock.close()
        self._epoll.close()
