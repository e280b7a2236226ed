"""This process' part of the registry: counts its connections in and out, and stays known as alive.

Logins count in one by one, because each may be refused; who leaves is counted out in batches, with
the devices' last-seen times behind.
"""

import time
import uuid
from contextlib import suppress
from dataclasses import replace
from typing import Any, Protocol

import gevent
import structlog
from gevent.event import Event
from gevent.lock import BoundedSemaphore

from models.clock import now_ms
from models.core import Core
from models.devices import Seen, expiry
from models.errors import Code, IMError
from models.platforms import connections_max
from models.redisclient import RedisError
from models.registry import HASH_TTL_S, NOTHING_KNOWN, Entered, Presence

log = structlog.get_logger()

BEAT_S = 3.0
COUNT_AGAIN_S = HASH_TTL_S / 2
"""What Redis keeps lives for a while only: who stays longer is counted in again."""

GATHER_S = 0.1
LEAVES_PER_STEP = 200
RETRY_S = 1.0
WAITING_MAX = 50_000
ANONYMOUS = "~"
"""First character of a device id made up here; such devices are not remembered one by one."""


class Attended(Protocol):
    """What holds a connection of an authenticated user."""

    user: str
    presence: Presence | None


class Attendance:
    """See the module. Without Redis everybody is admitted, and counted in when it is back."""

    def __init__(self, core: Core) -> None:
        self.process = _new_name()
        self._beats = 0
        self._core = core
        self._here: set[Attended] = set()
        self._gone: list[tuple[str, str]] = []
        self._lingering: dict[tuple[str, str], int] = {}  # user and session, until when (ms)
        self._seen: dict[tuple[str, str], Seen] = {}
        self._work = Event()
        self._flushing = BoundedSemaphore()
        self._known = False
        self._counted_at = 0.0
        self._beat()
        gevent.spawn(self._run, self._beat, BEAT_S)
        gevent.spawn(self._flush_forever)

    def enter(self, attended: Attended, presence: Presence) -> Entered:
        """Count a connection in; what the caches know of its user.

        Raises IMError when the policy of its class refuses it.
        """
        entered = NOTHING_KNOWN
        if presence.process != self.process:  # renamed while it waited for its turn
            presence = replace(presence, process=self.process)
        try:
            cap = connections_max(self._core.settings, presence.class_)
            entered = self._core.registry.enter(attended.user, presence, cap)
        except IMError as error:
            if error.code is Code.KICKED:  # it was here until now
                self._saw(attended.user, presence, now_ms())
                self._work.set()
            raise
        except RedisError as error:
            self._known = False  # the next beat counts everybody in
            log.warning("connection not counted", error=type(error).__name__)
        except BaseException:  # out of time: it may have been counted in or not
            self._gone.append((attended.user, presence.session))
            self._work.set()
            raise
        if presence.process != self.process:  # renamed meanwhile
            self._known = False
        attended.presence = presence
        self._here.add(attended)
        return entered

    def leave(self, attended: Attended) -> None:
        """Count a connection out, soon; what never entered is ignored."""
        self._here.discard(attended)
        presence = attended.presence
        if presence is None:
            return
        attended.presence = None
        if presence.until_ms:
            key = (attended.user, presence.session)
            self._lingering.pop(key, None)  # to the end: the latest lasts longest
            self._lingering[key] = presence.until_ms
            return
        if len(self._gone) < WAITING_MAX:
            self._gone.append((attended.user, presence.session))
        self._saw(attended.user, presence, now_ms())
        self._work.set()

    def forget(self, attended: Attended) -> None:
        """Count a poll out at once that was ended and knows it; its device may come again."""
        presence, attended.presence = attended.presence, None
        self._here.discard(attended)
        if presence is not None:
            with suppress(RedisError):  # it is gone some time later anyway
                gone = self._core.registry.forget(self.process, attended.user, presence.session)
                for user, removed in gone:
                    self._saw(user, removed, now_ms())
                self._work.set()

    def close(self) -> None:
        """Count out whoever left, and the process itself.

        Polls that may still come back, to another process, are left for that one to bury.
        """
        try:
            self._flush()
            if not self._lingering:
                self._core.registry.resign(self.process)
        except (RedisError, IMError) as error:
            log.warning("departures not recorded", error=type(error).__name__)

    # ------------------------------------------------------------ in the background

    def _run(self, work: Any, pause_s: float) -> None:
        while True:
            gevent.sleep(pause_s)
            try:
                work()
            except Exception as error:
                log.error("attendance failed", exc_info=error)

    def _beat(self) -> None:
        """Renew the process' key; count everybody in when it was lost; bury other processes."""
        registry = self._core.registry
        try:
            aged = time.monotonic() - self._counted_at > COUNT_AGAIN_S
            if not self._renew() or aged or not self._known:
                self._known = True  # first: a login that fails meanwhile takes it back
                self._counted_at = time.monotonic()
                self._enter_again()
            for user, presence in registry.bury(self.process):
                self._saw(user, presence, now_ms())
        except RedisError as error:
            self._known = False
            log.warning("attendance not renewed", error=type(error).__name__)
        now = now_ms()
        over = [key for key, until_ms in self._lingering.items() if until_ms < now]
        for key in over:
            del self._lingering[key]
        self._gone += over
        if self._gone or self._seen:
            self._work.set()

    def _renew(self) -> bool:
        """Stay known as alive; False after taking another name, which Redis made necessary."""
        registry = self._core.registry
        kept = registry.renew(self.process, self._beats)
        if not kept:
            registry.resign(self.process)  # what it still holds under this name is dead
            self.process, self._beats = _new_name(), 0
            registry.renew(self.process, self._beats)
        self._beats += 1
        return kept

    def _enter_again(self) -> None:
        here = list(self._here)
        for start in range(0, len(here), LEAVES_PER_STEP):
            chunk = []
            for item in here[start : start + LEAVES_PER_STEP]:
                if item.presence is not None:
                    item.presence = replace(item.presence, process=self.process)
                    chunk.append((item, item.presence))
            self._core.registry.enter_again((item.user, presence) for item, presence in chunk)
            # Who left meanwhile may have been counted out before being counted in.
            self._gone += [(i.user, p.session) for i, p in chunk if i not in self._here]
            gevent.sleep(0)
        if self._gone:
            self._work.set()

    def _flush_forever(self) -> None:
        while True:
            self._work.wait()
            gevent.sleep(GATHER_S)
            self._work.clear()
            try:
                self._flush()
            except (RedisError, IMError) as error:
                log.warning("departures wait", error=type(error).__name__)
                gevent.sleep(RETRY_S)
                self._work.set()
            except Exception as error:
                log.error("departures failed", exc_info=error)

    def _flush(self) -> None:
        """Write what is waiting; what fails stays and is written later.

        A device is remembered before it is counted out, so it is always known as one or the other.
        """
        with self._flushing:
            with suppress(IMError):  # presence does not wait for MySQL
                self._remember()
            while self._gone:
                chunk = self._gone[:LEAVES_PER_STEP]
                for user, presence in self._core.registry.leave(self.process, chunk):
                    if presence.until_ms or presence.process != self.process:
                        self._saw(user, presence, min(presence.until_ms or now_ms(), now_ms()))
                del self._gone[: len(chunk)]
            self._remember()

    def _remember(self) -> None:
        """Write when devices were last seen."""
        seen = list(self._seen.values())
        if seen:
            self._core.devices.write(seen)
            for item in seen:
                if self._seen.get((item.user, item.device)) is item:
                    del self._seen[item.user, item.device]

    def _saw(self, user: str, presence: Presence, last_seen: int) -> None:
        device = "" if presence.device.startswith(ANONYMOUS) else presence.device
        if len(self._seen) < WAITING_MAX:
            self._seen[user, device] = Seen(
                user=user,
                device=device,
                platform=presence.platform,
                class_=presence.class_,
                last_seen=last_seen,
                token_digest=presence.token_digest,
                token_expires=expiry(presence.token_expires),
            )


def _new_name() -> str:
    return uuid.uuid4().hex[:16]
