"""Pages that are read in parts, while what they are read from changes."""

from collections.abc import Callable
from typing import Any

import pytest

from models import grouplog
from models.conversations import NO_MARKS
from models.log import read_forward
from models.usecases import reading
from models.usecases.recall import recall
from proto import im_pb2
from tests.contract.conftest import Chat
from tests.support.groupstore import Asleep, GroupStore, someone

ROWS = reading.PART_ROWS + 10
LIMIT = 100


def before_second_part(
    monkeypatch: pytest.MonkeyPatch, where: Any, name: str, change: Callable[[], object]
) -> None:
    """Let something happen between the first and the second read of a page."""
    original, calls = getattr(where, name), []

    def read(*args: Any) -> Any:
        calls.append(args)
        if len(calls) == 2:
            change()
        return original(*args)

    monkeypatch.setattr(where, name, read)


def test_sync_has_what_is_recalled_between_two_parts(
    chat: Chat, pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given more messages than one part holds; the last of them is recalled before the second
    alice, bob = pair
    ids = [chat.send(alice, bob).id for _ in range(ROWS)]
    chat.deliver(alice, bob)

    def change() -> None:
        recall(chat.core, Asleep(), alice, im_pb2.RecallRequest(id=ids[-1]))

    # When the sender syncs
    before_second_part(monkeypatch, reading, "read_sync", change)
    page = reading.sync(chat.core, alice, im_pb2.SyncRequest(limit=LIMIT))

    # Then
    assert [message.id for message in page.messages] == ids
    assert page.messages[-1].withdraw_time
    assert not page.more


def test_group_history_has_what_is_recalled_between_two_parts(
    chat: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A recall moves the row in the log, not in the conversation."""
    store, owner = GroupStore(chat.core), someone()
    group = store.make(owner)
    ids = [store.say(group, owner).id for _ in range(ROWS)]

    # When the oldest is recalled before the second part
    before_second_part(monkeypatch, grouplog, "history", lambda: store.recall(owner, ids[0]))
    request = im_pb2.HistoryRequest(type=im_pb2.GROUP, peer=group, limit=LIMIT)
    page = reading.history(chat.core, owner, request)

    # Then; what is oldest tells of the group's beginning
    shown = [message for message in page.messages if message.sender]
    assert [message.id for message in reversed(shown)] == ids
    assert shown[-1].withdraw_time


def test_pages_of_notes_to_oneself(chat: Chat, user_in: Callable[[int], str]) -> None:
    alice = user_in(0)
    ids = [chat.send(alice, alice).id for _ in range(ROWS)]
    page = reading.sync(chat.core, alice, im_pb2.SyncRequest(limit=LIMIT))
    assert [message.id for message in page.messages] == ids
    past = reading.history(chat.core, alice, im_pb2.HistoryRequest(peer=alice, limit=LIMIT))
    assert [message.id for message in reversed(past.messages)] == ids
    assert not page.more
    assert not past.more


def test_what_was_cleared_of_notes_to_oneself_stays_so(
    chat: Chat, user_in: Callable[[int], str]
) -> None:
    """Whatever the other mark says: each of these rows was sent and received."""
    alice, shard = user_in(0), chat.core.shards.shards[0]
    first, second = (bytes.fromhex(chat.send(alice, alice).id) for _ in range(2))
    marks = NO_MARKS._replace(cleared_sent=first)
    rows = reading.read_history(shard, alice, alice, b"\xff" * 16, marks, LIMIT)
    assert [row.id for row in rows] == [second]


def test_logs_of_a_database_are_read_together(chat: Chat, user_in: Callable[[int], str]) -> None:
    # Given two logs of people, one read from where it was delivered, and one of a group
    store, owner = GroupStore(chat.core), someone()
    shards = chat.core.shards.shards
    delivered, known = shards[0], shards[2]
    database = delivered.database
    group = next(s for s in shards.values() if s.is_group and s.database is database)
    chat.deliver_all()
    ends = {shard: read_forward({shard: None}, 1)[shard][0] for shard in (delivered, known, group)}
    for shard in (delivered, known):
        for _ in range(3):
            user = user_in(shard.number)
            chat.send(user, user)
    store.make(owner, shard=group)

    # When
    asked = {delivered: None, known: ends[known] + 1, group: None}
    found = read_forward(asked, 2)

    # Then each has its own position, and up to so many of its own rows
    assert {shard: position for shard, (position, _) in found.items()} == {
        delivered: ends[delivered],
        known: ends[known] + 1,
        group: ends[group],
    }
    versions = {shard: [row.version for row in rows] for shard, (_, rows) in found.items()}
    assert versions == {
        delivered: [ends[delivered] + 1, ends[delivered] + 2],
        known: [ends[known] + 2, ends[known] + 3],
        group: [ends[group] + 1],
    }
    chat.deliver_all()
    assert read_forward({delivered: None}, 2)[delivered][1] == []
