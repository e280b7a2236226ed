"""A network between one client and its server that can be told to misbehave.

A `Proxy` listens on a loopback port and passes bytes on. It can drop or repeat pushes of Mars TCP,
of binary WebSocket, of event streams and of long polls, withhold what either side says, cut
connections as a dead network does (a reset, no closing handshake), and be unreachable. A poll's
answer is lost with its connection; repeated, it is the next poll's answer too. Threads, because
tests wait for what it did.
"""

import socket
import struct
import threading
from contextlib import suppress

from dev.clients.wait import wait_until
from tests.support.proxyframes import Cutter, Piece, Speech
from tests.support.proxyhttp import HttpCutter, Request

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close sends RST


class Proxy:
    """Passes connections on to a port of this machine until told otherwise."""

    def __init__(self, target: int, speech: Speech) -> None:
        self._target = target
        self._speech: Speech = speech
        self._lock = threading.Condition()
        self._links: set[_Link] = set()
        self._plans: list[tuple[str, int, int]] = []  # what, command, how many more
        self._answers: list[bytes] = []  # to be given to the next polls
        self._down = self._frozen = self._deaf = self._closed = False
        self.lost = 0
        self.repeated = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End it and everything that goes through it."""
        with self._lock:
            self._closed = True
            self._lock.notify_all()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        self._thread.join()

    # ------------------------------------------------------------ what it does to frames

    def drop(self, cmd: int, count: int = 1) -> None:
        """Lose the next pushes of this command."""
        self._plan("drop", cmd, count)

    def duplicate(self, cmd: int, count: int = 1) -> None:
        """Pass the next pushes of this command on twice."""
        self._plan("duplicate", cmd, count)

    def wait_done(self) -> None:
        """Wait until everything that was to be dropped or repeated has been."""
        wait_until(lambda: not self._plans, what="the pushes to drop or repeat")

    def _plan(self, what: str, cmd: int, count: int) -> None:
        with self._lock:
            self._plans.append((what, cmd, count))

    def _copies(self, piece: Piece) -> int:
        """How often a piece is passed on."""
        if not piece.is_push:
            return 1
        with self._lock:
            for index, (what, cmd, count) in enumerate(self._plans):
                if cmd == piece.cmd:
                    self._plans[index : index + 1] = [(what, cmd, count - 1)] if count > 1 else []
                    self.lost += what == "drop"
                    self.repeated += what == "duplicate"
                    return 0 if what == "drop" else 2
        return 1

    def _answer_again(self, answer: bytes) -> None:
        with self._lock:
            self._answers.append(answer)

    def _answer_to(self, request: Request) -> bytes:
        """What a poll is answered instead of by the server."""
        with self._lock:
            return self._answers.pop(0) if request.path == "/comet" and self._answers else b""

    # ------------------------------------------------------------ what it does to links

    def cut(self) -> None:
        """Reset every connection; new ones are taken."""
        with self._lock:
            links = list(self._links)
        for link in links:
            link.reset()

    def down(self) -> None:
        """Reset every connection, new ones too, until `heal`."""
        with self._lock:
            self._down = True
        self.cut()

    def freeze(self) -> None:
        """Withhold what both sides say until `heal`."""
        with self._lock:
            self._frozen = True

    def deafen(self) -> None:
        """Withhold what the server says until `heal`; what is withheld is lost with a `cut`."""
        with self._lock:
            self._deaf = True

    def heal(self) -> None:
        """Behave again."""
        with self._lock:
            self._down = self._frozen = self._deaf = False
            self._plans.clear()
            self._answers.clear()
            self._lock.notify_all()

    @property
    def connections(self) -> int:
        """How many go through it now."""
        with self._lock:
            return len(self._links)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._unreachable():
                _reset(client)
                continue
            try:
                server = socket.create_connection(("127.0.0.1", self._target), timeout=10)
            except OSError:
                _reset(client)
                continue
            server.settimeout(None)
            link = _Link(self, client, server)
            with self._lock:
                self._links.add(link)
            link.start(HttpCutter() if self._speech == "http" else Cutter(self._speech))
            if self._unreachable():  # since when it was accepted
                link.reset()

    def _unreachable(self) -> bool:
        with self._lock:
            return self._down or self._closed

    def _hold(self, link: "_Link", down: bool) -> None:
        """Return once bytes of this direction may pass."""
        with self._lock:
            while not (self._closed or link.over):
                if not (self._frozen or (down and self._deaf)):
                    return
                self._lock.wait()

    def _forget(self, link: "_Link") -> None:
        with self._lock:
            self._links.discard(link)
            self._lock.notify_all()


class _Link:
    """One connection and its two directions."""

    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy = proxy
        self._client = client
        self._server = server
        self.over = False

    def start(self, cutter: Cutter | HttpCutter) -> None:
        up = (self._up, ()) if isinstance(cutter, Cutter) else (self._up_http, (cutter,))
        threading.Thread(target=up[0], args=up[1], daemon=True).start()
        threading.Thread(target=self._down, args=(cutter,), daemon=True).start()

    def reset(self) -> None:
        """End both sides without a closing handshake."""
        self.over = True
        for side in (self._client, self._server):
            _reset(side)
        self._proxy._forget(self)

    def _up(self) -> None:
        with suppress(OSError):
            while data := self._client.recv(65536):
                self._proxy._hold(self, down=False)
                self._server.sendall(data)
        self._end(self._server)

    def _up_http(self, cutter: HttpCutter) -> None:
        with suppress(OSError):
            while data := self._client.recv(65536):
                for request in cutter.ask(data):
                    self._proxy._hold(self, down=False)
                    if answer := self._proxy._answer_to(request):
                        self._client.sendall(answer)
                    else:
                        cutter.expect(request)
                        self._server.sendall(request.data)
        self._end(self._server)

    def _down(self, cutter: Cutter | HttpCutter) -> None:
        with suppress(OSError):
            while data := self._server.recv(65536):
                for piece in cutter.feed(data):
                    self._proxy._hold(self, down=True)
                    copies = self._proxy._copies(piece)
                    if piece.alone and not copies:
                        self.reset()
                    elif piece.alone and copies > 1:
                        self._client.sendall(piece.data)
                        self._proxy._answer_again(piece.data)
                    else:
                        self._client.sendall(piece.data * copies)
        self._end(self._client)

    def _end(self, other: socket.socket) -> None:
        """One side is over: the other hears so, then all of it is."""
        if self.over:
            return
        self.over = True
        with suppress(OSError):
            other.shutdown(socket.SHUT_RDWR)
        for side in (self._client, self._server):
            side.close()
        self._proxy._forget(self)


def _reset(sock: socket.socket) -> None:
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RD)  # wakes a thread that reads
    sock.close()
