"""Comet: `POST /comet`, a long poll that carries the client's cursor.

Nothing is remembered between two polls, so any process can answer the next one. Messages come from
what is published while the poll waits; whatever was published before, or lost, is read by sync.
"""

import hashlib
import math
import random
import ssl
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gevent
from flask import Flask, Response, request
from gevent.event import Event
from google.protobuf.message import Message

from models.clock import now_ms
from models.devices import token_digest
from models.errors import IMError
from models.registry import NOTHING_KNOWN, Entered, Presence
from models.usecases.groupreading import groups_version
from models.usecases.reading import latest_version, sync
from proto import im_pb2
from proto.commands import Command
from web.admission import POLLS_AT_ONCE
from web.attendance import ANONYMOUS
from web.codec import refusal
from web.connection import hand_over
from web.dispatch import TooLate, translate
from web.httpcall import bearer_token, client_ip, read_body, respond, wants_json
from web.origin import cors_headers
from web.parked import GATHER_S, Parked
from web.polls import Poll
from web.services import SUBSCRIBE_PATIENCE_S, check_device, make_presence

if TYPE_CHECKING:
    from web.services import Services

COMET = Command(im_pb2.CMD_NONE, "comet", im_pb2.CometRequest, im_pb2.CometResponse)
LINGER_MS = 60_000
"""Between two polls a device counts as connected for this long."""

TURN_S = 2.0
"""A poll waits for its turn no longer than this where it would not notice its client's end."""

SPREAD_MS = 2000
"""Polls a stopping process ends come back within this time: another process answers them."""


@dataclass(slots=True)
class Waiting:
    """A poll, for whom, how long, and how its answer is written."""

    poll: Poll
    ip: str
    deadline: float  # monotonic
    as_json: bool
    arrival: Presence | None  # to be counted in; None: the poll has begun
    patience_s: float = math.inf
    """When its turn does not come in this time, it is told to come again."""
    heard: bool = False  # the channel is subscribed: what is published reaches the poll
    over: bool = False


