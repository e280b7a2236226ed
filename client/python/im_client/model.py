"""What applications see: conversations, messages, contacts."""

from dataclasses import dataclass, field

from im_client._proto import im_pb2

PERSON = im_pb2.PERSON
GROUP = im_pb2.GROUP


@dataclass(frozen=True, slots=True)
class Conversation:
    """With a user, or in a group: `Conversation.person("bob")`, `Conversation.group(id)`."""

    type: im_pb2.ConversationType
    id: str

    @classmethod
    def person(cls, user: str) -> "Conversation":
        return cls(PERSON, user)

    @classmethod
    def group(cls, group: str) -> "Conversation":
        return cls(GROUP, group)

    @property
    def is_group(self) -> bool:
        return self.type == GROUP


@dataclass(frozen=True, slots=True)
class Message:
    """A message the server has. Messages of a conversation sort by `id`.

    `version` is its place in the log it came by, 0 while the log has not shown it yet. Times are
    milliseconds since the epoch by the server's clock. `sender` is empty for what happened to a
    group. Recalled messages have no content.
    """

    id: str
    conversation: Conversation
    sender: str
    content: im_pb2.Content
    send_time_ms: int
    withdraw_time_ms: int = 0
    version: int = 0

    @property
    def text(self) -> str:
        """What was written; empty for other kinds of content."""
        return self.content.text.text

    @property
    def recalled(self) -> bool:
        return self.withdraw_time_ms > 0

    @property
    def kind(self) -> str:
        """text, image, voice, video, file, location, card, custom, system, or empty."""
        return self.content.WhichOneof("body") or ""


@dataclass(frozen=True, slots=True)
class Queued:
    """A message in the outbox; `error` is the server's refusal, empty while it waits.

    `maybe_sent`: it was on its way once, and whether the server has it shows with the next
    connection. Until then it cannot be taken back.
    """

    key: str
    conversation: Conversation
    content: im_pb2.Content
    made_ms: int
    error: str = ""
    maybe_sent: bool = False


@dataclass(frozen=True, slots=True)
class Contact:
    """A conversation in the contact list.

    `unread` and `mentions` count what others sent behind the message `read`, without what was
    recalled; `peer_read` is the message up to which the other person has read.
    """

    conversation: Conversation
    name: str
    avatar: str
    last: Message | None
    unread: int = 0
    mentions: int = 0
    muted: bool = False
    read: str = ""
    peer_read: str = ""
    group: im_pb2.GroupInfo | None = field(default=None, compare=False)
