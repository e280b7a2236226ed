"""Ends connections whose time is over: silent, expired, revoked, or all of them at shutdown."""

import random
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import gevent
import structlog

from models.errors import Code, IMError
from models.usercentre.revocations import Revalidator, Revocation, RevocationFeed
from models.usercentre.tokens import Identity
from web.logouts import Logouts
from web.services import Services
from web.session import CLOSE_SILENT, Session, State

log = structlog.get_logger()

ROUND_S = 2.0
DRAIN_LINGER_S = 6.0
RETURN_SPREAD_MS = 5000
"""Clients that are sent away come back spread over at least this time."""

EVENTS_HEARTBEAT_S = 15.0


class Keeper:
    """Greenlets that look at every session every couple of seconds."""

    def __init__(
        self,
        services: Services,
        feed: RevocationFeed,
        logouts: Logouts,
        revalidator: Revalidator,
        finish: Callable[[], None],
    ) -> None:
        """`finish` stores what was accepted."""
        self._services = services
        self._finish = finish
        self._stop = threading.Event()
        self._drained = threading.Event()
        gevent.spawn(self._watch)
        gevent.spawn(feed.run, self._revoked, self._stop)
        gevent.spawn(logouts.run, lambda: self._logged_out(logouts), self._stop)
        gevent.spawn(revalidator.run, self._live_tokens, self._revoked, self._stop)

    def drain(self) -> None:
        """Send every client away, spread over `drain_s`; return when they are gone."""
        if self._stop.is_set():
            self._drained.wait()
            return
        self._stop.set()
        self._send_away()
        self._drained.set()

    def finish(self) -> None:
        """After the last request: see every client off and store what was accepted."""
        self.drain()
        self._services.attendance.close()
        self._finish()

    def _send_away(self) -> None:
        services = self._services
        services.admission.closing = True
        for poll in list(services.hub.polls):
            poll.go_away()
        sessions = list(services.hub.all)
        drain_s = services.settings.drain_s
        spread_ms = max(RETURN_SPREAD_MS, 1000 * len(sessions) / services.settings.admissions_per_s)
        random.shuffle(sessions)
        for index, session in enumerate(sessions):
            session.go_away(delay_ms=int(random.uniform(0, spread_ms)))
            if index % 100 == 99:
                gevent.sleep(drain_s * 100 / max(len(sessions), 1))
        with gevent.Timeout(DRAIN_LINGER_S, False):  # type: ignore[arg-type]
            while services.hub.polls or any(not session.gone for session in sessions):
                gevent.sleep(0.05)

    def _watch(self) -> None:
        while True:
            gevent.sleep(ROUND_S)
            self._services.metrics.append_queue.set(self._services.dispatcher.waiting())
            now, epoch = time.monotonic(), time.time()
            for session in list(self._services.hub.all):
                try:
                    self._check(session, now, epoch)
                except Exception as error:
                    log.error("check failed", exc_info=error)
            for poll in list(self._services.hub.polls):
                if poll.identity is not None and poll.identity.expires_at <= epoch:
                    poll.kick(_expired())

    def _check(self, session: Session, now: float, epoch: float) -> None:
        settings = self._services.settings
        if session.state is State.OPENING and now - session.opened_at > settings.auth_deadline_s:
            session.close(CLOSE_SILENT, "not authenticated in time")
        elif now - session.heard_at > settings.idle_timeout_s:
            session.close(CLOSE_SILENT, "silent for too long")
        elif session.unfinished_at and now - session.unfinished_at > settings.frame_deadline_s:
            session.close(CLOSE_SILENT, "a frame took too long")
        elif session.identity is not None and session.identity.expires_at <= epoch:
            session.kick(_expired())
        elif session.transport == "events" and now - session.heard_at > EVENTS_HEARTBEAT_S:
            session.comment()

    def _revoked(self, revocations: Sequence[Revocation]) -> None:
        def ended(identity: Identity) -> bool:
            return any(revocation.ends(identity) for revocation in revocations)

        for receiver in self._services.hub.pick(ended):
            receiver.kick(IMError(Code.TOKEN_REVOKED, "the token was revoked"))

    def _logged_out(self, logouts: Logouts) -> None:
        for receiver in self._services.hub.pick(logouts.is_revoked):
            receiver.kick(IMError(Code.TOKEN_REVOKED, "the device was logged out"))

    def _live_tokens(self) -> dict[str, Any]:
        return {
            session.token: session.identity
            for session in list(self._services.hub.all)
            if session.token and session.identity is not None
        }


def _expired() -> IMError:
    return IMError(Code.UNAUTHENTICATED, "the token has expired")
