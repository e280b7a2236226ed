"""Who is connected here, and what Redis publishes for them.

At most once: a publish may be lost (Redis restarts, the connection breaks). After every gap all
sessions are told to sync, and pongs carry the latest version, so nothing stays unseen.
"""

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Protocol

import gevent
import structlog

from models import keys
from models.errors import Code, IMError
from models.membership import Memberships
from models.settings import Settings
from models.usercentre.tokens import Identity
from proto import im_pb2
from web.channels import Channels
from web.codec import Downlink, read_channel, read_group_channel
from web.following import Following

if TYPE_CHECKING:
    from web.polls import Poll
    from web.session import Session

log = structlog.get_logger()

RESYNCS_AT_ONCE = 100
RESYNC_PAUSE_S = 0.05


class Receiver(Protocol):
    """What downlinks are forwarded to: a session, or a poll that waits."""

    id: str
    identity: Identity | None
    user: str
    watched: frozenset[str]

    def offer(self, downlink: Downlink) -> None:
        """Take a downlink; never blocks."""

    def kick(self, error: IMError) -> None:
        """End, saying why; never blocks."""


class Hub:
    """Who receives in this process, by user, and one Redis subscription for all of them."""

    def __init__(self, settings: Settings, memberships: Memberships) -> None:
        self.following = Following(self, memberships)
        self._sessions: dict[str, set[Receiver]] = {}
        self._watchers: dict[str, set[Receiver]] = {}
        self.channels = Channels(settings, self._forward, self.following.lose, self._resync)
        self.all: set[Session] = set()
        self.polls: set[Poll] = set()

    # ------------------------------------------------------------ sessions

    def add(self, receiver: "Receiver", patience_s: float) -> bool:
        """Forward to it what is sent to its user; return when the user's channel is subscribed.

        Without Redis it returns False after `patience_s`: sessions are told to sync once the
        subscription stands.
        """
        self._sessions.setdefault(receiver.user, set()).add(receiver)
        return self.channels.subscribe(keys.channel(receiver.user)).wait(patience_s)

    def watch(self, receiver: "Receiver", users: frozenset[str], patience_s: float) -> None:
        """Forward to it who of these users comes and goes, besides those watched already."""
        receiver.watched |= users
        for user in users:
            self._watchers.setdefault(user, set()).add(receiver)
        deadline = time.monotonic() + patience_s
        for ready in [self.channels.subscribe(keys.presence(user)) for user in users]:
            ready.wait(max(0.0, deadline - time.monotonic()))

    def unwatch(self, receiver: "Receiver", users: frozenset[str]) -> None:
        """Forward no more about these users."""
        for user in users & receiver.watched:
            _drop(self._watchers, user, receiver)
            if user not in self._watchers:
                self.channels.unsubscribe(keys.presence(user))
        receiver.watched -= users

    def remove(self, receiver: "Receiver") -> None:
        """Forward nothing more to it."""
        self.unwatch(receiver, receiver.watched)
        if receiver.user in self._sessions:
            _drop(self._sessions, receiver.user, receiver)
            if receiver.user not in self._sessions:
                self.channels.unsubscribe(keys.channel(receiver.user))
                self.following.end(receiver.user)

    def users(self) -> Iterable[str]:
        """Who is connected here."""
        return self._sessions

    def is_here(self, user: str) -> bool:
        """Whether the user is connected here."""
        return user in self._sessions

    def offer_user(self, user: str, downlink: Downlink) -> None:
        """Queue a downlink to everything of a user."""
        self.offer_all(self._sessions.get(user, ()), downlink)

    def pick(self, wanted: Callable[[Identity], bool]) -> list[Receiver]:
        """The sessions and polls whose identity fits."""
        here: list[Receiver] = [*self.all, *self.polls]
        return [one for one in here if one.identity is not None and wanted(one.identity)]

    # ------------------------------------------------------------ what is published

    def _resync(self) -> None:
        """After a gap: read again who is in which group, then tell all to sync, bit by bit."""
        self.following.restore()
        resync = Downlink(im_pb2.CMD_PUSH_RESYNC, b"")
        sessions = list(self.all)
        for start in range(0, len(sessions), RESYNCS_AT_ONCE):
            self.offer_all(sessions[start : start + RESYNCS_AT_ONCE], resync)
            gevent.sleep(RESYNC_PAUSE_S)
        polls = list(self.polls)
        for start in range(0, len(polls), RESYNCS_AT_ONCE):
            for poll in polls[start : start + RESYNCS_AT_ONCE]:
                poll.miss()
            gevent.sleep(RESYNC_PAUSE_S)

    def _forward(self, channel: bytes, payload: bytes) -> None:
        """Hand a payload to those it is for; one that cannot be read is logged and dropped."""
        kind, _, rest = channel.partition(b":{")
        user = rest[:-1].decode()
        if kind == b"group":
            self._forward_group(user, payload)
            return
        receivers = (self._sessions if kind == b"down" else self._watchers).get(user)
        if not receivers:
            return
        try:
            if payload[:1] == b"k":
                self._kick(receivers, payload)
            elif payload[:1] == b"j":
                self.following.look_again(user)
            elif payload[:1] == b"h":
                for receiver in list(receivers):
                    self.unwatch(receiver, frozenset({payload[1:].decode()}))
            else:
                self.offer_all(receivers, read_channel(payload))
        except Exception as error:
            log.error("downlink not readable", exc_info=error)

    def _forward_group(self, group: str, payload: bytes) -> None:
        """Hand what was sent to a group to its members here, before some of them leave."""
        try:
            downlink, previous, left = read_group_channel(group, payload)
            sessions = self._sessions
            members = self.following.members(group, previous, downlink)
            here = [one for user in members for one in sessions.get(user, ())]
            self.offer_all(here, downlink)
            self.following.leave(group, left)
        except Exception as error:
            log.error("downlink not readable", exc_info=error)

    @staticmethod
    def _kick(receivers: Iterable["Receiver"], payload: bytes) -> None:
        """End one connection: `k<session> <code name>\\n<message>`."""
        head, _, message = payload.decode().partition("\n")
        session, _, code = head[1:].partition(" ")
        for receiver in list(receivers):
            if receiver.id == session:
                receiver.kick(IMError(Code[code], message))

    @staticmethod
    def offer_all(receivers: Iterable["Receiver"], downlink: Downlink) -> None:
        """Queue one downlink to many."""
        for receiver in tuple(receivers):
            try:
                receiver.offer(downlink)
            except Exception as error:
                log.error("downlink not encodable", command=downlink.number, exc_info=error)


def _drop(groups: dict[str, set[Receiver]], user: str, receiver: Receiver) -> None:
    """Take one out of a group; an empty group goes."""
    group = groups.get(user)
    if group is not None:
        group.discard(receiver)
        if not group:
            del groups[user]
