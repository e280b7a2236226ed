"""Messages of a log enter the store: each page or push is one transaction with its cursor.

A row knows the version it was last told with; what comes again with a version that is not newer
changes nothing, so pages and pushes may overlap and repeat at will.
"""

from collections.abc import Iterable, Sequence

from im_client._proto import im_pb2
from im_client.errors import WrongUser
from im_client.model import GROUP, PERSON, Conversation, Message
from im_client.store.database import Database, Row
from im_client.store.pending import note, note_message

_COLUMNS = "id, type, peer, sender, version, content, send_time, withdraw_time"


class Logs:
    """The user's own log and those of groups."""

    def __init__(self, db: Database, user: str) -> None:
        self._db = db
        self._user = user

    # ------------------------------------------------------------ the user's own log

    @property
    def cursor(self) -> int:
        """The last version of the user's own log that is in the store."""
        return int(self._db.get("cursor", "0"))

    def first_seen(self, version: int) -> None:
        """The server was met with its log at this version; only the first time counts.

        What lies before it is told to no callback.
        """
        if not self._db.get("silent_to"):
            with self._db.transaction():
                self._db.set("silent_to", version)

    def take(self, messages: Sequence[im_pb2.Message], cursor: int = 0) -> int:
        """Messages of the user's own log, ascending; `cursor` may lie behind the last of them.

        Returns the cursor as it is then. Raises `WrongUser` when it is another's log.
        """
        with self._db.transaction():
            for message in messages:
                if self._user not in (message.sender, message.receiver):
                    raise WrongUser(f"a message of others in the log of {self._user}")
            reached, silent_to = self.cursor, int(self._db.get("silent_to", "0"))
            for message in messages:
                if message.version > reached:
                    self._put(message, "", silent=message.version <= silent_to)
                    reached = message.version
            reached = max(reached, cursor)
            self._db.set("cursor", reached)
        return reached

    # ------------------------------------------------------------ logs of groups

    def group_cursors(self) -> dict[str, int]:
        """The last version of each group this user is in."""
        return dict(self._db.query("SELECT id, cursor FROM chat_group WHERE gone = 0"))

    def join(self, group: str, silent_to: int | None = None) -> None:
        """This user is in the group from now on; joining again changes nothing.

        With `silent_to` they were in it before this store existed: neither that nor what came up
        to this version is told.
        """
        with self._db.transaction():
            changed = self._db.run(
                "INSERT INTO chat_group (id, silent_to) VALUES (?, ?)"
                " ON CONFLICT (id) DO UPDATE SET gone = 0, cursor = 0 WHERE gone = 1",
                (group, silent_to or 0),
            )
            if changed and silent_to is None:
                note(self._db, "group", group=group, joined=True)

    def take_group(
        self, group: str, messages: Iterable[im_pb2.Message], cursor: int = 0, gone: bool = False
    ) -> int:
        """Messages of a group's log, ascending; `gone`: the user is not in it behind them.

        Returns the group's cursor as it is then.
        """
        with self._db.transaction():
            row = self._db.first(
                "SELECT cursor, silent_to, gone FROM chat_group WHERE id = ?", (group,)
            )
            if row is None or row[2]:
                return 0
            reached, silent_to = int(row[0]), int(row[1])
            for message in messages:
                if message.version > reached:
                    self._put(message, group, silent=message.version <= silent_to)
                    reached = message.version
            reached = max(reached, cursor)
            self._db.run(
                "UPDATE chat_group SET cursor = ?, gone = ? WHERE id = ?",
                (reached, int(gone), group),
            )
            if gone:
                self._db.run("DELETE FROM member WHERE group_id = ?", (group,))
                note(self._db, "group", group=group, joined=False)
        return reached

    # ------------------------------------------------------------ messages

    def take_history(self, conversation: Conversation, page: Iterable[im_pb2.Message]) -> None:
        """Messages the server showed of a conversation; those of the log stay as they are."""
        with self._db.transaction():
            for message in page:
                self.insert(message, conversation, version=0)

    def insert(self, message: im_pb2.Message, conversation: Conversation, version: int) -> None:
        """Add a message unless it is known; inside a transaction."""
        self._db.run(
            f"INSERT OR IGNORE INTO message ({_COLUMNS}, mentioned)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            self._row(message, conversation, version),
        )
        self._touch(conversation, message.id)

    def messages(self, conversation: Conversation, before: str, limit: int) -> list[Message]:
        """The newest messages before an id (empty: the end), oldest first."""
        rows = self._db.query(
            f"SELECT {_COLUMNS} FROM message WHERE type = ? AND peer = ? AND id < ?"
            " ORDER BY id DESC LIMIT ?",
            (conversation.type, conversation.id, before or "g", limit),
        )
        return [message_of(row) for row in reversed(rows)]

    def message(self, message_id: str) -> Message | None:
        """The message with this id, if it is here."""
        row = self._db.first(f"SELECT {_COLUMNS} FROM message WHERE id = ?", (message_id,))
        return None if row is None else message_of(row)

    def _put(self, message: im_pb2.Message, group: str, silent: bool) -> None:
        """A message as its log shows it now."""
        if group:
            conversation = Conversation(GROUP, group)
        else:
            own = message.sender == self._user
            conversation = Conversation(PERSON, message.receiver if own else message.sender)
        known = self._db.first(
            "SELECT version, withdraw_time FROM message WHERE id = ?", (message.id,)
        )
        if known is not None and known[0] >= message.version:
            return
        self._db.run(
            f"INSERT OR REPLACE INTO message ({_COLUMNS}, mentioned)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            self._row(message, conversation, message.version),
        )
        self._touch(conversation, message.id)
        news = known is None or known[0] == 0 or bool(known[1]) != bool(message.withdraw_time)
        if news and not silent:
            note_message(
                self._db,
                to_message(message, conversation, message.version),
                own=message.sender == self._user,
            )

    def _row(
        self, message: im_pb2.Message, conversation: Conversation, version: int
    ) -> tuple[object, ...]:
        content = message.content
        mentioned = content.mention_all or self._user in content.mentions
        return (
            message.id,
            conversation.type,
            conversation.id,
            message.sender,
            version,
            content.SerializeToString(),
            message.send_time,
            message.withdraw_time,
            int(mentioned),
        )

    def _touch(self, conversation: Conversation, message_id: str) -> None:
        self._db.run(
            "INSERT INTO conversation (type, peer, last_id) VALUES (?, ?, ?)"
            " ON CONFLICT (type, peer) DO UPDATE SET last_id = MAX(last_id, excluded.last_id)",
            (conversation.type, conversation.id, message_id),
        )


def to_message(message: im_pb2.Message, conversation: Conversation, version: int) -> Message:
    """What applications see of a message."""
    return Message(
        id=message.id,
        conversation=conversation,
        sender=message.sender,
        content=message.content,
        send_time_ms=message.send_time,
        withdraw_time_ms=message.withdraw_time,
        version=version,
    )


def message_of(row: Row) -> Message:
    """A row of `_COLUMNS`."""
    identifier, type_, peer, sender, version, content, send_time, withdraw_time = row
    return Message(
        id=identifier,
        conversation=Conversation(type_, peer),
        sender=sender,
        content=im_pb2.Content.FromString(content),
        send_time_ms=send_time,
        withdraw_time_ms=withdraw_time,
        version=version,
    )
