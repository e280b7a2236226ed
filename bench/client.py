"""Many lean clients in one thread, for a load generator that shares the machine.

An own epoll loop instead of asyncio, and framing by hand instead of a library: at 12,000 inbound
frames a second those cost more than the measured part. One connection: `bench/connection.py`.
"""

import heapq
import random
import select
import time
from collections import deque
from collections.abc import Callable, Sequence

from bench.connection import (
    AUTH_SEQ,
    HEAD,
    READ,
    RECEIVE_BYTES,
    WRITE,
    Client,
    ClientError,
    Handler,
    State,
)

__all__ = [
    "AUTH_SEQ",
    "HEAD",
    "READ",
    "RECEIVE_BYTES",
    "WRITE",
    "Client",
    "ClientError",
    "Clients",
    "Handler",
    "State",
]

CONNECTING_MAX = 64  # handshakes in flight: a server's accept queue is short
RETRY_S = 1.0  # a client that comes back tries about this often


class Clients:
    """The connections of one process and the loop that serves them.

    `greets`: each asks for its contact list once it is open. `returns`: who is cut comes back.
    `at_once_max`: how many may be on their way to being open. Bytes are those above TCP.
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
        self.at_once_max = CONNECTING_MAX
        self.returns = False
        self.opened = 0
        self.opened_at_s: list[float] = []
        """When each came to be open (`time.perf_counter`), in that order."""
        self.sent_bytes = self.received_bytes = 0
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

    def count_open(self) -> None:
        """One more is open."""
        self.opened += 1
        self.opened_at_s.append(time.perf_counter())

    def release(self, client: Client) -> None:
        """Serve the connection no more; it is about to be closed."""
        self._epoll.unregister(client.fd)
        del self._by_fd[client.fd]

    def closed(self, client: Client, why: str) -> None:
        self.release(client)
        if self.returns:
            self._come_again(client, random.uniform(0, 2 * RETRY_S))
        else:
            self.failures.append(f"connection {client.index}: {why}")

    def put_off(self, client: Client, delay_s: float) -> None:
        """The server has no room yet and said when to come again; it is about to be closed."""
        self.release(client)
        self._come_again(client, delay_s)

    def _come_again(self, client: Client, delay_s: float) -> None:
        self.opened -= client.state is State.OPEN
        self.later(delay_s, client.connect)

    def open_until(self, count: int, timeout_s: float) -> None:
        """Connect and authenticate until `count` are open; raise `ClientError` on any failure."""
        deadline_s = time.monotonic() + timeout_s
        while self.opened < count:
            while self._waiting and len(self.clients) < min(count, self.opened + self.at_once_max):
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
