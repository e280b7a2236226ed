"""Two devices of a user read at the same moment."""

from typing import Any

import pytest

from models.usecases import conversations
from proto import im_pb2
from tests.contract.conftest import Chat


def test_an_older_read_does_not_bring_back_what_a_newer_one_read(
    chat: Chat, pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given five messages, and a contact list that is cached
    alice, bob = pair
    ids = [chat.send(alice, bob).id for _ in range(5)]
    chat.deliver_all()
    assert chat.core.contacts.entries(bob)[0].unread == 5
    original = conversations.count_unread_with

    def read(identifier: str) -> int:
        request = im_pb2.ReadRequest(peer=alice, id=identifier)
        return conversations.read(chat.core, bob, request).unread

    def slow(*args: Any) -> Any:
        counted = original(*args)
        monkeypatch.undo()
        assert read(ids[-1]) == 0
        return counted

    # When one device reads the first, and the other all of them, before the first is recorded
    monkeypatch.setattr(conversations, "count_unread_with", slow)
    left = read(ids[0])

    # Then
    assert left == 0
    assert chat.core.contacts.entries(bob)[0].unread == 0
