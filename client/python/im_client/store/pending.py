"""Events that were not told yet: rows written with what they tell of, deleted once told."""

import json
from typing import Any

from im_client._proto import im_pb2
from im_client.events import (
    AckedEvent,
    FailedEvent,
    GroupEvent,
    MessageEvent,
    ReadEvent,
    Stored,
)
from im_client.model import Conversation, Message
from im_client.store.database import Database


def note(db: Database, kind: str, **data: Any) -> None:
    """Write an event down, inside the transaction of what it tells."""
    db.run("INSERT INTO event (kind, data) VALUES (?, ?)", (kind, json.dumps(data)))


def next_events(db: Database, limit: int) -> list[Stored]:
    """The oldest events that were not told."""
    rows = db.query("SELECT number, kind, data FROM event ORDER BY number LIMIT ?", (limit,))
    return [_event(number, kind, json.loads(data)) for number, kind, data in rows]


def told(db: Database, number: int) -> None:
    """Forget an event that was told."""
    db.run("DELETE FROM event WHERE number = ?", (number,))


def note_message(db: Database, message: Message, own: bool) -> None:
    """Write down that a message came, or was recalled, as it is at this moment."""
    note(
        db,
        "message",
        id=message.id,
        type=message.conversation.type,
        peer=message.conversation.id,
        sender=message.sender,
        content=message.content.SerializeToString().hex(),
        send_time=message.send_time_ms,
        withdraw_time=message.withdraw_time_ms,
        version=message.version,
        own=own,
    )


def _event(number: int, kind: str, data: dict[str, Any]) -> Stored:
    match kind:
        case "message":
            return MessageEvent(number, _message(data), data["own"])
        case "acked":
            return AckedEvent(number, data["key"], data["message_id"])
        case "failed":
            return FailedEvent(number, data["key"], data["error"], data["text"])
        case "read":
            conversation = Conversation(data["type"], data["peer"])
            return ReadEvent(
                number, conversation, data["reader"], data["message_id"], data["unread"]
            )
        case "group":
            return GroupEvent(number, data["group"], data["joined"])
    raise ValueError(f"event {number} is of the unknown kind {kind}")


def _message(data: dict[str, Any]) -> Message:
    return Message(
        id=data["id"],
        conversation=Conversation(data["type"], data["peer"]),
        sender=data["sender"],
        content=im_pb2.Content.FromString(bytes.fromhex(data["content"])),
        send_time_ms=data["send_time"],
        withdraw_time_ms=data["withdraw_time"],
        version=data["version"],
    )
