from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Command(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CMD_NONE: _ClassVar[Command]
    CMD_AUTH: _ClassVar[Command]
    CMD_SEND: _ClassVar[Command]
    CMD_RECALL: _ClassVar[Command]
    CMD_SYNC: _ClassVar[Command]
    CMD_NOOP: _ClassVar[Command]
    CMD_HISTORY: _ClassVar[Command]
    CMD_CONTACTS: _ClassVar[Command]
    CMD_DELETE_CONVERSATION: _ClassVar[Command]
    CMD_CLEAR_CONVERSATIONS: _ClassVar[Command]
    CMD_READ: _ClassVar[Command]
    CMD_VERSIONS: _ClassVar[Command]
    CMD_PING: _ClassVar[Command]
    CMD_BLOCK: _ClassVar[Command]
    CMD_UNBLOCK: _ClassVar[Command]
    CMD_BLOCKED: _ClassVar[Command]
    CMD_TYPING: _ClassVar[Command]
    CMD_ADDRESSES: _ClassVar[Command]
    CMD_TICKET: _ClassVar[Command]
    CMD_DEVICES: _ClassVar[Command]
    CMD_LOG_OUT: _ClassVar[Command]
    CMD_PRESENCE: _ClassVar[Command]
    CMD_PRESENCE_SUBSCRIBE: _ClassVar[Command]
    CMD_PRESENCE_UNSUBSCRIBE: _ClassVar[Command]
    CMD_SET_CONVERSATION: _ClassVar[Command]
    CMD_GROUP_CREATE: _ClassVar[Command]
    CMD_GROUP_INFO: _ClassVar[Command]
    CMD_GROUP_EDIT: _ClassVar[Command]
    CMD_GROUP_JOIN: _ClassVar[Command]
    CMD_GROUP_LEAVE: _ClassVar[Command]
    CMD_GROUP_INVITE: _ClassVar[Command]
    CMD_GROUP_REMOVE: _ClassVar[Command]
    CMD_GROUP_SET_ROLE: _ClassVar[Command]
    CMD_GROUP_TRANSFER: _ClassVar[Command]
    CMD_GROUP_DISBAND: _ClassVar[Command]
    CMD_GROUP_MUTE: _ClassVar[Command]
    CMD_GROUP_MEMBERS: _ClassVar[Command]
    CMD_GROUPS: _ClassVar[Command]
    CMD_GROUP_REQUESTS: _ClassVar[Command]
    CMD_GROUP_DECIDE: _ClassVar[Command]
    CMD_GROUP_SYNC: _ClassVar[Command]
    CMD_GROUP_READERS: _ClassVar[Command]
    CMD_SIGNALLING: _ClassVar[Command]
    CMD_PUSH_MESSAGES: _ClassVar[Command]
    CMD_PUSH_READ: _ClassVar[Command]
    CMD_PUSH_CONVERSATIONS: _ClassVar[Command]
    CMD_PUSH_TYPING: _ClassVar[Command]
    CMD_PUSH_RESYNC: _ClassVar[Command]
    CMD_PUSH_KICKED: _ClassVar[Command]
    CMD_PUSH_GO_AWAY: _ClassVar[Command]
    CMD_PUSH_PRESENCE: _ClassVar[Command]
    CMD_PUSH_GROUPS: _ClassVar[Command]

class ErrorCode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ERR_NONE: _ClassVar[ErrorCode]
    ERR_BAD_REQUEST: _ClassVar[ErrorCode]
    ERR_UNAUTHENTICATED: _ClassVar[ErrorCode]
    ERR_TOKEN_REVOKED: _ClassVar[ErrorCode]
    ERR_FORBIDDEN: _ClassVar[ErrorCode]
    ERR_NOT_FOUND: _ClassVar[ErrorCode]
    ERR_UNKNOWN_COMMAND: _ClassVar[ErrorCode]
    ERR_TOO_LARGE: _ClassVar[ErrorCode]
    ERR_INVALID_CONTENT: _ClassVar[ErrorCode]
    ERR_BLOCKED: _ClassVar[ErrorCode]
    ERR_SEQUENCE_CONFLICT: _ClassVar[ErrorCode]
    ERR_RECALL_EXPIRED: _ClassVar[ErrorCode]
    ERR_RATE_LIMITED: _ClassVar[ErrorCode]
    ERR_UNAVAILABLE: _ClassVar[ErrorCode]
    ERR_TIMEOUT: _ClassVar[ErrorCode]
    ERR_INTERNAL: _ClassVar[ErrorCode]
    ERR_OVERLOADED: _ClassVar[ErrorCode]
    ERR_LIMIT_EXCEEDED: _ClassVar[ErrorCode]
    ERR_KICKED: _ClassVar[ErrorCode]
    ERR_MUTED: _ClassVar[ErrorCode]
    ERR_DISBANDED: _ClassVar[ErrorCode]

class ConversationType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PERSON: _ClassVar[ConversationType]
    GROUP: _ClassVar[ConversationType]

class SystemKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SYSTEM_NONE: _ClassVar[SystemKind]
    CREATED: _ClassVar[SystemKind]
    EDITED: _ClassVar[SystemKind]
    JOINED: _ClassVar[SystemKind]
    INVITED: _ClassVar[SystemKind]
    LEFT: _ClassVar[SystemKind]
    REMOVED: _ClassVar[SystemKind]
    ROLE: _ClassVar[SystemKind]
    TRANSFERRED: _ClassVar[SystemKind]
    DISBANDED: _ClassVar[SystemKind]
    MUTED: _ClassVar[SystemKind]

class GroupRole(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MEMBER: _ClassVar[GroupRole]
    ADMIN: _ClassVar[GroupRole]
    OWNER: _ClassVar[GroupRole]

class JoinMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OPEN: _ClassVar[JoinMode]
    APPROVAL: _ClassVar[JoinMode]
    INVITATION: _ClassVar[JoinMode]

class DeviceClass(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    WEB: _ClassVar[DeviceClass]
    MOBILE: _ClassVar[DeviceClass]
    DESKTOP: _ClassVar[DeviceClass]
CMD_NONE: Command
CMD_AUTH: Command
CMD_SEND: Command
CMD_RECALL: Command
CMD_SYNC: Command
CMD_NOOP: Command
CMD_HISTORY: Command
CMD_CONTACTS: Command
CMD_DELETE_CONVERSATION: Command
CMD_CLEAR_CONVERSATIONS: Command
CMD_READ: Command
CMD_VERSIONS: Command
CMD_PING: Command
CMD_BLOCK: Command
CMD_UNBLOCK: Command
CMD_BLOCKED: Command
CMD_TYPING: Command
CMD_ADDRESSES: Command
CMD_TICKET: Command
CMD_DEVICES: Command
CMD_LOG_OUT: Command
CMD_PRESENCE: Command
CMD_PRESENCE_SUBSCRIBE: Command
CMD_PRESENCE_UNSUBSCRIBE: Command
CMD_SET_CONVERSATION: Command
CMD_GROUP_CREATE: Command
CMD_GROUP_INFO: Command
CMD_GROUP_EDIT: Command
CMD_GROUP_JOIN: Command
CMD_GROUP_LEAVE: Command
CMD_GROUP_INVITE: Command
CMD_GROUP_REMOVE: Command
CMD_GROUP_SET_ROLE: Command
CMD_GROUP_TRANSFER: Command
CMD_GROUP_DISBAND: Command
CMD_GROUP_MUTE: Command
CMD_GROUP_MEMBERS: Command
CMD_GROUPS: Command
CMD_GROUP_REQUESTS: Command
CMD_GROUP_DECIDE: Command
CMD_GROUP_SYNC: Command
CMD_GROUP_READERS: Command
CMD_SIGNALLING: Command
CMD_PUSH_MESSAGES: Command
CMD_PUSH_READ: Command
CMD_PUSH_CONVERSATIONS: Command
CMD_PUSH_TYPING: Command
CMD_PUSH_RESYNC: Command
CMD_PUSH_KICKED: Command
CMD_PUSH_GO_AWAY: Command
CMD_PUSH_PRESENCE: Command
CMD_PUSH_GROUPS: Command
ERR_NONE: ErrorCode
ERR_BAD_REQUEST: ErrorCode
ERR_UNAUTHENTICATED: ErrorCode
ERR_TOKEN_REVOKED: ErrorCode
ERR_FORBIDDEN: ErrorCode
ERR_NOT_FOUND: ErrorCode
ERR_UNKNOWN_COMMAND: ErrorCode
ERR_TOO_LARGE: ErrorCode
ERR_INVALID_CONTENT: ErrorCode
ERR_BLOCKED: ErrorCode
ERR_SEQUENCE_CONFLICT: ErrorCode
ERR_RECALL_EXPIRED: ErrorCode
ERR_RATE_LIMITED: ErrorCode
ERR_UNAVAILABLE: ErrorCode
ERR_TIMEOUT: ErrorCode
ERR_INTERNAL: ErrorCode
ERR_OVERLOADED: ErrorCode
ERR_LIMIT_EXCEEDED: ErrorCode
ERR_KICKED: ErrorCode
ERR_MUTED: ErrorCode
ERR_DISBANDED: ErrorCode
PERSON: ConversationType
GROUP: ConversationType
SYSTEM_NONE: SystemKind
CREATED: SystemKind
EDITED: SystemKind
JOINED: SystemKind
INVITED: SystemKind
LEFT: SystemKind
REMOVED: SystemKind
ROLE: SystemKind
TRANSFERRED: SystemKind
DISBANDED: SystemKind
MUTED: SystemKind
MEMBER: GroupRole
ADMIN: GroupRole
OWNER: GroupRole
OPEN: JoinMode
APPROVAL: JoinMode
INVITATION: JoinMode
WEB: DeviceClass
MOBILE: DeviceClass
DESKTOP: DeviceClass

class Error(_message.Message):
    __slots__ = ("code", "retryable", "message", "name", "retry_after_ms")
    CODE_FIELD_NUMBER: _ClassVar[int]
    RETRYABLE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_MS_FIELD_NUMBER: _ClassVar[int]
    code: int
    retryable: bool
    message: str
    name: str
    retry_after_ms: int
    def __init__(self, code: _Optional[int] = ..., retryable: _Optional[bool] = ..., message: _Optional[str] = ..., name: _Optional[str] = ..., retry_after_ms: _Optional[int] = ...) -> None: ...

class Reply(_message.Message):
    __slots__ = ("error",)
    ERROR_FIELD_NUMBER: _ClassVar[int]
    error: Error
    def __init__(self, error: _Optional[_Union[Error, _Mapping]] = ...) -> None: ...

class Text(_message.Message):
    __slots__ = ("text",)
    TEXT_FIELD_NUMBER: _ClassVar[int]
    text: str
    def __init__(self, text: _Optional[str] = ...) -> None: ...

class Media(_message.Message):
    __slots__ = ("ref", "mime", "size_bytes", "name")
    REF_FIELD_NUMBER: _ClassVar[int]
    MIME_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ref: str
    mime: str
    size_bytes: int
    name: str
    def __init__(self, ref: _Optional[str] = ..., mime: _Optional[str] = ..., size_bytes: _Optional[int] = ..., name: _Optional[str] = ...) -> None: ...

class Image(_message.Message):
    __slots__ = ("media", "width", "height", "thumbnail")
    MEDIA_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    THUMBNAIL_FIELD_NUMBER: _ClassVar[int]
    media: Media
    width: int
    height: int
    thumbnail: Media
    def __init__(self, media: _Optional[_Union[Media, _Mapping]] = ..., width: _Optional[int] = ..., height: _Optional[int] = ..., thumbnail: _Optional[_Union[Media, _Mapping]] = ...) -> None: ...

class Voice(_message.Message):
    __slots__ = ("media", "duration_ms")
    MEDIA_FIELD_NUMBER: _ClassVar[int]
    DURATION_MS_FIELD_NUMBER: _ClassVar[int]
    media: Media
    duration_ms: int
    def __init__(self, media: _Optional[_Union[Media, _Mapping]] = ..., duration_ms: _Optional[int] = ...) -> None: ...

class Video(_message.Message):
    __slots__ = ("media", "duration_ms", "width", "height", "cover")
    MEDIA_FIELD_NUMBER: _ClassVar[int]
    DURATION_MS_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    COVER_FIELD_NUMBER: _ClassVar[int]
    media: Media
    duration_ms: int
    width: int
    height: int
    cover: Media
    def __init__(self, media: _Optional[_Union[Media, _Mapping]] = ..., duration_ms: _Optional[int] = ..., width: _Optional[int] = ..., height: _Optional[int] = ..., cover: _Optional[_Union[Media, _Mapping]] = ...) -> None: ...

class File(_message.Message):
    __slots__ = ("media",)
    MEDIA_FIELD_NUMBER: _ClassVar[int]
    media: Media
    def __init__(self, media: _Optional[_Union[Media, _Mapping]] = ...) -> None: ...

class Location(_message.Message):
    __slots__ = ("latitude", "longitude", "name", "address")
    LATITUDE_FIELD_NUMBER: _ClassVar[int]
    LONGITUDE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    latitude: float
    longitude: float
    name: str
    address: str
    def __init__(self, latitude: _Optional[float] = ..., longitude: _Optional[float] = ..., name: _Optional[str] = ..., address: _Optional[str] = ...) -> None: ...

class Card(_message.Message):
    __slots__ = ("user", "name", "avatar")
    USER_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    AVATAR_FIELD_NUMBER: _ClassVar[int]
    user: str
    name: str
    avatar: Media
    def __init__(self, user: _Optional[str] = ..., name: _Optional[str] = ..., avatar: _Optional[_Union[Media, _Mapping]] = ...) -> None: ...

class Custom(_message.Message):
    __slots__ = ("type", "data", "summary")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    type: str
    data: bytes
    summary: str
    def __init__(self, type: _Optional[str] = ..., data: _Optional[bytes] = ..., summary: _Optional[str] = ...) -> None: ...

class System(_message.Message):
    __slots__ = ("kind", "actor", "users", "name", "announcement", "avatar", "join_mode", "mute_all", "role", "muted_until")
    KIND_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    USERS_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ANNOUNCEMENT_FIELD_NUMBER: _ClassVar[int]
    AVATAR_FIELD_NUMBER: _ClassVar[int]
    JOIN_MODE_FIELD_NUMBER: _ClassVar[int]
    MUTE_ALL_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    MUTED_UNTIL_FIELD_NUMBER: _ClassVar[int]
    kind: SystemKind
    actor: str
    users: _containers.RepeatedScalarFieldContainer[str]
    name: str
    announcement: str
    avatar: str
    join_mode: JoinMode
    mute_all: bool
    role: GroupRole
    muted_until: int
    def __init__(self, kind: _Optional[_Union[SystemKind, str]] = ..., actor: _Optional[str] = ..., users: _Optional[_Iterable[str]] = ..., name: _Optional[str] = ..., announcement: _Optional[str] = ..., avatar: _Optional[str] = ..., join_mode: _Optional[_Union[JoinMode, str]] = ..., mute_all: _Optional[bool] = ..., role: _Optional[_Union[GroupRole, str]] = ..., muted_until: _Optional[int] = ...) -> None: ...

class Content(_message.Message):
    __slots__ = ("text", "image", "voice", "video", "file", "location", "card", "custom", "system", "reply_to", "mentions", "mention_all")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    VOICE_FIELD_NUMBER: _ClassVar[int]
    VIDEO_FIELD_NUMBER: _ClassVar[int]
    FILE_FIELD_NUMBER: _ClassVar[int]
    LOCATION_FIELD_NUMBER: _ClassVar[int]
    CARD_FIELD_NUMBER: _ClassVar[int]
    CUSTOM_FIELD_NUMBER: _ClassVar[int]
    SYSTEM_FIELD_NUMBER: _ClassVar[int]
    REPLY_TO_FIELD_NUMBER: _ClassVar[int]
    MENTIONS_FIELD_NUMBER: _ClassVar[int]
    MENTION_ALL_FIELD_NUMBER: _ClassVar[int]
    text: Text
    image: Image
    voice: Voice
    video: Video
    file: File
    location: Location
    card: Card
    custom: Custom
    system: System
    reply_to: str
    mentions: _containers.RepeatedScalarFieldContainer[str]
    mention_all: bool
    def __init__(self, text: _Optional[_Union[Text, _Mapping]] = ..., image: _Optional[_Union[Image, _Mapping]] = ..., voice: _Optional[_Union[Voice, _Mapping]] = ..., video: _Optional[_Union[Video, _Mapping]] = ..., file: _Optional[_Union[File, _Mapping]] = ..., location: _Optional[_Union[Location, _Mapping]] = ..., card: _Optional[_Union[Card, _Mapping]] = ..., custom: _Optional[_Union[Custom, _Mapping]] = ..., system: _Optional[_Union[System, _Mapping]] = ..., reply_to: _Optional[str] = ..., mentions: _Optional[_Iterable[str]] = ..., mention_all: _Optional[bool] = ...) -> None: ...

class Message(_message.Message):
    __slots__ = ("id", "version", "sequence", "sender", "receiver", "content", "send_time", "withdraw_time", "type")
    ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    SENDER_FIELD_NUMBER: _ClassVar[int]
    RECEIVER_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    SEND_TIME_FIELD_NUMBER: _ClassVar[int]
    WITHDRAW_TIME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    id: str
    version: int
    sequence: str
    sender: str
    receiver: str
    content: Content
    send_time: int
    withdraw_time: int
    type: ConversationType
    def __init__(self, id: _Optional[str] = ..., version: _Optional[int] = ..., sequence: _Optional[str] = ..., sender: _Optional[str] = ..., receiver: _Optional[str] = ..., content: _Optional[_Union[Content, _Mapping]] = ..., send_time: _Optional[int] = ..., withdraw_time: _Optional[int] = ..., type: _Optional[_Union[ConversationType, str]] = ...) -> None: ...

class AuthRequest(_message.Message):
    __slots__ = ("token", "platform", "device")
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    PLATFORM_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    token: str
    platform: str
    device: str
    def __init__(self, token: _Optional[str] = ..., platform: _Optional[str] = ..., device: _Optional[str] = ...) -> None: ...

class AuthResponse(_message.Message):
    __slots__ = ("error", "user", "version", "server_time", "heartbeat_s", "idle_timeout_s", "device", "groups_version")
    ERROR_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SERVER_TIME_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_S_FIELD_NUMBER: _ClassVar[int]
    IDLE_TIMEOUT_S_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    GROUPS_VERSION_FIELD_NUMBER: _ClassVar[int]
    error: Error
    user: str
    version: int
    server_time: int
    heartbeat_s: int
    idle_timeout_s: int
    device: str
    groups_version: int
    def __init__(self, error: _Optional[_Union[Error, _Mapping]] = ..., user: _Optional[str] = ..., version: _Optional[int] = ..., server_time: _Optional[int] = ..., heartbeat_s: _Optional[int] = ..., idle_timeout_s: _Optional[int] = ..., device: _Optional[str] = ..., groups_version: _Optional[int] = ...) -> None: ...

class SendRequest(_message.Message):
    __slots__ = ("receiver", "sequence", "content", "type", "sender")
    RECEIVER_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    SENDER_FIELD_NUMBER: _ClassVar[int]
    receiver: str
    sequence: str
    content: Content
    type: ConversationType
    sender: str
    def __init__(self, receiver: _Optional[str] = ..., sequence: _Optional[str] = ..., content: _Optional[_Union[Content, _Mapping]] = ..., type: _Optional[_Union[ConversationType, str]] = ..., sender: _Optional[str] = ...) -> None: ...

class SendResponse(_message.Message):
    __slots__ = ("error", "id", "send_time")
    ERROR_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    SEND_TIME_FIELD_NUMBER: _ClassVar[int]
    error: Error
    id: str
    send_time: int
    def __init__(self, error: _Optional[_Union[Error, _Mapping]] = ..., id: _Optional[str] = ..., send_time: _Optional[int] = ...) -> None: ...

class RecallRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class RecallResponse(_message.Message):
    __slots__ = ("error", "withdraw_time")
    ERROR_FIELD_NUMBER: _ClassVar[int]
    WITHDRAW_TIME_FIELD_NUMBER: _ClassVar[int]
    error: Error
    withdraw_time: int
    def __init__(self, error: _Optional[_Union[Error, _Mapping]] = ..., withdraw_time: _Optional[int] = ...) -> None: ...

class SyncRequest(_message.Message):
    __slots__ = ("cursor", "limit")
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    cursor: int
    limit: int
    def __init__(self, cursor: _Optional[int] = ..., limit: _Optional[int] = ...) -> None: ...

class SyncResponse(_message.Message):
    __slots__ = ("error", "messages", "cursor", "more")
    ERROR_FIELD_NUMBER: _ClassVar[int]
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    error: Error
    messages: _containers.RepeatedCompositeFieldContainer[Message]
    cursor: int
    more: bool
    def __init__(self, error: _Optional[_Union[Error, _Mapping]] = ..., messages: _Optional[_Iterable[_Union[Message, _Mapping]]] = ..., cursor: _Optional[int] = ..., more: _Optional[bool] = ...) -> None: ...

class HistoryRequest(_message.Message):
    __slots__ = ("type", "peer", "before", "limit")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    PEER_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    type: ConversationType
    peer: str
    before: str
    limit: int
    def __init__(self, type: _Optional[_Union[ConversationType, str]] = ..., peer: _Optional[str] = ..., before: _Optional[str] = ..., limit: _Optional[int] = ...) -> None: ...

class HistoryResponse(_message.Message):
    __slots__ = ("error", "messages", "more")
    ERROR_FIELD_NUMBER: _ClassVar[int]
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    error: Error
    messages: _containers.RepeatedCompositeFieldContainer[Message]
    more: bool
    def __init__(self, error: _Optional[_Union[Error, _Mapping]] = ..., messages: _Optional[_Iterable[_Union[Message, _Mapping]]] = ..., more: _Optional[bool] = ...) -> None: ...

class Profile(_message.Message):
    __slots__ = ("user", "name", "avatar")
    USER_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    AVATAR_FIELD_NUMBER: _ClassVar[int]
    user: str
    name: str
    avatar: str
    def __init__(self, user: _Optional[str] = ..., name: _Optional[str] = ..., avatar: _Optional[str] = ...) -> None: ...

class Contact(_message.Message):
    __slots__ = ("type", "peer", "last", "unread", "read", "peer_read", "profile", "muted", "mentions", "group")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    PEER_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    UNREAD_FIELD_NUMBER: _ClassVar[int]
    READ_FIELD_NUMBER: _ClassVar[int]
    PEER_READ_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    MUTED_FIELD_NUMBER: _ClassVar[int]
    MENTIONS_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    type: ConversationType
    peer: str
    last: Message
    unread: int
    read: str
    peer_read: str
    profile: Profile
    muted: bool
    mentions: int
    group: GroupInfo
    def __init__(self, type: _Optional[_Union[ConversationType, str]] = ..., peer: _Optional[str] = ..., last: _Optional[_Union[Message, _Mapping]] = ..., unread: _Optional[int] = ..., read: _Optional[str] = ..., peer_read: _Optional[str] = ..., profile: _Optional[_Union[Profile, _Mapping]] = ..., muted: _Optional[bool] = ..., mentions: _Optional[int] = ..., group: _Optional[_Union[GroupInfo, _Mapping]] = ...) -> None: ...

class ContactsRequest(_message.Message):
    __slots__ = ("limit", "before")
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    limit: int
    before: str
    def __init__(self, limit: _Optional[int] = ..., before: _Optional[str] = ...) -> None: ...

class ContactsResponse(_message.Message):
    __slots__ = ("error", "contacts", "more")
    ERROR_FIELD_NUMBER: _ClassVar[int]
    CONTACTS_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    error: Error
    contacts: _containers.RepeatedCompositeFieldContainer[Contact]
    more: bool
    def __init__(self, error: _Optional[_Union[Error, _Mapping]] = ..., contacts: _Optional[_Iterable[_Union[Contact, _Mapping]]] = ..., more: _Optional[bool] = ...) -> None: ...

class DeleteConversationRequest(_message.Message):
    __slots__ = ("type", "peer")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    PEER_FIELD_NUMBER: _ClassVar[int]
    type: ConversationType
    peer: str
    def __init__(self, type: _Optional[_Union[ConversationType, str]] = ..., peer: _Optional[str] = ...) -> None: ...

class ClearConversationsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ReadRequest(_message.Message):
    __slots__ = ("type", "peer", "id")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    PEER_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    type: ConversationType
    peer: str
    id: str
    def __init__(self, type: _Optional[_Union[ConversationType, str]] = ..., peer: _Optional[str] = ..., id: _Optional[str] = ...) -> None: ...

class ReadResponse(_message.Message):
    __slots__ = ("error", "unread")
    ERROR_FIELD_NUMBER: _ClassVar[int]
    UNREAD_FIELD_NUMBER: _ClassVar[int]
    error: Error
    unread: int
    def __init__(self, error: _Optional[_Union[Error, _Mapping]] = ..., unread: _Optional[int] = ...) -> None: ...

class VersionsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class VersionsResponse(_message.Message):
    __slots__ = ("error", "version", "groups_version")
    ERROR_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    GROUPS_VERSION_FIELD_NUMBER: _ClassVar[int]
    error: Error
    version: int
    groups_version: int
    def __init__(self, error: _Optional[_Union[Error, _Mapping]] = ..., version: _Optional[int] = ..., groups_version: _Optional[int] = ...) -> None: ...

class PingRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class PingResponse(_message.Message):
    __slots__ = ("error", "version", "server_time", "groups_version")
    ERROR_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SERVER_TIME_FIELD_NUMBER: _ClassVar[int]
    GROUPS_VERSION_FIELD_NUMBER: _ClassVar[int]
    error: Error
    version: int
    server_time: int
    groups_version: int
    def __init__(self, error: _Optional[_Union[Error, _Mapping]] = ..., version: _Optional[int] = ..., server_time: _Optional[int] = ..., groups_version: _Optional[int] = ...) -> None: ...

class BlockRequest(_message.Message):
    __slots__ = ("user",)
    USER_FIELD_NUMBER: _ClassVar[int]
    user: str
    def __init__(self, user: _Optional[str] = ...) -> None: ...

class UnblockRequest(_message.Message):
    __slots__ = ("user",)
    USER_FIELD_NUMBER: _ClassVar[int]
    user: str
    def __init__(self, user: _Optional[str] = ...) -> None: ...

class BlockedRequest(_message.Message):
    __slots__ = ("after", "limit")
    AFTER_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    after: str
    limit: int
    def __init__(self, after: _Optional[str] = ..., limit: _Optional[int] = ...) -> None: ...

class BlockedResponse(_message.Message):
    __slots__ = ("error", "users", "more")
    ERROR_FIELD_NUMBER: _ClassVar[int]
    USERS_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    error: Error
    users: _containers.RepeatedScalarFieldContainer[str]
    more: bool
    def __init__(self, error: _Optional[_Union[Error, _Mapping]] = ..., users: _Optional[_Iterable[str]] = ..., more: _Optional[bool] = ...) -> None: ...

class TypingRequest(_message.Message):
    __slots__ = ("type", "receiver", "stopped")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    RECEIVER_FIELD_NUMBER: _ClassVar[int]
    STOPPED_FIELD_NUMBER: _ClassVar[int]
    type: ConversationType
    receiver: str
    stopped: bool
    def __init__(self, type: _Optional[_Union[ConversationType, str]] = ..., receiver: _Optional[str] = ..., stopped: _Optional[bool] = ...) -> None: ...

class Address(_message.Message):
    __slots__ = ("scheme", "host", "port")
    SCHEME_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    scheme: str
    host: str
    port: int
    def __init__(self, scheme: _Optional[str] = ..., host: _Optional[str] = ..., port: _Optional[int] = ...) -> None: ...

class AddressesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class AddressesResponse(_message.Message):
    __slots__ = ("error", "addresses", "backups", "lifetime_s")
    ERROR_FIELD_NUMBER: _ClassVar[int]
    ADDRESSES_FIELD_NUMBER: _ClassVar[int]
    BACKUPS_FIELD_NUMBER: _ClassVar[int]
    LIFETIME_S_FIELD_NUMBER: _ClassVar[int]
    error: Error
    addresses: _containers.RepeatedCompositeFieldContainer[Address]
    backups: _containers.RepeatedCompositeFieldContainer[Address]
    lifetime_s: int
    def __init__(self, error: _Optional[_Union[Error, _Mapping]] = ..., addresses: _Optional[_Iterable[_Union[Address, _Mapping]]] = ..., backups: _Optional[_Iterable[_Union[Address, _Mapping]]] = ..., lifetime_s: _Optional[int] = ...) -> None: ...

class TicketRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class TicketResponse(_message.Message):
    __slots__ = ("error", "ticket", "expires_in_s")
    ERROR_FIELD_NUMBER: _ClassVar[int]
    TICKET_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_IN_S_FIELD_NUMBER: _ClassVar[int]
    error: Error
    ticket: str
    expires_in_s: int
    def __init__(self, error: _Optional[_Union[Error, _Mapping]] = ..., ticket: _Optional[str] = ..., expires_in_s: _Optional[int] = ...) -> None: ...

class Device(_message.Message):
    __slots__ = ("device", "platform", "device_class", "online", "connect_time", "last_seen")
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    PLATFORM_FIELD_NUMBER: _ClassVar[int]
    DEVICE_CLASS_FIELD_NUMBER: _ClassVar[int]
    ONLINE_FIELD_NUMBER: _ClassVar[int]
    CONNECT_TIME_FIELD_NUMBER: _ClassVar[int]
    LAST_SEEN_FIELD_NUMBER: _ClassVar[int]
    device: str
    platform: str
    device_class: DeviceClass
    online: bool
    connect_time: int
    last_seen: int
    def __init__(self, device: _Optional[str] = ..., platform: _Optional[str] = ..., device_class: _Optional[_Union[DeviceClass, str]] = ..., online: _Optional[bool] = ..., connect_time: _Optional[int] = ..., last_seen: _Optional[int] = ...) -> None: ...

class DevicesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class DevicesResponse(_message.Message):
    __slots__ = ("error", "devices")
    ERROR_FIELD_NUMBER: _ClassVar[int]
    DEVICES_FIELD_NUMBER: _ClassVar[int]
    error: Error
    devices: _containers.RepeatedCompositeFieldContainer[Device]
    def __init__(self, error: _Optional[_Union[Error, _Mapping]] = ..., devices: _Optional[_Iterable[_Union[Device, _Mapping]]] = ...) -> None: ...

class LogOutRequest(_message.Message):
    __slots__ = ("device",)
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    device: str
    def __init__(self, device: _Optional[str] = ...) -> None: ...

class Presence(_message.Message):
    __slots__ = ("user", "online", "last_seen")
    USER_FIELD_NUMBER: _ClassVar[int]
    ONLINE_FIELD_NUMBER: _ClassVar[int]
    LAST_SEEN_FIELD_NUMBER: _ClassVar[int]
    user: str
    online: bool
    last_seen: int
    def __init__(self, user: _Optional[str] = ..., online: _Optional[bool] = ..., last_seen: _Optional[int] = ...) -> None: ...

class PresenceRequest(_message.Message):
    __slots__ = ("users",)
    USERS_FIELD_NUMBER: _ClassVar[int]
    users: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, users: _Optional[_Iterable[str]] = ...) -> None: ...

class PresenceResponse(_message.Message):
    __slots__ = ("error", "presences")
    ERROR_FIELD_NUMBER: _ClassVar[int]
    PRESENCES_FIELD_NUMBER: _ClassVar[int]
    error: Error
    presences: _containers.RepeatedCompositeFieldContainer[Presence]
    def __init__(self, error: _Optional[_Union[Error, _Mapping]] = ..., presences: _Optional[_Iterable[_Union[Presence, _Mapping]]] = ...) -> None: ...

class PresenceSubscribeRequest(_message.Message):
    __slots__ = ("users",)
    USERS_FIELD_NUMBER: _ClassVar[int]
    users: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, users: _Optional[_Iterable[str]] = ...) -> None: ...

class PresenceUnsubscribeRequest(_message.Message):
    __slots__ = ("users",)
    USERS_FIELD_NUMBER: _ClassVar[int]
    users: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, users: _Optional[_Iterable[str]] = ...) -> None: ...

