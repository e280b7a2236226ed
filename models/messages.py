"""Stored rows as clients see them."""

from models.log import Row
from proto import im_pb2
from proto.views_pb2 import MessageView

MESSAGES_TAG = 0x12  # field 2 of MessagesPush and its like, length-delimited


def message_view(row: Row, type_: int = im_pb2.PERSON) -> MessageView:
    """A row as clients see it; the body stays the bytes the sender's client made."""
    return MessageView(
        id=row.id.hex(),
        version=row.version,
        sequence=row.sequence,
        sender=row.sender,
        receiver=row.receiver,
        content=row.content,
        send_time=row.send_time,
        withdraw_time=row.withdraw_time,
        type=type_,
    )


def encode_row(row: Row) -> bytes:
    """A row of a mailbox as one `messages` entry of a MessagesPush; entries may be joined."""
    return _entry(message_view(row))


def encode_group_row(row: Row) -> bytes:
    """The same of a row of a group's log."""
    return _entry(message_view(row, im_pb2.GROUP))


def _entry(view: MessageView) -> bytes:
    body: bytes = view.SerializeToString()
    size = len(body)
    prefix = bytearray((MESSAGES_TAG,))
    while size > 0x7F:
        prefix.append(size & 0x7F | 0x80)
        size >>= 7
    prefix.append(size)
    return bytes(prefix) + body
