from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SendView(_message.Message):
    __slots__ = ("receiver", "sequence", "content", "type", "sender")
    RECEIVER_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    SENDER_FIELD_NUMBER: _ClassVar[int]
    receiver: str
    sequence: str
    content: bytes
    type: int
    sender: str
    def __init__(self, receiver: _Optional[str] = ..., sequence: _Optional[str] = ..., content: _Optional[bytes] = ..., type: _Optional[int] = ..., sender: _Optional[str] = ...) -> None: ...

class MessageView(_message.Message):
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
    content: bytes
    send_time: int
    withdraw_time: int
    type: int
    def __init__(self, id: _Optional[str] = ..., version: _Optional[int] = ..., sequence: _Optional[str] = ..., sender: _Optional[str] = ..., receiver: _Optional[str] = ..., content: _Optional[bytes] = ..., send_time: _Optional[int] = ..., withdraw_time: _Optional[int] = ..., type: _Optional[int] = ...) -> None: ...

class MessagesView(_message.Message):
    __slots__ = ("messages", "previous", "group")
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    messages: _containers.RepeatedCompositeFieldContainer[MessageView]
    previous: int
    group: str
    def __init__(self, messages: _Optional[_Iterable[_Union[MessageView, _Mapping]]] = ..., previous: _Optional[int] = ..., group: _Optional[str] = ...) -> None: ...