class SetConversationRequest(_message.Message):
    __slots__ = ("type", "peer", "muted")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    PEER_FIELD_NUMBER: _ClassVar[int]
    MUTED_FIELD_NUMBER: _ClassVar[int]
    type: ConversationType
    peer: str
    muted: bool
    def __init__(self, type: _Optional[_Union[ConversationType, str]] = ..., peer: _Optional[str] = ..., muted: _Optional[bool] = ...) -> None: ...

class GroupInfo(_message.Message):
    __slots__ = ("group", "name", "announcement", "avatar", "join_mode", "mute_all", "members", "create_time", "disband_time", "group_version", "version", "role", "muted_until", "muted")
    GROUP_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ANNOUNCEMENT_FIELD_NUMBER: _ClassVar[int]
    AVATAR_FIELD_NUMBER: _ClassVar[int]
    JOIN_MODE_FIELD_NUMBER: _ClassVar[int]
    MUTE_ALL_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    DISBAND_TIME_FIELD_NUMBER: _ClassVar[int]
    GROUP_VERSION_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    MUTED_UNTIL_FIELD_NUMBER: _ClassVar[int]
    MUTED_FIELD_NUMBER: _ClassVar[int]
    group: str
    name: str
    announcement: str
    avatar: str
    join_mode: JoinMode
    mute_all: bool
    members: int
    create_time: int
    disband_time: int
    group_version: int
    version: int
    role: GroupRole
    muted_until: int
    muted: bool
    def __init__(self, group: _Optional[str] = ..., name: _Optional[str] = ..., announcement: _Optional[str] = ..., avatar: _Optional[str] = ..., join_mode: _Optional[_Union[JoinMode, str]] = ..., mute_all: _Optional[bool] = ..., members: _Optional[int] = ..., create_time: _Optional[int] = ..., disband_time: _Optional[int] = ..., group_version: _Optional[int] = ..., version: _Optional[int] = ..., role: _Optional[_Union[GroupRole, str]] = ..., muted_until: _Optional[int] = ..., muted: _Optional[bool] = ...) -> None: ...

