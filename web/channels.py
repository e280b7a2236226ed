"""One Redis subscription for all the channels a process needs.

At most once: a publish may be lost (Redis restarts, the connection breaks). Whoever uses it is told
of every gap, and again when all channels of that moment are subscribed.
"""

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import gevent
import redis
import structlog
from gevent.event import Event

from models.settings import Settings

log = structlog.get_logger()

RECONNECT_S = 0.5
CHECK_S = 5.0
SILENCE_MAX_S = 15.0
"""The subscription is pinged every `CHECK_S`, and made anew after this long without an answer."""

RESUBSCRIBE_S = 30.0
NAMES_PER_COMMAND = 1000


class Channels:
    """See the module. `forward` gets channel and payload of what is published."""

    def __init__(
        self,
        settings: Settings,
        forward: Callable[[bytes, bytes], None],
        lost: Callable[[], None],
        restored: Callable[[], None],
    ) -> None:
        self.connected = False
        self._forward = forward
        self._lost = lost
        self._restored = restored
        self._wanted: dict[bytes, Event] = {}
        self._asked: Counter[bytes] = Counter()  # not confirmed yet
        self._added: list[bytes] = []
        self._dropped: list[bytes] = []
        self._work = Event()
        self._heard_at = 0.0
        self._pool = redis.ConnectionPool.from_url(
            settings.redis_url,
            protocol=2,
            socket_timeout=None,
            socket_connect_timeout=settings.redis_timeout_s,
            socket_keepalive=True,
        )
        gevent.spawn(self._run)

    def subscribe(self, channel: str) -> Event:
        """Make sure of a channel; the event is set once it is subscribed, or given up."""
        name = channel.encode()
        ready = self._wanted.get(name)
        if ready is None:
            ready = self._wanted[name] = Event()
            self._added.append(name)
            self._work.set()
        return ready

    def unsubscribe(self, channel: str) -> None:
        """Nobody here needs the channel any more; who waits for it waits no longer."""
        name = channel.encode()
        ready = self._wanted.pop(name, None)
        if ready is not None:
            ready.set()
            self._dropped.append(name)
            self._work.set()

    # ------------------------------------------------------------ the connection

    def _run(self) -> None:
        while True:
            try:
                self._listen()
            except (redis.RedisError, OSError) as error:
                log.warning("subscription lost", error=type(error).__name__)
            except Exception as error:
                log.error("subscription failed", exc_info=error)
            self.connected = False
            self._lost()
            for ready in self._wanted.values():
                ready.clear()
            gevent.sleep(RECONNECT_S)

    def _listen(self) -> None:
        """Subscribe to everything wanted, and forward until the connection breaks."""
        connection: Any = self._pool.make_connection()
        helpers: list[Any] = []
        try:
            connection.connect()
            self._added, self._dropped = [], []
            names = list(self._wanted)
            self._asked = Counter(names)
            for start in range(0, len(names), NAMES_PER_COMMAND):
                chunk = names[start : start + NAMES_PER_COMMAND]
                connection.send_command("SUBSCRIBE", *chunk)
            self.connected = True
            self._heard_at = time.monotonic()
            helpers += [gevent.spawn(self._write, connection), gevent.spawn(self._ping, connection)]
            if names:
                gevent.spawn(self._restore, [self._wanted[name] for name in names])
            while True:
                answer = connection.read_response(disable_decoding=True)
                self._heard_at = time.monotonic()
                kind = answer[0] if isinstance(answer, list) else answer
                if kind == b"message":
                    self._forward(answer[1], answer[2])
                elif kind == b"subscribe":
                    self._confirm(answer[1])
        finally:
            gevent.killall(helpers, block=False)
            connection.disconnect()

    def _confirm(self, name: bytes) -> None:
        """A channel is subscribed, unless it was given up and asked for again meanwhile."""
        self._asked[name] -= 1
        if self._asked[name] <= 0:
            del self._asked[name]
            if name in self._wanted:
                self._wanted[name].set()

    def _write(self, connection: Any) -> None:
        """Send changes of the subscription, many in one command."""
        try:
            while True:
                self._work.wait()
                self._work.clear()
                self._send_changes(connection)
        except (redis.RedisError, OSError):
            pass
        finally:  # whatever it was: without this nobody new is subscribed
            connection.disconnect()

    def _send_changes(self, connection: Any) -> None:
        dropped, self._dropped = self._dropped, []
        added, self._added = self._added, []
        gone = [name for name in dropped if name not in self._wanted]
        new = [name for name in dict.fromkeys(added) if name in self._wanted]
        self._asked.update(new)
        if gone:
            connection.send_command("UNSUBSCRIBE", *gone, check_health=False)
        if new:
            connection.send_command("SUBSCRIBE", *new, check_health=False)

    def _ping(self, connection: Any) -> None:
        """Find out when nobody is there any more: a broken path would stay silent for long."""
        try:
            while time.monotonic() - self._heard_at < SILENCE_MAX_S:
                gevent.sleep(CHECK_S)
                connection.send_command("PING", check_health=False)
        except (redis.RedisError, OSError):
            pass
        connection.disconnect()

    def _restore(self, channels: list[Event]) -> None:
        """After a gap: once these are subscribed again, say so."""
        for ready in channels:
            ready.wait(RESUBSCRIBE_S)
        self._restored()
