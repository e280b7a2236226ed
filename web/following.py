"""Which groups the users connected here belong to, so that only members get what is sent there.

A list of groups is read after their channels are subscribed: who is removed later than that is
named on the channel (models/groupeffects.py), behind the last message they may see and before the
next. So nothing published behind a removal ever reaches who was removed. Who joins is named on
their own channel, and their list is read again. The list may be ahead of what is published, which
may also be published again: so it says by which row each group was joined, and nothing that was
published with something before that row reaches who joined.
"""

import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import gevent
import structlog
from gevent.event import Event

from models import keys
from models.membership import Memberships
from proto import im_pb2
from proto.views_pb2 import MessagesView
from web.codec import Downlink

if TYPE_CHECKING:
    from web.hub import Hub

log = structlog.get_logger()

PATIENCE_S = 2.0
RETRY_S = 1.0
USERS_PER_STEP = 200
LEFT_MAX = 50_000
"""Of so many who were named to go is remembered when that was."""


class Following:
    """Groups by user and users by group; a channel per group that somebody here is in."""

    def __init__(self, hub: "Hub", memberships: Memberships) -> None:
        self._hub = hub
        self._memberships = memberships
        self._groups: dict[str, set[str]] = {}
        self._members: dict[str, dict[str, int]] = {}  # and the versions they joined by
        self._newest: dict[str, int] = {}  # the last of those versions
        self._holders: dict[str, set[str]] = {}  # group: who needs its channel
        self._held: dict[str, set[str]] = {}  # the same by user
        self._busy: dict[str, Event] = {}  # users whose list is being read
        self._left: dict[tuple[str, str], int] = {}  # user and group: when they were named to go
        self.moment = 0
        """Counts who was named; a list that was asked for at one does not know of later ones."""
        self._again: set[str] = set()
        self._gaps = 0

    def members(self, group: str, previous: int, downlink: Downlink) -> Iterable[str]:
        """The users here who get what is sent to the group, behind the version `previous`."""
        members = self._members.get(group, {})
        if previous >= self._newest.get(group, 0):
            return members
        first = MessagesView.FromString(downlink.body).messages[0].version
        return [user for user, joined in members.items() if joined <= first]

    def begin(self, user: str, listed: Mapping[str, int] | None, moment: int) -> None:
        """A user has connected; `listed` are their groups as of after their channel was subscribed.

        They were asked for at `moment`. Returns when what is sent to the groups reaches the user.
        """
        if user in self._busy:
            self._busy[user].wait(PATIENCE_S)
        if user not in self._groups and user not in self._busy:  # or what was busy has failed
            self._refresh(user, listed, moment)

    def look_again(self, user: str) -> None:
        """The user may have joined a group."""
        if user in self._busy:
            self._again.add(user)
        else:
            gevent.spawn(self._refresh, user, tell=True)

    def leave(self, group: str, users: Iterable[str]) -> None:
        """These users are not in the group any more."""
        for user in users:
            self.moment += 1
            self._left.pop((user, group), None)  # to the end: the oldest are forgotten first
            self._left[user, group] = self.moment
            if len(self._left) > LEFT_MAX:
                del self._left[next(iter(self._left))]
            if group in self._groups.get(user, ()):
                self._drop(user, group)
                self._release(user, group)
                self._tell(user, im_pb2.GroupsPush(left=group))

    def end(self, user: str) -> None:
        """The user's last connection here is gone."""
        for group in self._groups.pop(user, ()):
            self._drop(user, group)
        self._give_back(user)

    def lose(self) -> None:
        """What was published since is lost: nobody is in anything until their list is read."""
        self._gaps += 1
        self._members.clear()
        self._newest.clear()
        for groups in self._groups.values():
            groups.clear()

    def restore(self) -> None:
        """Read the lists of everybody here, once their channels are subscribed again."""
        users = [*self._hub.users()]
        for start in range(0, len(users), USERS_PER_STEP):
            chunk = users[start : start + USERS_PER_STEP]
            moment = self.moment
            try:
                lists = self._memberships.joins(chunk)
            except Exception as error:
                log.warning("groups not read", error=type(error).__name__)
                for user in chunk:
                    gevent.spawn_later(RETRY_S, self._try_again, user)
                continue
            for user, listed in zip(chunk, lists, strict=True):
                self._refresh(user, listed, moment)

    # ------------------------------------------------------------ one user

    def _refresh(
        self,
        user: str,
        listed: Mapping[str, int] | None = None,
        moment: int = 0,
        *,
        tell: bool = False,
    ) -> bool:
        """Bring what is known of the user up to what their list says; one at a time.

        False when that could not be done, or somebody else is at it.
        """
        if user in self._busy:
            self._again.add(user)
            return False
        done = self._busy[user] = Event()
        try:
            names, overtaken = self._settled(user, listed, moment)
            if self._hub.is_here(user):
                self._take(user, names, tell)
                if overtaken and not tell:
                    self._resync(user)
            else:
                self.end(user)
        except Exception as error:
            log.warning("groups not read", error=type(error).__name__)
            gevent.spawn_later(RETRY_S, self._try_again, user)
            return False
        finally:
            del self._busy[user]
            done.set()
        return True

    def _try_again(self, user: str) -> None:
        if not self._hub.is_here(user):
            self.end(user)
        elif not self._hub.channels.connected:
            return  # `restore` comes
        elif self._refresh(user):
            self._resync(user)

    def _resync(self, user: str) -> None:
        """Something may have been missed meanwhile, a join too."""
        self._hub.offer_user(user, Downlink(im_pb2.CMD_PUSH_RESYNC, b""))

    def _settled(
        self, user: str, listed: Mapping[str, int] | None, moment: int
    ) -> tuple[dict[str, int], bool]:
        """The user's groups, from a list that was read when all their channels were subscribed.

        Without those they were named to leave since it was asked for. And whether they may have
        joined one while it was read.
        """
        overtaken = False
        while True:
            if not self._hub.is_here(user):
                return {}, False
            overtaken = overtaken or user in self._again
            gaps = self._gaps
            self._again.discard(user)
            if listed is None:
                moment = self.moment
                listed = self._memberships.joins([user])[0]
            names, listed = listed, None
            waiting = []
            for group in names:
                self._hold(user, group)
                ready = self._hub.channels.subscribe(keys.group_channel(group))
                if not ready.is_set():
                    waiting.append(ready)
            if not waiting and user not in self._again and gaps == self._gaps:
                still = {
                    group: version
                    for group, version in names.items()
                    if self._left.get((user, group), 0) <= moment
                }
                return still, overtaken
            if not self._hub.channels.connected:
                raise ConnectionError("no subscription; `restore` comes with the next one")
            deadline = time.monotonic() + PATIENCE_S
            for ready in waiting:
                if not ready.wait(max(0.0, deadline - time.monotonic())):
                    raise TimeoutError("channels of groups are not subscribed")

    def _take(self, user: str, names: Mapping[str, int], tell: bool) -> None:
        known = self._groups.setdefault(user, set())
        if tell and names.keys() <= known:
            # They connected between the join and its word: what was published with it passed by.
            self._resync(user)
        for group in known - names.keys():
            self._drop(user, group)
        for group, version in names.items():
            self._members.setdefault(group, {})[user] = version
            self._newest[group] = max(version, self._newest.get(group, 0))
            if tell and group not in known:
                self._tell(user, im_pb2.GroupsPush(joined=group))
        self._groups[user] = set(names)
        self._give_back(user)

    def _give_back(self, user: str) -> None:
        """Let go of channels that were subscribed for the user and are not needed."""
        for group in self._held.get(user, set()) - self._groups.get(user, set()):
            self._release(user, group)

    def _drop(self, user: str, group: str) -> None:
        self._groups.get(user, set()).discard(group)
        users = self._members.get(group)
        if users is not None:
            users.pop(user, None)
            if not users:
                del self._members[group]
                self._newest.pop(group, None)

    def _hold(self, user: str, group: str) -> None:
        self._holders.setdefault(group, set()).add(user)
        self._held.setdefault(user, set()).add(group)

    def _release(self, user: str, group: str) -> None:
        held = self._held.get(user, set())
        held.discard(group)
        if not held:
            self._held.pop(user, None)
        users = self._holders.get(group, set())
        users.discard(user)
        if not users and self._holders.pop(group, None) is not None:
            self._hub.channels.unsubscribe(keys.group_channel(group))

    def _tell(self, user: str, push: im_pb2.GroupsPush) -> None:
        downlink = Downlink(im_pb2.CMD_PUSH_GROUPS, push.SerializeToString())
        self._hub.offer_user(user, downlink)
