"""A TLS socket that one thread reads while another writes.

OpenSSL wants the calls for one connection in turn, and Python's own class takes no lock: a
`websockets` client that sends its handshake while its reader takes in session tickets now and then
hangs or ends with an internal error (python/cpython#151508).
"""

import select
import ssl
import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

_TURN = threading.Lock()


class TurnsSocket(ssl.SSLSocket):
    """For `SSLContext.sslsocket_class`; waits outside of its turns, as long as its timeout says."""

    def recv(self, *args: Any) -> bytes:
        return self._waiting(lambda: super(TurnsSocket, self).recv(*args))

    def send(self, *args: Any) -> int:
        return self._waiting(lambda: super(TurnsSocket, self).send(*args))

    def _waiting(self, call: Callable[[], T]) -> T:
        while True:
            with _TURN:
                timeout_s = self.gettimeout()
                self.settimeout(0)
                try:
                    return call()
                except ssl.SSLWantReadError:
                    event = select.POLLIN
                except ssl.SSLWantWriteError:
                    event = select.POLLOUT
                finally:
                    self.settimeout(timeout_s)
            poll = select.poll()
            poll.register(self, event)
            if not poll.poll(None if timeout_s is None else timeout_s * 1000):
                raise TimeoutError