class GroupCreateRequest(_message.Message):
    __slots__ = ("sequence", "name", "announcement", "avatar", "join_mode", "users")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ANNOUNCEMENT_FIELD_NUMBER: _ClassVar[int]
    AVATAR_FIELD_NUMBER: _ClassVar[int]
    JOIN_MODE_FIELD_NUMBER: _ClassVar[int]
    USERS_FIELD_NUMBER: _ClassVar[int]
    sequence: str
    name: str
    announcement: str
    avatar: str
    join_mode: JoinMode
    users: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, sequence: _Optional[str] = ..., name: _Optional[str] = ..., announcement: _Optional[str] = ..., avatar: _Optional[str] = ..., join_mode: _Optional[_Union[JoinMode, str]] = ..., users: _Optional[_Iterable[str]] = ...) -> None: ...

class GroupResponse(_message.Message):
    __slots__ = ("error", "group", "pending")
    ERROR_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    PENDING_FIELD_NUMBER: _ClassVar[int]
    error: Error
    group: GroupInfo
    pending: bool
    def __init__(self, error: _Optional[_Union[Error, _Mapping]] = ..., group: _Optional[_Union[GroupInfo, _Mapping]] = ..., pending: _Optional[bool] = ...) -> None: ...

class GroupInfoRequest(_message.Message):
    __slots__ = ("group",)
    GROUP_FIELD_NUMBER: _ClassVar[int]
    group: str
    def __init__(self, group: _Optional[str] = ...) -> None: ...

