"""A TCP proxy that carries the clients' bytes late, in fits and starts, or not at all.

One thread serves all its connections. It reads no more than it may still write, so a client that
does not read is felt by the server as without it.
"""

import random
import selectors
import socket
import threading
import time
from collections import deque
from dataclasses import dataclass, field

from chaos.background import Background

CHUNK_BYTES = 16 * 1024
WAITING_BYTES_MAX = 64 * 1024
TICK_S = 0.005


@dataclass
class Weather:
    """What happens to every chunk of bytes, each way."""

    delay_s: float = 0.0
    jitter_s: float = 0.0
    loss: float = 0.0
    """Share of the chunks that come `retransmit_s` later, as after a lost packet, and hold up those
    behind them.
    """
    retransmit_s: float = 0.3


@dataclass(eq=False)
class _Way:
    """Bytes from one socket to another."""

    source: socket.socket
    target: socket.socket
    chunks: deque[tuple[float, bytes]] = field(default_factory=deque)  # when due, what
    size: int = 0
    due: float = 0.0
    ended: bool = False


@dataclass(eq=False)
class _Link:
    ways: tuple[_Way, _Way]
    dead: bool = False
    """Neither side hears of the other again, nor of the end."""


class Proxy(Background):
    """Listens on `port` and connects to `target`, both on loopback, until the context ends."""

    def __init__(self, target: int) -> None:
        super().__init__()
        self.weather = Weather()
        self._target = target
        self._random = random.Random(target)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        self._links: set[_Link] = set()
        self._lock = threading.Lock()

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        self.cut()
        self._listener.close()

    def cut(self) -> int:
        """Ends every connection at once; returns how many there were."""
        with self._lock:
            links, self._links = self._links, set()
            for link in links:
                _close(link)
        return len(links)

    def bury(self) -> int:
        """Ends the half-open connections; returns how many there were."""
        with self._lock:
            dead = {link for link in self._links if link.dead}
            self._links -= dead
            for link in dead:
                _close(link)
        return len(dead)

    def forget(self, share: float) -> int:
        """Makes this share of the connections half-open: nothing comes through, nobody is told."""
        with self._lock:
            whole = [link for link in self._links if not link.dead]
            links = [link for link in whole if self._random.random() < share]
            for link in links:
                link.dead = True
        return len(links)

    # ------------------------------------------------------------ the thread

    def _run(self) -> None:
        while not self._over.is_set():
            with self._lock:
                watched = selectors.DefaultSelector()
                watched.register(self._listener, selectors.EVENT_READ)
                for link in self._links:
                    for way in link.ways if not link.dead else ():
                        if not way.ended and way.size < WAITING_BYTES_MAX:
                            watched.register(way.source, selectors.EVENT_READ, way)
            waiting = any(way.chunks for link in tuple(self._links) for way in link.ways)
            ready = watched.select(TICK_S if waiting else 10 * TICK_S)
            watched.close()
            with self._lock:
                for key, _ in ready:
                    if key.data is None:
                        self._accept()
                    else:
                        self._read(key.data)
                for link in tuple(self._links):
                    if not link.dead and not all(map(self._write, link.ways)):
                        self._links.discard(link)
                        _close(link)

    def _accept(self) -> None:
        try:
            client, _ = self._listener.accept()
        except OSError:
            return
        try:
            server = socket.create_connection(("127.0.0.1", self._target), timeout=1)
        except OSError:
            client.close()
            return
        for end in (client, server):
            end.setblocking(False)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._links.add(_Link((_Way(client, server), _Way(server, client))))

    def _read(self, way: _Way) -> None:
        try:
            data = way.source.recv(CHUNK_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            way.ended = True
            return
        weather = self.weather
        late = weather.delay_s + self._random.random() * weather.jitter_s
        if self._random.random() < weather.loss:
            late += weather.retransmit_s
        way.due = max(way.due, time.monotonic() + late)
        way.chunks.append((way.due, data))
        way.size += len(data)

    def _write(self, way: _Way) -> bool:
        """Passes on what is due; whether the connection goes on."""
        now = time.monotonic()
        while way.chunks and way.chunks[0][0] <= now:
            due, data = way.chunks.popleft()
            try:
                sent = way.target.send(data)
            except BlockingIOError:
                sent = 0
            except OSError:
                return False
            way.size -= sent
            if sent < len(data):
                way.chunks.appendleft((due, data[sent:]))
                break
        return not way.ended or bool(way.chunks)


def _close(link: _Link) -> None:
    for way in link.ways:
        way.source.close()
