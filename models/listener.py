"""How an idle delivery hears of new work without a task: it listens for a moment before it ends.

A task costs its publisher 0.4 ms and reaches a worker process after 2 to 4 ms; a published wake-up
takes 0.2 ms. At most one delivery listens at a time. When it has much to do it stops listening, so
that wake-ups become tasks and spread over all worker processes. A wake-up that a dying listener
took with it is healed by the sweep, like a lost task.
"""

import time
from typing import Any

from models import keys
from models.redisclient import Scripts

MARGIN_MS = 1000
FAREWELL_S = 0.2


class Listener:
    """The ear of one delivery, from its first idle moment to its end."""

    def __init__(self, client: Any, scripts: Scripts, token: str, deadline: float) -> None:
        """`token` is the delivery's own: what it calls out itself is not news to it."""
        self._redis = client
        self._unlock = scripts.unlock
        self._token = token
        self._deadline = deadline
        self._pubsub: Any = None
        self._listening = False

    def wait(self, timeout_s: float) -> set[int]:
        """Shards somebody called for within `timeout_s`; none at once when another one listens."""
        if self._pubsub is None and not self._claim():
            return set()
        if not self._listening:
            self._pubsub.subscribe(keys.WAKE)
            self._listening = True
        until = time.monotonic() + timeout_s
        called: set[int] = set()
        while (left_s := until - time.monotonic()) > 0:
            message = self._pubsub.get_message(timeout=0.0 if called else left_s)
            if message is None and called:
                break
            if message is not None:
                called |= self._read(message)
        return called

    def leave(self) -> None:
        """Hear nothing until the next `wait`."""
        if self._listening:
            self._pubsub.unsubscribe(keys.WAKE)
            self._listening = False

    def close(self) -> set[int]:
        """Let another delivery listen; return the shards called for in the last moment."""
        called: set[int] = set()
        if self._pubsub is None:
            return called
        try:
            self._pubsub.unsubscribe(keys.WAKE)
            while message := self._pubsub.get_message(timeout=FAREWELL_S):
                if message["type"] == "unsubscribe":
                    break
                called |= self._read(message)
        finally:
            self._pubsub.close()
        self._unlock(keys=[keys.LISTENER], args=[self._token])
        return called

    def _read(self, message: dict[str, Any]) -> set[int]:
        """The shards of a wake-up; our own are no news."""
        if message["type"] != "message":
            return set()
        token, _, numbers = message["data"].partition(b" ")
        if token.decode() == self._token:
            return set()
        return set(map(int, numbers.split(b",")))

    def _claim(self) -> bool:
        left_ms = int((self._deadline - time.monotonic()) * 1000)
        if left_ms <= 0:
            return False
        if not self._redis.set(keys.LISTENER, self._token, nx=True, px=left_ms + MARGIN_MS):
            return False
        self._pubsub = self._redis.pubsub()
        return True