class GroupEditRequest(_message.Message):
    __slots__ = ("group", "name", "announcement", "avatar", "join_mode", "mute_all")
    GROUP_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ANNOUNCEMENT_FIELD_NUMBER: _ClassVar[int]
    AVATAR_FIELD_NUMBER: _ClassVar[int]
    JOIN_MODE_FIELD_NUMBER: _ClassVar[int]
    MUTE_ALL_FIELD_NUMBER: _ClassVar[int]
    group: str
    name: str
    announcement: str
    avatar: str
    join_mode: JoinMode
    mute_all: bool
    def __init__(self, group: _Optional[str] = ..., name: _Optional[str] = ..., announcement: _Optional[str] = ..., avatar: _Optional[str] = ..., join_mode: _Optional[_Union[JoinMode, str]] = ..., mute_all: _Optional[bool] = ...) -> None: ...

class GroupJoinRequest(_message.Message):
    __slots__ = ("group", "reason")
    GROUP_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    group: str
    reason: str
    def __init__(self, group: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class GroupLeaveRequest(_message.Message):
    __slots__ = ("group",)
    GROUP_FIELD_NUMBER: _ClassVar[int]
    group: str
    def __init__(self, group: _Optional[str] = ...) -> None: ...

class GroupInviteRequest(_message.Message):
    __slots__ = ("group", "users")
    GROUP_FIELD_NUMBER: _ClassVar[int]
    USERS_FIELD_NUMBER: _ClassVar[int]
    group: str
    users: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, group: _Optional[str] = ..., users: _Optional[_Iterable[str]] = ...) -> None: ...

