"""The contact list: what the server knows of conversations, counted over the local messages."""

from im_client._proto import im_pb2
from im_client.model import GROUP, PERSON, Contact, Conversation
from im_client.store.database import Database
from im_client.store.logs import Logs
from im_client.store.pending import note

_UNREAD = (
    "SELECT COUNT(*), COALESCE(SUM(mentioned), 0) FROM message"
    " WHERE type = ? AND peer = ? AND id > ? AND withdraw_time = 0 AND sender NOT IN ('', ?)"
)


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

    def take(self, contacts: list[im_pb2.Contact]) -> list[Conversation]:
        """The server's whole contact list; those we show and it does not are returned."""
        with self._db.transaction():
            for contact in contacts:
                self._db.run(
                    "INSERT INTO conversation (type, peer, read, peer_read, muted, name, avatar)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (type, peer) DO UPDATE SET"
                    " read = MAX(read, excluded.read), muted = excluded.muted,"
                    " peer_read = MAX(peer_read, excluded.peer_read),"
                    " name = CASE WHEN excluded.name = '' THEN name ELSE excluded.name END,"
                    " avatar = CASE WHEN excluded.name = '' THEN avatar ELSE excluded.avatar END",
                    (
                        contact.type,
                        contact.peer,
                        contact.read,
                        contact.peer_read,
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
        listed = {(contact.type, contact.peer) for contact in contacts}
        return [
            contact.conversation
            for contact in self.contacts()
            if (contact.conversation.type, contact.conversation.id) not in listed
        ]

    def read(self, conversation: Conversation, reader: str, message_id: str) -> None:
        """Somebody has read up to a message; older news change nothing and are not told."""
        own = reader == self._user
        if not own and conversation.type == GROUP:
            return
        column = "read" if own else "peer_read"
        with self._db.transaction():
            changed = self._db.run(
                f"INSERT INTO conversation (type, peer, {column}) VALUES (?, ?, ?)"
                f" ON CONFLICT (type, peer) DO UPDATE SET {column} = excluded.{column}"
                f" WHERE {column} < excluded.{column}",
                (conversation.type, conversation.id, message_id),
            )
            if changed:
                unread = self.unread(conversation, message_id)[0] if own else 0
                note(
                    self._db,
                    "read",
                    type=conversation.type,
                    peer=conversation.id,
                    reader=reader,
                    message_id=message_id,
                    unread=unread,
                )

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

    def all_persons(self) -> list[Conversation]:
        """Conversations with users that hold something."""
        rows = self._db.query("SELECT peer FROM conversation WHERE type = 0 AND last_id <> ''")
        return [Conversation(PERSON, peer) for (peer,) in rows]
