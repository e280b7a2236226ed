"""What callbacks are told.

`Stored` events are written to the local store in the transaction that changes what they tell of,
and are taken out when the callback has returned. So each is told exactly once and in order as long
as the process lives, however often connections break; a process that dies while a callback runs
tells that one event again at its next start. Their `number` rises and is never used twice: an
application that keeps the last number with its own data, in one transaction of its own, gets
exactly once whatever dies.

The others are of the moment and kept nowhere.
"""

from dataclasses import dataclass

from im_client.model import Conversation, Message


@dataclass(frozen=True, slots=True)
class Event:
    """Any of them."""


@dataclass(frozen=True, slots=True)
class Stored(Event):
    """One that survives the process."""

    number: int


@dataclass(frozen=True, slots=True)
class MessageEvent(Stored):
    """A message came, or was recalled: once for each of these, in the order of its log.

    Not told: what was there before this store saw the server for the first time.
    """

    message: Message
    own: bool


@dataclass(frozen=True, slots=True)
class AckedEvent(Stored):
    """A message of the outbox is stored by the server."""

    key: str
    message_id: str


@dataclass(frozen=True, slots=True)
class FailedEvent(Stored):
    """A message of the outbox was refused for good; `error` is the server's name for why."""

    key: str
    error: str
    text: str


@dataclass(frozen=True, slots=True)
class ReadEvent(Stored):
    """`reader` has read a conversation up to a message.

    Of this user's own reading on any device, `unread` is what is left; of others' it is 0.
    """

    conversation: Conversation
    reader: str
    message_id: str
    unread: int


@dataclass(frozen=True, slots=True)
class GroupEvent(Stored):
    """This user is in a group from now on (`joined`), or no more."""

    group: str
    joined: bool


@dataclass(frozen=True, slots=True)
class ContactsEvent(Event):
    """The contact list changed; many changes may be told as one."""


@dataclass(frozen=True, slots=True)
class TypingEvent(Event):
    """Somebody writes to this user, or stopped."""

    user: str
    stopped: bool


@dataclass(frozen=True, slots=True)
class PresenceEvent(Event):
    """A watched user came or went; `last_seen_ms` is 0 for who is there."""

    user: str
    online: bool
    last_seen_ms: int


@dataclass(frozen=True, slots=True)
class JoinRequestEvent(Event):
    """Somebody asks to join a group this user manages."""

    group: str


@dataclass(frozen=True, slots=True)
class StateEvent(Event):
    """`state` is connecting, online, offline, or closed: the client does not come back by itself.

    `transport` is that of the connection, `reason` the server's name for a close.
    """

    state: str
    transport: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class KickedEvent(Event):
    """The server ended this client; `error` is KICKED or TOKEN_REVOKED."""

    error: str
    text: str


@dataclass(frozen=True, slots=True)
class FrameEvent(Event):
    """Something crossed the link: for tools. `outgoing`: the client said it."""

    outgoing: bool
    cmd: int
    seq: int
    body: bytes