class GroupRemoveRequest(_message.Message):
    __slots__ = ("group", "users")
    GROUP_FIELD_NUMBER: _ClassVar[int]
    USERS_FIELD_NUMBER: _ClassVar[int]
    group: str
    users: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, group: _Optional[str] = ..., users: _Optional[_Iterable[str]] = ...) -> None: ...

class GroupSetRoleRequest(_message.Message):
    __slots__ = ("group", "user", "role")
    GROUP_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    group: str
    user: str
    role: GroupRole
    def __init__(self, group: _Optional[str] = ..., user: _Optional[str] = ..., role: _Optional[_Union[GroupRole, str]] = ...) -> None: ...

class GroupTransferRequest(_message.Message):
    __slots__ = ("group", "user")
    GROUP_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    group: str
    user: str
    def __init__(self, group: _Optional[str] = ..., user: _Optional[str] = ...) -> None: ...

class GroupDisbandRequest(_message.Message):
    __slots__ = ("group",)
    GROUP_FIELD_NUMBER: _ClassVar[int]
    group: str
    def __init__(self, group: _Optional[str] = ...) -> None: ...

class GroupMuteRequest(_message.Message):
    __slots__ = ("group", "user", "duration_s")
    GROUP_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    DURATION_S_FIELD_NUMBER: _ClassVar[int]
    group: str
    user: str
    duration_s: int
    def __init__(self, group: _Optional[str] = ..., user: _Optional[str] = ..., duration_s: _Optional[int] = ...) -> None: ...

