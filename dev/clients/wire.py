"""Requests and answers whatever the transport: numbers by type, and the messages tests send."""

import uuid
from collections.abc import Container
from typing import Any, Protocol

from google.protobuf.message import Message

from dev.clients.wait import wait_until
from proto import im_pb2
from proto.commands import COMMANDS, Command

BY_REQUEST = {command.request: command for command in COMMANDS if command.request}


class Refused(AssertionError):
    """An answer carries an error where it must not; `name` is the error's."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(f"{name}: {message}")
        self.name = name


class Caller(Protocol):
    """A client of some user, by whatever transport."""

    def call(self, request: Message) -> Any:
        """The answer, with its error inside."""


def command_of(request: Message) -> Command:
    """The command whose request this is."""
    return BY_REQUEST[type(request)]


def text_to(receiver: str, text: str = "hello", sequence: str = "") -> im_pb2.SendRequest:
    """A text message, under a sequence of its own unless one is given."""
    request = im_pb2.SendRequest(receiver=receiver, sequence=sequence or uuid.uuid4().hex)
    request.content.text.text = text
    return request


def ok(answer: Any) -> Any:
    """The answer, which must carry no error: Refused otherwise."""
    if answer.error.code:
        raise Refused(answer.error.name, answer.error.message)
    return answer


def refused(answer: Any) -> str:
    """The name of the error the answer must carry; its parts must agree with each other."""
    error = answer.error
    assert error.code, f"not refused: {answer}"
    assert error.message
    assert error.name == im_pb2.ErrorCode.Name(error.code).removeprefix("ERR_")
    return str(error.name)


def insist(client: Caller, request: Message, *, unless: Container[str] = ()) -> Any:
    """The answer without error, asking again while the refusal is a retryable one.

    `unless` names those that must not come at all.
    """

    def accepted() -> Any:
        answer = client.call(request)
        assert not answer.error.code or answer.error.retryable, answer.error.name
        assert answer.error.name not in unless
        return None if answer.error.code else answer

    return wait_until(accepted, what=f"an answer to {type(request).__name__}")


def sync_all(
    client: Caller, cursor: int = 0, limit: int = 0, *, patient: bool = False
) -> list[im_pb2.Message]:
    """Everything a mailbox holds behind the cursor, page by page; `patient` insists."""
    messages: list[im_pb2.Message] = []
    while True:
        request = im_pb2.SyncRequest(cursor=cursor, limit=limit)
        page = insist(client, request) if patient else ok(client.call(request))
        assert page.cursor >= cursor
        assert not page.more or page.cursor > cursor, "a page that leads nowhere"
        messages += page.messages
        if not page.more:
            return messages
        cursor = page.cursor
