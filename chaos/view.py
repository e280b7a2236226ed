"""A screen: the mailbox of one user as a client shows it, from pushes and from syncs."""

from collections.abc import Iterable

from proto import im_pb2


class View:
    """The messages behind a cursor, by id; what was shown stays in the order of its first time."""

    def __init__(self) -> None:
        self.cursor = 0
        self.messages: dict[str, im_pb2.Message] = {}
        self.shown: list[str] = []
        self.twice: list[str] = []
        """Ids that came again as something new and were no recall."""

    def push(self, push: im_pb2.MessagesPush) -> bool:
        """Takes in a downlink; False when something before it was missed, and nothing is taken."""
        if push.previous > self.cursor:
            return False
        self._show(push.messages)
        return True

    def page(self, answer: im_pb2.SyncResponse) -> None:
        """Takes in a page of a sync."""
        self._show(answer.messages)
        self.cursor = max(self.cursor, answer.cursor)

    def _show(self, messages: Iterable[im_pb2.Message]) -> None:
        for message in messages:
            if message.version <= self.cursor:
                continue
            self.cursor = message.version
            if not message.withdraw_time:
                (self.twice if message.id in self.messages else self.shown).append(message.id)
            self.messages[message.id] = message
