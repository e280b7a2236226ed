"""A long poll while it waits: what was published for its user meanwhile, and the answer that is."""

from collections.abc import Callable, Sequence

from google.protobuf.message import Message

from models.errors import IMError
from models.registry import Presence
from models.usecases.reading import ANSWER_BYTES_MAX
from models.usercentre.tokens import Identity
from proto import im_pb2
from proto.views_pb2 import MessagesView, MessageView
from web.codec import Downlink

EVENTS_MAX = 256
_EVENTS: dict[int, tuple[str, type[Message]]] = {
    im_pb2.CMD_PUSH_READ: ("read", im_pb2.ReadPush),
    im_pb2.CMD_PUSH_CONVERSATIONS: ("conversations", im_pb2.ConversationsPush),
    im_pb2.CMD_PUSH_TYPING: ("typing", im_pb2.TypingPush),
    im_pb2.CMD_PUSH_RESYNC: ("resync", im_pb2.ResyncPush),
    im_pb2.CMD_PUSH_GROUPS: ("groups", im_pb2.GroupsPush),
}


class Poll:
    """Collects downlinks; `notify` is called for each, and must not block."""

    __slots__ = (
        "_bytes",
        "downlinks",
        "ended",
        "going",
        "groups_version",
        "id",
        "identity",
        "notify",
        "presence",
        "since",
        "user",
        "watched",
    )

    def __init__(
        self, identity: Identity, identifier: str, since: int, groups_version: int | None = None
    ) -> None:
        """`groups_version`: of the client's cursors, where it keeps some."""
        self.id = identifier
        self.identity: Identity | None = identity
        self.user = identity.user
        self.since = since
        self.groups_version = groups_version
        self.presence: Presence | None = None
        self.watched: frozenset[str] = frozenset()
        self.downlinks: list[Downlink] | None = []  # None: too many, sync must find them
        self.ended: IMError | None = None
        self.going = False
        self.notify: Callable[[], object] = bool
        self._bytes = 0

    def offer(self, downlink: Downlink) -> None:
        """Take a downlink."""
        if self.downlinks is not None:
            self._bytes += len(downlink.body)
            self.downlinks.append(downlink)
            if self._bytes > ANSWER_BYTES_MAX or len(self.downlinks) > EVENTS_MAX:
                self.downlinks = None
        self.notify()

    def miss(self) -> None:
        """Something may have been lost: look whether there is anything new."""
        self.downlinks = None
        self.notify()

    def kick(self, error: IMError) -> None:
        """End with an error."""
        self.ended = error
        self.notify()

    def go_away(self) -> None:
        """End because the process does; any other one answers the next poll."""
        self.going = True
        self.notify()

    @property
    def pending(self) -> bool:
        """Whether there is something to look at."""
        return self.downlinks != [] or self.ended is not None or self.going

    def take(self) -> tuple[im_pb2.CometResponse, bool]:
        """The answer that what came since the last time is; False when messages are missing."""
        downlinks, self.downlinks, self._bytes = self.downlinks, [], 0
        if downlinks is None:
            return im_pb2.CometResponse(since=self.since), False
        return made_of(downlinks, self.since)


def made_of(downlinks: Sequence[Downlink], since: int) -> tuple[im_pb2.CometResponse, bool]:
    """An answer made of downlinks; without messages, and False, when there is a hole in them."""
    answer = im_pb2.CometResponse(since=since)
    views: list[MessageView] = []
    whole = True
    reached = since
    for downlink in downlinks:
        if downlink.group:
            answer.group_messages.add().MergeFromString(downlink.body)
        elif downlink.number == im_pb2.CMD_PUSH_MESSAGES:
            push = MessagesView.FromString(downlink.body)
            whole = whole and push.previous <= reached
            views += [view for view in push.messages if view.version > reached]
            reached = views[-1].version if views else reached
        elif downlink.number in _EVENTS:
            name, type_ = _EVENTS[downlink.number]
            getattr(answer.events.add(), name).CopyFrom(type_.FromString(downlink.body))
    if whole:
        answer.since = reached
        answer.MergeFromString(MessagesView(messages=views).SerializeToString())
    return answer, whole
