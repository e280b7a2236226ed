"""The contact list: what the server knows of conversations, counted over the local messages."""

from im_client._proto import im_pb2
from im_client.model import GROUP, PERSON, Contact, Conversation
from im_client.store.database import Database, Row
from im_client.store.logs import Logs
from im_client.store.pending import note

_UNREAD = (
    "SELECT COUNT(*), COALESCE(SUM(mentioned), 0) FROM message"
    " WHERE type = ? AND peer = ? AND id > ? AND withdraw_time = 0 AND sender NOT IN ('', ?)"
)

_JOINS = (im_pb2.CREATED, im_pb2.JOINED, im_pb2.INVITED)


class Conversations:
    """Conversations of the user."""

    def __init__(self, db: Database, user: str, logs: Logs) -> None:
        self._db = db
        self._user = user
        self._logs = logs

    def contacts(self, limit: int = 0) -> list[Contact]:
        """Conversations that hold something, newest last message first; 0: all of them."""
        rows = self._db.query(
            "SELECT c.type, c.peer, c.last_id, c.read, c.peer_read, c.muted, c.name, c.avatar,"
            " g.info FROM conversation c LEFT JOIN chat_group g ON c.type = 1 AND g.id = c.peer"
            " WHERE c.last_id <> '' AND (c.type = 0 OR g.gone = 0)"
            " ORDER BY c.last_id DESC LIMIT ?",
            (limit or -1,),
        )
        found = []
        for type_, peer, last_id, read, peer_read, muted, name, avatar, info in rows:
            conversation = Conversation(type_, peer)
            unread, mentions = self.unread(conversation, read)
            group = im_pb2.GroupInfo.FromString(info) if info else None
            found.append(
                Contact(
                    conversation=conversation,
                    name=(group.name if group else name) or peer,
                    avatar=group.avatar if group else avatar,
                    last=self._logs.message(last_id),
                    unread=unread,
                    mentions=mentions if type_ == GROUP else 0,
                    muted=bool(muted),
                    read=read,
                    peer_read=peer_read,
                    group=group,
                )
            )
        return found

    def unread(self, conversation: Conversation, read: str) -> tuple[int, int]:
        """Messages of others behind one, and those that mention this user."""
        ((count, mentions),) = self._db.query(
            _UNREAD, (conversation.type, conversation.id, read, self._user)
        )
        return int(count), int(mentions)

    def _unread_now(self, conversation: Conversation) -> tuple[int, int]:
        row = self._db.first(
            "SELECT read FROM conversation WHERE type = ? AND peer = ?",
            (conversation.type, conversation.id),
        )
        return self.unread(conversation, "" if row is None else row[0])

    def take(self, contacts: list[im_pb2.Contact]) -> tuple[list[Conversation], bool]:
        """The server's whole contact list.

        Returns those we show and it does not, and whether anything changed. What others, or other
        devices, have read meanwhile is told, except the first time.
        """
        before = self._rows()
        with self._db.transaction():
            quiet = not self._db.get("met_contacts")
            self._db.set("met_contacts", 1)
            for contact in contacts:
                conversation = Conversation(contact.type, contact.peer)
                self._describe(contact)
                # Who joins a group has read what came before: no news, as nothing was unread.
                same = self._unread_now(conversation) == self.unread(conversation, contact.read)
                self._move(conversation, "read", self._user, contact.read, quiet or same)
                if contact.type == PERSON:
                    self._move(conversation, "peer_read", contact.peer, contact.peer_read, quiet)
        listed = {(contact.type, contact.peer) for contact in contacts}
        unlisted = [
            contact.conversation
            for contact in self.contacts()
            if (contact.conversation.type, contact.conversation.id) not in listed
        ]
        return unlisted, self._rows() != before

    def _describe(self, contact: im_pb2.Contact) -> None:
        self._db.run(
            "INSERT INTO conversation (type, peer, muted, name, avatar) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (type, peer) DO UPDATE SET muted = excluded.muted,"
            " name = CASE WHEN excluded.name = '' THEN name ELSE excluded.name END,"
            " avatar = CASE WHEN excluded.name = '' THEN avatar ELSE excluded.avatar END",
            (
                contact.type,
                contact.peer,
                int(contact.muted),
                contact.profile.name,
                contact.profile.avatar,
            ),
        )
        if contact.type == GROUP:
            self._db.run(
                "UPDATE chat_group SET info = ? WHERE id = ?",
                (contact.group.SerializeToString(), contact.peer),
            )

    def read(self, conversation: Conversation, reader: str, message_id: str) -> None:
        """Somebody has read up to a message; older news change nothing and are not told."""
        own = reader == self._user
        if own or conversation.type == PERSON:
            with self._db.transaction():
                column = "read" if own else "peer_read"
                self._move(conversation, column, reader, message_id, quiet=False)

    def _move(
        self, conversation: Conversation, column: str, reader: str, message_id: str, quiet: bool
    ) -> None:
        """Move a read position forward; inside a transaction."""
        if not message_id.strip("0"):
            return
        changed = self._db.run(
            f"INSERT INTO conversation (type, peer, {column}) VALUES (?, ?, ?)"
            f" ON CONFLICT (type, peer) DO UPDATE SET {column} = excluded.{column}"
            f" WHERE {column} < excluded.{column}",
            (conversation.type, conversation.id, message_id),
        )
        if changed and not quiet:
            own = reader == self._user
            note(
                self._db,
                "read",
                type=conversation.type,
                peer=conversation.id,
                reader=reader,
                message_id=message_id,
                unread=self.unread(conversation, message_id)[0] if own else 0,
            )

    def _rows(self) -> list[Row]:
        return self._db.query("SELECT * FROM conversation")

    def clear(self, conversation: Conversation, before: str) -> None:
        """Forget the messages before an id: the user deleted the conversation."""
        where = (conversation.type, conversation.id)
        with self._db.transaction():
            self._db.run(
                "DELETE FROM message WHERE type = ? AND peer = ? AND id < ?", (*where, before)
            )
            self._db.run(
                "UPDATE conversation SET whole = 0, last_id = COALESCE((SELECT MAX(id)"
                " FROM message WHERE type = ? AND peer = ?), '') WHERE type = ? AND peer = ?",
                (*where, *where),
            )

    def doubtful(self) -> list[Conversation]:
        """Those that hold something newer than when the server was last asked what it hides."""
        rows = self._db.query(
            "SELECT c.type, c.peer FROM conversation c"
            " LEFT JOIN chat_group g ON c.type = 1 AND g.id = c.peer"
            " WHERE c.last_id > c.settled AND (c.type = 0 OR g.gone = 0) ORDER BY c.last_id DESC"
        )
        return [Conversation(type_, peer) for type_, peer in rows]

    def settle(self, conversation: Conversation, newest: str) -> None:
        """What is here of a conversation up to this message is what the server shows."""
        with self._db.transaction():
            self._db.run(
                "UPDATE conversation SET settled = MAX(settled, ?) WHERE type = ? AND peer = ?",
                (newest, conversation.type, conversation.id),
            )

    def settle_all(self) -> None:
        """All that is here is what the server shows."""
        with self._db.transaction():
            self._db.run("UPDATE conversation SET settled = last_id")

    def ids(self, conversation: Conversation) -> list[str]:
        """The messages here, ascending, that only a deletion hides.

        Of a group they begin with what brought the user in last: what came before is hidden from
        them because they were out, and stays here.
        """
        rows = self._db.query(
            "SELECT id, sender FROM message WHERE type = ? AND peer = ? ORDER BY id",
            (conversation.type, conversation.id),
        )
        ids = [str(row[0]) for row in rows]
        if conversation.type == GROUP:
            for at in reversed(range(len(rows))):
                if not rows[at][1] and self._brings_in(rows[at][0]):
                    return ids[at:]
        return ids

    def _brings_in(self, message_id: str) -> bool:
        message = self._logs.message(message_id)
        if message is None or message.kind != "system":
            return False
        return message.content.system.kind in _JOINS and self._user in message.content.system.users

    def newest(self, conversation: Conversation) -> str:
        """The id of the newest message here; empty without one."""
        row = self._db.first(
            "SELECT last_id FROM conversation WHERE type = ? AND peer = ?",
            (conversation.type, conversation.id),
        )
        return "" if row is None else str(row[0])

    def whole(self, conversation: Conversation) -> bool:
        """Whether the server has nothing older than what is here."""
        row = self._db.first(
            "SELECT whole FROM conversation WHERE type = ? AND peer = ?",
            (conversation.type, conversation.id),
        )
        return row is not None and bool(row[0])

    def set_whole(self, conversation: Conversation) -> None:
        with self._db.transaction():
            self._db.run(
                "UPDATE conversation SET whole = 1 WHERE type = ? AND peer = ?",
                (conversation.type, conversation.id),
            )