class GroupMember(_message.Message):
    __slots__ = ("user", "role", "join_time", "muted_until", "profile")
    USER_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    JOIN_TIME_FIELD_NUMBER: _ClassVar[int]
    MUTED_UNTIL_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    user: str
    role: GroupRole
    join_time: int
    muted_until: int
    profile: Profile
    def __init__(self, user: _Optional[str] = ..., role: _Optional[_Union[GroupRole, str]] = ..., join_time: _Optional[int] = ..., muted_until: _Optional[int] = ..., profile: _Optional[_Union[Profile, _Mapping]] = ...) -> None: ...

class GroupMembersRequest(_message.Message):
    __slots__ = ("group", "after", "limit")
    GROUP_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    group: str
    after: str
    limit: int
    def __init__(self, group: _Optional[str] = ..., after: _Optional[str] = ..., limit: _Optional[int] = ...) -> None: ...

class GroupMembersResponse(_message.Message):
    __slots__ = ("error", "members", "more")
    ERROR_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    error: Error
    members: _containers.RepeatedCompositeFieldContainer[GroupMember]
    more: bool
    def __init__(self, error: _Optional[_Union[Error, _Mapping]] = ..., members: _Optional[_Iterable[_Union[GroupMember, _Mapping]]] = ..., more: _Optional[bool] = ...) -> None: ...

