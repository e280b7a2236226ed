"""The local store of one user on one device: messages, conversations, groups, outbox, events.

A file of its own per user. Every update is one transaction, so whatever dies leaves the store as
it was before the update or behind it, with its cursor, its unread counts and its events.
"""

from pathlib import Path

from im_client.errors import WrongUser
from im_client.events import Stored
from im_client.store.conversations import Conversations
from im_client.store.database import Database
from im_client.store.groups import Groups
from im_client.store.logs import Logs
from im_client.store.outbox import Outbox
from im_client.store.pending import next_events, told


class Store:
    """See the module. Not thread-safe: all calls come from one thread at a time."""

    def __init__(self, path: Path | str, user: str) -> None:
        """Open or make the file; `:memory:` keeps nothing. Raises `WrongUser` for another's."""
        self._db = Database(path)
        try:
            owner = self._db.get("user", user)
            if owner != user:
                raise WrongUser(f"the store {path} belongs to {owner}")
            with self._db.transaction():
                self._db.set("user", user)
        except BaseException:
            self._db.close()
            raise
        self.user = user
        self.logs = Logs(self._db, user)
        self.conversations = Conversations(self._db, user, self.logs)
        self.groups = Groups(self._db)
        self.outbox = Outbox(self._db, user, self.logs)

    def close(self) -> None:
        self._db.close()

    def next_events(self, limit: int = 100) -> list[Stored]:
        """The oldest events that were not told."""
        return next_events(self._db, limit)

    def told(self, number: int) -> None:
        """An event was told."""
        told(self._db, number)

    def get(self, name: str) -> str:
        """A value kept under a name; empty without one."""
        return self._db.get(name)

    def set(self, name: str, value: str) -> None:
        """Keep a value under a name."""
        with self._db.transaction():
            self._db.set(name, value)