class Comet:
    """The route, and the polls of this process."""

    def __init__(self, services: "Services") -> None:
        self._services = services
        self.write_timeout_s = services.settings.write_timeout_s
        self._connections = services.metrics.connections.labels("comet")
        self._beginning = 0

    def add_route(self, app: Flask, path: str) -> None:
        """Serve polls at `path`."""
        app.add_url_rule(path, view_func=self._poll, methods=["POST"])

    def _poll(self) -> Response:
        ip = client_ip(self._services)
        try:
            self._services.admission.enter(ip)
        except IMError as error:
            return self._respond(refusal(error, COMET))
        self._connections.inc()
        try:
            waiting = self._accept(ip)
        except Exception as error:
            self._connections.dec()
            self._services.admission.leave(ip)
            return self._respond(refusal(translate(error, "comet"), COMET))
        sock = request.environ["gunicorn.socket"]
        parks = not isinstance(sock, ssl.SSLSocket)
        if not parks:
            waiting.patience_s = TURN_S
        crowd = self._beginning >= POLLS_AT_ONCE or self._services.admission.crowded
        if not (parks and crowd):
            answer = self._look_here(waiting)
            if answer is not None:
                return self._respond(answer)
        if not parks:
            return self._respond(self._wait(waiting))
        headers = cors_headers()
        return hand_over(sock, lambda own: Parked(self, waiting, own, headers))

    def _look_here(self, waiting: Waiting) -> Message | None:
        """Look in the request's greenlet; with an answer the poll is over."""
        try:
            answer = self.look(waiting)
        except BaseException:
            self.leave(waiting)
            raise
        if answer is not None:
            self.leave(waiting)
        return answer

    def _respond(self, answer: Message) -> Response:
        self.count(answer)
        return respond(answer, wants_json())

    def count(self, answer: Message) -> None:
        """Count an answer in the metrics."""
        error = answer.error  # type: ignore[attr-defined]
        self._services.metrics.requests.labels("comet", error.name or "ok").inc()

    def _accept(self, ip: str) -> Waiting:
        """A poll as asked for, not begun yet; from here on it can be ended."""
        services = self._services
        with gevent.Timeout(services.settings.request_timeout_s, TooLate()):
            asked: Any = read_body(COMET, services.settings.body_bytes_max)
            check_device(asked.platform, asked.device)
            identity = services.verifier.verify(bearer_token())
        longest_s = services.settings.comet_wait_s
        wait_s = min(asked.wait_s or longest_s, longest_s)
        device = asked.device or f"{ANONYMOUS}{token_digest(identity)[:16]}"
        groups = asked.groups_version if asked.HasField("groups_version") else None
        poll = Poll(identity, _session_of(device), asked.since, groups)
        until_ms = now_ms() + 1000 * wait_s + LINGER_MS
        presence = make_presence(services, poll.id, identity, asked.platform, device, until_ms)
        services.hub.polls.add(poll)
        if services.admission.closing:  # since it was let in; the others were told already
            poll.go_away()
        return Waiting(poll, ip, time.monotonic() + wait_s, wants_json(), presence)

    def _begin(self, waiting: Waiting, presence: Presence, turn: ExitStack) -> Entered | None:
        """Wait for the poll's `turn`, and count it in; what the caches know of its user.

        None: it was ended meanwhile.
        """
        services, poll = self._services, waiting.poll
        waiting.arrival = None
        self._beginning += 1
        try:
            waiting.heard = services.hub.add(poll, SUBSCRIBE_PATIENCE_S)
            patience_s = min(waiting.patience_s, waiting.deadline - time.monotonic())
            try:
                turn.enter_context(services.admission.poll(patience_s))
            except IMError:
                if poll.ended is None and not poll.going:
                    raise
            if waiting.over or poll.going:
                return None
            if poll.ended is not None:
                poll.presence = presence  # what the device's earlier polls left is counted out
                return None
            with gevent.Timeout(services.settings.request_timeout_s, TooLate()):
                moment = services.hub.following.moment
                entered = services.attendance.enter(poll, presence)
                if entered is NOTHING_KNOWN:
                    turn.close()  # Redis fails: to wait for it holds nobody up
                services.hub.following.begin(poll.user, entered.groups, moment)
            return entered
        finally:
            self._beginning -= 1
            if waiting.over:  # its client went away meanwhile
                self._forget(poll)

    def leave(self, waiting: Waiting) -> None:
        """A poll is over."""
        waiting.over = True
        self._forget(waiting.poll)
        self._connections.dec()
        self._services.admission.leave(waiting.ip)

    def _forget(self, poll: Poll) -> None:
        self._services.hub.polls.discard(poll)
        self._services.hub.remove(poll)
        self._services.attendance.leave(poll)

    def _wait(self, waiting: Waiting) -> Message:
        """Wait in this greenlet for the answer."""
        woken = Event()
        waiting.poll.notify = woken.set
        try:
            while True:
                left_s = max(0.0, waiting.deadline - time.monotonic())
                if waiting.poll.pending or woken.wait(left_s):
                    gevent.sleep(GATHER_S)
                woken.clear()
                answer = self.look(waiting)
                if answer is not None:
                    return answer
        finally:
            self.leave(waiting)

    def look(self, waiting: Waiting) -> Message | None:
        """The answer to a poll that begins, was notified, or whose time is over; None: it waits."""
        try:
            with ExitStack() as turn:
                entered = None
                if waiting.arrival is not None:
                    entered = self._begin(waiting, waiting.arrival, turn)
                with gevent.Timeout(self._services.settings.request_timeout_s, TooLate()):
                    return self._look(waiting, entered)
        except Exception as error:
            return refusal(translate(error, "comet"), COMET)

    def _look(self, waiting: Waiting, entered: Entered | None) -> Message | None:
        """`entered`: of a poll that has just been counted in."""
        poll = waiting.poll
        if waiting.over:
            return None
        if poll.ended is not None:
            self._services.attendance.forget(poll)
            raise poll.ended
        over = poll.going or time.monotonic() >= waiting.deadline
        answer, whole = poll.take()
        unsure = entered is not None or not whole or not waiting.heard
        if not poll.going and (unsure or (over and not answer.messages)):
            # Something was missed, or may have been.
            news = self._news(waiting, entered if entered and whole else NOTHING_KNOWN)
            if news is not None and news.since == poll.since:
                answer.groups_version = news.groups_version
            elif news is not None:
                news.events.extend(answer.events)
                news.group_messages.extend(answer.group_messages)
                answer = news
        if poll.going:
            away = self._services.go_away(random.randrange(SPREAD_MS))
            answer.events.add().go_away.CopyFrom(away)
        found = answer.since != poll.since or answer.events or answer.group_messages
        return answer if over or found or answer.HasField("groups_version") else None

    def _news(self, waiting: Waiting, entered: Entered) -> im_pb2.CometResponse | None:
        """What the mailbox holds beyond the poll's cursor; None when that is nothing.

        Of groups only that there is something, which group_sync reads. Without Redis only MySQL
        knows: what is not published yet is read there too.
        """
        core, poll = self._services.core, waiting.poll
        answer = im_pb2.CometResponse(since=poll.since)
        version = entered.version
        if waiting.heard and version is None:
            version = latest_version(core, poll.user)
        if version is None or version > poll.since:
            page = sync(core, poll.user, im_pb2.SyncRequest(cursor=poll.since))
            answer.messages.extend(page.messages)
            answer.since, answer.more = page.cursor, page.more
        if poll.groups_version is not None:
            now = groups_version(core, poll.user, entered.groups)
            if now != poll.groups_version:
                answer.groups_version = now
        found = answer.since != poll.since or answer.HasField("groups_version")
        return answer if found else None


def _session_of(device: str) -> str:
    """The same for every poll of a device, whichever process answers it."""
    return f"poll-{hashlib.blake2s(device.encode(), digest_size=8).hexdigest()}"