class GroupsRequest(_message.Message):
    __slots__ = ("after", "limit")
    AFTER_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    after: str
    limit: int
    def __init__(self, after: _Optional[str] = ..., limit: _Optional[int] = ...) -> None: ...

class GroupsResponse(_message.Message):
    __slots__ = ("error", "groups", "more")
    ERROR_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    error: Error
    groups: _containers.RepeatedCompositeFieldContainer[GroupInfo]
    more: bool
    def __init__(self, error: _Optional[_Union[Error, _Mapping]] = ..., groups: _Optional[_Iterable[_Union[GroupInfo, _Mapping]]] = ..., more: _Optional[bool] = ...) -> None: ...

class GroupRequestsRequest(_message.Message):
    __slots__ = ("group", "after", "limit")
    GROUP_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    group: str
    after: str
    limit: int
    def __init__(self, group: _Optional[str] = ..., after: _Optional[str] = ..., limit: _Optional[int] = ...) -> None: ...

class JoinRequest(_message.Message):
    __slots__ = ("user", "reason", "time", "profile")
    USER_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    user: str
    reason: str
    time: int
    profile: Profile
    def __init__(self, user: _Optional[str] = ..., reason: _Optional[str] = ..., time: _Optional[int] = ..., profile: _Optional[_Union[Profile, _Mapping]] = ...) -> None: ...

class GroupRequestsResponse(_message.Message):
    __slots__ = ("error", "requests", "more")
    ERROR_FIELD_NUMBER: _ClassVar[int]
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    error: Error
    requests: _containers.RepeatedCompositeFieldContainer[JoinRequest]
    more: bool
    def __init__(self, error: _Optional[_Union[Error, _Mapping]] = ..., requests: _Optional[_Iterable[_Union[JoinRequest, _Mapping]]] = ..., more: _Optional[bool] = ...) -> None: ...

class GroupDecideRequest(_message.Message):
    __slots__ = ("group", "user", "accept")
    GROUP_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    ACCEPT_FIELD_NUMBER: _ClassVar[int]
    group: str
    user: str
    accept: bool
    def __init__(self, group: _Optional[str] = ..., user: _Optional[str] = ..., accept: _Optional[bool] = ...) -> None: ...

class GroupCursor(_message.Message):
    __slots__ = ("group", "cursor")
    GROUP_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    group: str
    cursor: int
    def __init__(self, group: _Optional[str] = ..., cursor: _Optional[int] = ...) -> None: ...

class GroupSyncRequest(_message.Message):
    __slots__ = ("cursors", "limit")
    CURSORS_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    cursors: _containers.RepeatedCompositeFieldContainer[GroupCursor]
    limit: int
    def __init__(self, cursors: _Optional[_Iterable[_Union[GroupCursor, _Mapping]]] = ..., limit: _Optional[int] = ...) -> None: ...

class GroupMessages(_message.Message):
    __slots__ = ("group", "messages", "cursor", "more", "gone")
    GROUP_FIELD_NUMBER: _ClassVar[int]
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    GONE_FIELD_NUMBER: _ClassVar[int]
    group: str
    messages: _containers.RepeatedCompositeFieldContainer[Message]
    cursor: int
    more: bool
    gone: bool
    def __init__(self, group: _Optional[str] = ..., messages: _Optional[_Iterable[_Union[Message, _Mapping]]] = ..., cursor: _Optional[int] = ..., more: _Optional[bool] = ..., gone: _Optional[bool] = ...) -> None: ...

class GroupSyncResponse(_message.Message):
    __slots__ = ("error", "groups", "more", "joined")
    ERROR_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    JOINED_FIELD_NUMBER: _ClassVar[int]
    error: Error
    groups: _containers.RepeatedCompositeFieldContainer[GroupMessages]
    more: bool
    joined: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, error: _Optional[_Union[Error, _Mapping]] = ..., groups: _Optional[_Iterable[_Union[GroupMessages, _Mapping]]] = ..., more: _Optional[bool] = ..., joined: _Optional[_Iterable[str]] = ...) -> None: ...

class GroupReadersRequest(_message.Message):
    __slots__ = ("group", "id", "after", "limit")
    GROUP_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    group: str
    id: str
    after: str
    limit: int
    def __init__(self, group: _Optional[str] = ..., id: _Optional[str] = ..., after: _Optional[str] = ..., limit: _Optional[int] = ...) -> None: ...

class GroupReadersResponse(_message.Message):
    __slots__ = ("error", "count", "members", "users", "more")
    ERROR_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    USERS_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    error: Error
    count: int
    members: int
    users: _containers.RepeatedScalarFieldContainer[str]
    more: bool
    def __init__(self, error: _Optional[_Union[Error, _Mapping]] = ..., count: _Optional[int] = ..., members: _Optional[int] = ..., users: _Optional[_Iterable[str]] = ..., more: _Optional[bool] = ...) -> None: ...

