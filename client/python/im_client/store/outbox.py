"""The outbox: what the user sends is here before it is anywhere else.

A row waits until the server acknowledges it or refuses it for good. It keeps its `sequence` across
connections and restarts, so the server stores it once however often it is sent.
"""

import uuid
from dataclasses import dataclass

from im_client._proto import im_pb2
from im_client.errors import MaybeSent
from im_client.model import Conversation, Queued
from im_client.store.database import Database
from im_client.store.logs import Logs
from im_client.store.pending import note

_WAITS, _ACKED, _FAILED = 0, 1, 2
_KEPT = 1000
"""So many of the newest acknowledged rows stay, for those who ask what became of a key. Rows with a
key of the caller's own stay for ever, without content: using the key again must queue nothing."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a key: the message it is, or the server's refusal; neither: it waits."""

    message_id: str
    error: str
    text: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message to be sent."""

    number: int
    conversation: Conversation
    request: im_pb2.SendRequest


class Outbox:
    """See the module."""

    def __init__(self, db: Database, user: str, logs: Logs) -> None:
        self._db = db
        self._user = user
        self._logs = logs

    def put(
        self, conversation: Conversation, content: im_pb2.Content, made_ms: int, key: str = ""
    ) -> str:
        """Queue a message, on the disk when this returns; its key.

        A key that was used before queues nothing.
        """
        sequence = uuid.uuid4().hex
        key = key or sequence
        with self._db.transaction(durable=True):
            self._db.run(
                "INSERT OR IGNORE INTO outbox (key, sequence, type, peer, content, made_ms)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (
                    key,
                    sequence,
                    conversation.type,
                    conversation.id,
                    content.SerializeToString(),
                    made_ms,
                ),
            )
        return key

    def heads(self, limit: int = -1) -> list[Waiting]:
        """The oldest waiting message of each conversation, the oldest first; -1: of all."""
        rows = self._db.query(
            "SELECT number, type, peer, sequence, content FROM outbox WHERE number IN"
            " (SELECT MIN(number) FROM outbox WHERE state = ? GROUP BY type, peer"
            " ORDER BY MIN(number) LIMIT ?) ORDER BY number",
            (_WAITS, limit),
        )
        found = []
        for number, type_, peer, sequence, content in rows:
            request = im_pb2.SendRequest(receiver=peer, sequence=sequence, type=type_)
            request.content.ParseFromString(content)
            found.append(Waiting(number, Conversation(type_, peer), request))
        return found

    def begin(self, number: int) -> bool:
        """It goes onto the wire now, which is on the disk when this returns.

        False: it was taken out meanwhile and must not be sent.
        """
        row = self._db.first(
            "SELECT tried FROM outbox WHERE number = ? AND state = ?", (number, _WAITS)
        )
        if row is not None and not row[0]:
            with self._db.transaction(durable=True):
                self._db.run("UPDATE outbox SET tried = 1 WHERE number = ?", (number,))
        return row is not None

    def acked(self, number: int, message_id: str, send_time_ms: int) -> None:
        """The server has it: it becomes a message, and its sender is told."""
        with self._db.transaction():
            row = self._db.first(
                "SELECT key, type, peer, content FROM outbox WHERE number = ? AND state = ?",
                (number, _WAITS),
            )
            if row is None:
                return
            key, type_, peer, content = row
            message = im_pb2.Message(id=message_id, sender=self._user, send_time=send_time_ms)
            message.content.ParseFromString(content)
            self._logs.insert(message, Conversation(type_, peer), version=0)
            self._db.run(
                "UPDATE outbox SET state = ?, message_id = ?, content = x'' WHERE number = ?",
                (_ACKED, message_id, number),
            )
            self._db.run(
                "DELETE FROM outbox WHERE state = ? AND number < ? AND key = sequence",
                (_ACKED, number - _KEPT),
            )
            note(self._db, "acked", key=key, message_id=message_id)

    def failed(self, number: int, error: str, text: str) -> None:
        """The server will never take it: it stays for the user to see, until forgotten."""
        with self._db.transaction():
            row = self._db.first(
                "SELECT key FROM outbox WHERE number = ? AND state = ?", (number, _WAITS)
            )
            if row is None:
                return
            self._db.run(
                "UPDATE outbox SET state = ?, error = ?, error_text = ? WHERE number = ?",
                (_FAILED, error, text, number),
            )
            note(self._db, "failed", key=row[0], error=error, text=text)

    def outcome(self, key: str) -> Outcome | None:
        """What became of a key; None when nobody used it."""
        row = self._db.first(
            "SELECT message_id, error, error_text FROM outbox WHERE key = ?", (key,)
        )
        return None if row is None else Outcome(*row)

    def queued(self, conversation: Conversation | None = None) -> list[Queued]:
        """What waits and what was refused, the oldest first."""
        rows = self._db.query(
            "SELECT key, type, peer, content, made_ms, error, tried FROM outbox WHERE state <> ?"
            " ORDER BY number",
            (_ACKED,),
        )
        return [
            Queued(
                key=key,
                conversation=Conversation(type_, peer),
                content=im_pb2.Content.FromString(content),
                made_ms=made_ms,
                error=error,
                maybe_sent=bool(tried and not error),
            )
            for key, type_, peer, content, made_ms, error, tried in rows
            if conversation is None or conversation == Conversation(type_, peer)
        ]

    def forget(self, key: str) -> bool:
        """Drop a message that was refused, or never sent; False where nothing of it is here.

        Raises `MaybeSent` for one that the server may have.
        """
        with self._db.transaction(durable=True):
            row = self._db.first("SELECT state, tried FROM outbox WHERE key = ?", (key,))
            if row is None or row[0] == _ACKED:
                return False
            if row[0] == _WAITS and row[1]:
                raise MaybeSent(f"{key} was on its way: the server may have it")
            return bool(self._db.run("DELETE FROM outbox WHERE key = ?", (key,)))
