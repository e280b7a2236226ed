"""Client of the im messaging platform.

`Client` is synchronous with callbacks, `im_client.aio.Client` the same for asyncio.
"""

from im_client._proto import im_pb2
from im_client.client import Client
from im_client.errors import (
    Closed,
    ImError,
    MaybeSent,
    NotConnected,
    Refused,
    ServerError,
    StoreInUse,
    StoreTooNew,
    WrongUser,
)
from im_client.events import (
    AckedEvent,
    ContactsEvent,
    Event,
    FailedEvent,
    FrameEvent,
    GroupEvent,
    JoinRequestEvent,
    KickedEvent,
    MessageEvent,
    PresenceEvent,
    ReadEvent,
    StateEvent,
    Stored,
    TypingEvent,
)
from im_client.media import Upload, Uploader
from im_client.model import Contact, Conversation, Message, Queued
from im_client.options import Options

__version__ = "0.1.0"

__all__ = [
    "AckedEvent",
    "Client",
    "Closed",
    "Contact",
    "ContactsEvent",
    "Conversation",
    "Event",
    "FailedEvent",
    "FrameEvent",
    "GroupEvent",
    "ImError",
    "JoinRequestEvent",
    "KickedEvent",
    "MaybeSent",
    "Message",
    "MessageEvent",
    "NotConnected",
    "Options",
    "PresenceEvent",
    "Queued",
    "ReadEvent",
    "Refused",
    "ServerError",
    "StateEvent",
    "StoreInUse",
    "StoreTooNew",
    "Stored",
    "TypingEvent",
    "Upload",
    "Uploader",
    "WrongUser",
    "im_pb2",
]