class CometRequest(_message.Message):
    __slots__ = ("since", "wait_s", "platform", "device", "groups_version")
    SINCE_FIELD_NUMBER: _ClassVar[int]
    WAIT_S_FIELD_NUMBER: _ClassVar[int]
    PLATFORM_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    GROUPS_VERSION_FIELD_NUMBER: _ClassVar[int]
    since: int
    wait_s: int
    platform: str
    device: str
    groups_version: int
    def __init__(self, since: _Optional[int] = ..., wait_s: _Optional[int] = ..., platform: _Optional[str] = ..., device: _Optional[str] = ..., groups_version: _Optional[int] = ...) -> None: ...

class CometResponse(_message.Message):
    __slots__ = ("error", "messages", "since", "more", "events", "group_messages", "groups_version")
    ERROR_FIELD_NUMBER: _ClassVar[int]
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    GROUP_MESSAGES_FIELD_NUMBER: _ClassVar[int]
    GROUPS_VERSION_FIELD_NUMBER: _ClassVar[int]
    error: Error
    messages: _containers.RepeatedCompositeFieldContainer[Message]
    since: int
    more: bool
    events: _containers.RepeatedCompositeFieldContainer[Event]
    group_messages: _containers.RepeatedCompositeFieldContainer[MessagesPush]
    groups_version: int
    def __init__(self, error: _Optional[_Union[Error, _Mapping]] = ..., messages: _Optional[_Iterable[_Union[Message, _Mapping]]] = ..., since: _Optional[int] = ..., more: _Optional[bool] = ..., events: _Optional[_Iterable[_Union[Event, _Mapping]]] = ..., group_messages: _Optional[_Iterable[_Union[MessagesPush, _Mapping]]] = ..., groups_version: _Optional[int] = ...) -> None: ...

class Event(_message.Message):
    __slots__ = ("read", "conversations", "typing", "resync", "go_away", "groups")
    READ_FIELD_NUMBER: _ClassVar[int]
    CONVERSATIONS_FIELD_NUMBER: _ClassVar[int]
    TYPING_FIELD_NUMBER: _ClassVar[int]
    RESYNC_FIELD_NUMBER: _ClassVar[int]
    GO_AWAY_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    read: ReadPush
    conversations: ConversationsPush
    typing: TypingPush
    resync: ResyncPush
    go_away: GoAwayPush
    groups: GroupsPush
    def __init__(self, read: _Optional[_Union[ReadPush, _Mapping]] = ..., conversations: _Optional[_Union[ConversationsPush, _Mapping]] = ..., typing: _Optional[_Union[TypingPush, _Mapping]] = ..., resync: _Optional[_Union[ResyncPush, _Mapping]] = ..., go_away: _Optional[_Union[GoAwayPush, _Mapping]] = ..., groups: _Optional[_Union[GroupsPush, _Mapping]] = ...) -> None: ...

class MessagesPush(_message.Message):
    __slots__ = ("messages", "previous", "group")
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    messages: _containers.RepeatedCompositeFieldContainer[Message]
    previous: int
    group: str
    def __init__(self, messages: _Optional[_Iterable[_Union[Message, _Mapping]]] = ..., previous: _Optional[int] = ..., group: _Optional[str] = ...) -> None: ...

class GroupsPush(_message.Message):
    __slots__ = ("joined", "left", "requests")
    JOINED_FIELD_NUMBER: _ClassVar[int]
    LEFT_FIELD_NUMBER: _ClassVar[int]
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    joined: str
    left: str
    requests: str
    def __init__(self, joined: _Optional[str] = ..., left: _Optional[str] = ..., requests: _Optional[str] = ...) -> None: ...

class ReadPush(_message.Message):
    __slots__ = ("reader", "type", "peer", "id", "unread")
    READER_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    PEER_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    UNREAD_FIELD_NUMBER: _ClassVar[int]
    reader: str
    type: ConversationType
    peer: str
    id: str
    unread: int
    def __init__(self, reader: _Optional[str] = ..., type: _Optional[_Union[ConversationType, str]] = ..., peer: _Optional[str] = ..., id: _Optional[str] = ..., unread: _Optional[int] = ...) -> None: ...

class ConversationsPush(_message.Message):
    __slots__ = ("all", "type", "peer", "changed")
    ALL_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    PEER_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    all: bool
    type: ConversationType
    peer: str
    changed: bool
    def __init__(self, all: _Optional[bool] = ..., type: _Optional[_Union[ConversationType, str]] = ..., peer: _Optional[str] = ..., changed: _Optional[bool] = ...) -> None: ...

class TypingPush(_message.Message):
    __slots__ = ("type", "sender", "stopped")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    SENDER_FIELD_NUMBER: _ClassVar[int]
    STOPPED_FIELD_NUMBER: _ClassVar[int]
    type: ConversationType
    sender: str
    stopped: bool
    def __init__(self, type: _Optional[_Union[ConversationType, str]] = ..., sender: _Optional[str] = ..., stopped: _Optional[bool] = ...) -> None: ...

class ResyncPush(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class KickedPush(_message.Message):
    __slots__ = ("error",)
    ERROR_FIELD_NUMBER: _ClassVar[int]
    error: Error
    def __init__(self, error: _Optional[_Union[Error, _Mapping]] = ...) -> None: ...

class GoAwayPush(_message.Message):
    __slots__ = ("delay_ms", "addresses", "backups")
    DELAY_MS_FIELD_NUMBER: _ClassVar[int]
    ADDRESSES_FIELD_NUMBER: _ClassVar[int]
    BACKUPS_FIELD_NUMBER: _ClassVar[int]
    delay_ms: int
    addresses: _containers.RepeatedCompositeFieldContainer[Address]
    backups: _containers.RepeatedCompositeFieldContainer[Address]
    def __init__(self, delay_ms: _Optional[int] = ..., addresses: _Optional[_Iterable[_Union[Address, _Mapping]]] = ..., backups: _Optional[_Iterable[_Union[Address, _Mapping]]] = ...) -> None: ...

class PresencePush(_message.Message):
    __slots__ = ("presence",)
    PRESENCE_FIELD_NUMBER: _ClassVar[int]
    presence: Presence
    def __init__(self, presence: _Optional[_Union[Presence, _Mapping]] = ...) -> None: ...
