"""Copies within a database are stored with the send; a delivery trusts only what it has seen."""

import itertools
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

import models.copies
import models.run
from models import keys
from models.append import Draft, Stored
from models.core import Core
from models.errors import IMError
from models.groupsend import Speech
from models.ids import born_version, message_shard
from models.log import Row
from models.mailbox import sync
from models.run import Run
from models.shards import Shard, bucket_of
from tests.contract.conftest import Chat

ALICE, BOB = 0, 2  # their shards: two tables of one database


@pytest.fixture
def pair(user_in: Callable[[int], str]) -> tuple[str, str]:
    return user_in(ALICE), user_in(BOB)


@pytest.fixture
def copies(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Ids of the rows that deliveries copy while the test goes on."""
    ids: list[bytes] = []
    original = models.copies._copy_portion

    def copy_portion(database: Any, rows: Any) -> Any:
        ids.extend(row.id for group in rows.values() for row in group)
        return original(database, rows)

    monkeypatch.setattr(models.copies, "_copy_portion", copy_portion)
    return ids


def mailbox(chat: Chat, user: str) -> list[Row]:
    return list(sync(chat.core.shards.of_user(user), user, 0, 1000))


def alike(rows: Sequence[Row]) -> list[tuple[Any, ...]]:
    """What a copy has in common with its row."""
    return [row._replace(version=0, shard=0) for row in rows]


def test_a_send_and_its_copy_are_one_commit(chat: Chat, pair: tuple[str, str]) -> None:
    alice, bob = pair
    # Given
    first = chat.send(alice, bob, "one")

    # Then: both are there before any delivery, in logs of their own
    (row,), (copied,) = mailbox(chat, alice), mailbox(chat, bob)
    assert alike([row]) == alike([copied])
    assert (row.id.hex(), row.send_time) == (first.id, first.send_time)
    assert (message_shard(row.id.hex()), born_version(row.id)) == (ALICE, row.version)
    assert (row.shard, copied.shard) == (bucket_of(alice), bucket_of(bob))


def test_what_is_sent_both_ways_in_one_batch_keeps_its_order(
    chat: Chat, pair: tuple[str, str], copies: list[bytes]
) -> None:
    # Given: either side writes in turn, and a note to themselves
    alice, bob = pair
    drafts = [
        chat.draft(*ends, str(n))
        for n, ends in enumerate([(alice, bob), (bob, alice), (bob, bob), (alice, bob)] * 3)
    ]

    # When
    outcomes = [one for one in chat.send_batch(drafts) if isinstance(one, Stored)]
    chat.deliver(alice, bob)

    # Then
    assert len(outcomes) == len(drafts)
    ids = [one.id for one in outcomes]
    assert [row.id.hex() for row in mailbox(chat, bob)] == ids
    assert [row.id.hex() for row in mailbox(chat, alice)] == [
        one for one, draft in zip(ids, drafts, strict=True) if draft.receiver != draft.sender
    ]
    for row in mailbox(chat, alice) + mailbox(chat, bob):
        origin = chat.core.shards.of_user(row.sender).number
        assert message_shard(row.id.hex()) == origin
    assert copies == []
    assert chat.deliverer.sweep() == []


def test_sends_to_a_group_in_the_same_batch_change_nothing(
    chat: Chat, pair: tuple[str, str], user_in: Callable[[int], str]
) -> None:
    """Where membership is judged the batch takes another way; here the group does not exist."""
    alice, bob = pair
    group = next(
        name
        for name in map(str, itertools.count())
        if chat.core.shards.of_group(name).database is chat.core.shards.of_user(alice).database
    )
    shout = Draft(
        chat.core.shards.of_group(group), bucket_of(group), alice, group, "g", b"", Speech()
    )
    drafts = [chat.draft(alice, bob, "1"), shout, chat.draft(bob, alice, "2")]

    # When
    first, refused, second = chat.send_batch(drafts)
    chat.deliver(alice, bob)

    # Then
    assert isinstance(refused, IMError)
    assert isinstance(first, Stored)
    assert isinstance(second, Stored)
    for user in pair:
        assert [row.id.hex() for row in mailbox(chat, user)] == [first.id, second.id]
        assert [row.shard for row in mailbox(chat, user)] == [bucket_of(user)] * 2
    assert alike(mailbox(chat, alice)) == alike(mailbox(chat, bob))
    assert chat.deliverer.sweep() == []


def test_a_repetition_copies_nothing_again(chat: Chat, pair: tuple[str, str]) -> None:
    alice, bob = pair
    first = chat.send(alice, bob, "x", sequence="same")
    other = chat.draft(alice, bob, "behind")
    # When
    again, stored = chat.send_batch([chat.draft(alice, bob, "x", "same"), other])
    # Then
    assert again == first
    assert isinstance(stored, Stored)
    assert [row.id.hex() for row in mailbox(chat, bob)] == [first.id, stored.id]


def test_many_processes_send_both_ways_at_once(chat: Chat, pair: tuple[str, str]) -> None:
    """Each transaction locks both counters: nothing is lost to deadlocks, doubled or disordered."""
    alice, bob = pair
    sent: dict[int, list[str]] = {}

    def write(writer: int, sender: str, receiver: str) -> None:
        mine = Chat(chat.core)
        drafts = [mine.draft(sender, receiver, "x", f"{writer}-{n}") for n in range(60)]
        outcomes = [mine.send_batch(drafts[n : n + 3]) for n in range(0, 60, 3)]
        sent[writer] = [one.id for batch in outcomes for one in batch if isinstance(one, Stored)]

    writers = [
        threading.Thread(target=write, args=(n, *(pair if n % 2 else pair[::-1]))) for n in range(6)
    ]
    for thread in writers:
        thread.start()
    for thread in writers:
        thread.join()
    chat.deliver(alice, bob)

    # Then
    assert [len(ids) for ids in sent.values()] == [60] * 6
    for user in pair:
        ids = [row.id.hex() for row in mailbox(chat, user)]
        assert sorted(ids) == sorted(one for mine in sent.values() for one in mine)
        for mine in sent.values():
            assert [one for one in ids if one in set(mine)] == mine
    assert {one.peer: one.unread for one in chat.core.contacts.entries(bob)} == {alice: 180}
    assert chat.deliverer.sweep() == []


def test_a_delivery_that_holds_both_sides_looks_for_nothing(
    chat: Chat, pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = pair
    asked: list[Any] = []
    monkeypatch.setattr(models.run, "copy", lambda *args: asked.append(args))
    chat.send(alice, bob)
    chat.deliver(alice, bob)
    assert asked == []
    assert chat.deliverer.sweep() == []


def test_a_delivery_that_does_not_hold_the_target_copies_nothing_again(
    chat: Chat, pair: tuple[str, str], copies: list[bytes]
) -> None:
    # Given: another delivery has the receiver's shard
    alice, bob = pair
    source, target = (chat.core.shards.of_user(user) for user in pair)
    sent = [chat.send(alice, bob, str(n)).id for n in range(3)]
    chat.core.redis.set(keys.shard_lock(target.number), "another")

    # When
    chat.deliver(alice, bob)

    # Then: the sender's side is done, the receiver's is left to who holds it
    assert copies == []
    assert chat.deliverer.sweep() == [target.number]
    chat.core.redis.delete(keys.shard_lock(target.number))
    chat.deliver(bob)
    assert [row.id.hex() for row in mailbox(chat, bob)] == sent
    (contact,) = chat.core.contacts.entries(bob)
    assert (contact.last_id, contact.unread) == (sent[-1], 3)
    assert source.number not in chat.deliverer.sweep()


def test_what_was_sent_without_its_copy_is_copied(
    chat: Chat, pair: tuple[str, str], copies: list[bytes]
) -> None:
    """As by a process of an older release, or where the sequence was taken at the receiver's."""
    # Given: some with and some without
    alice, bob = pair
    drafts = [chat.draft(alice, bob, str(n)) for n in range(4)]
    bare = [replace(draft, copy=None) if n in (1, 2) else draft for n, draft in enumerate(drafts)]
    outcomes = [one for one in chat.send_batch(bare) if isinstance(one, Stored)]
    ids = [one.id for one in outcomes]

    # When
    chat.deliver(alice, bob)

    # Then
    assert {identifier.hex() for identifier in copies} == set(ids[1:3])
    assert sorted(row.id.hex() for row in mailbox(chat, bob)) == ids
    (contact,) = chat.core.contacts.entries(bob)
    assert (contact.last_id, contact.unread) == (ids[-1], 4)
    assert chat.deliverer.sweep() == []


def test_a_sequence_taken_at_the_receivers_does_not_refuse_a_send(
    chat: Chat, pair: tuple[str, str]
) -> None:
    """The sender's table lost a row that is still at the receiver's, and it is sent again."""
    # Given
    alice, bob = pair
    kept = chat.send(alice, bob, "x", sequence="again")
    chat.deliver(alice, bob)
    source: Shard = chat.core.shards.of_user(alice)
    source.database.execute(f"DELETE FROM {source.table} WHERE sender = %s", (alice,))

    # When
    stored = chat.send(alice, bob, "x", sequence="again")
    later = chat.send(alice, bob, "later")
    chat.deliver(alice, bob)

    # Then
    assert [row.id.hex() for row in mailbox(chat, alice)] == [stored.id, later.id]
    assert [row.id.hex() for row in mailbox(chat, bob)] == [kept.id, later.id]
    assert chat.deliverer.sweep() == []


def test_a_message_recalled_before_its_delivery_is_recalled_on_both_sides(
    chat: Chat, pair: tuple[str, str]
) -> None:
    alice, bob = pair
    sent = chat.send(alice, bob, "secret")
    chat.send(alice, bob, "kept")
    # When: what a recall does to the row (models/usecases/recall.py)
    source = chat.core.shards.of_user(alice)
    source.database.execute(
        "UPDATE shard_log SET version = version + 1 WHERE shard = %s", (source.number,)
    )
    source.database.execute(
        f"UPDATE {source.table} SET content = '', withdraw_time = 7, version ="
        " (SELECT version FROM shard_log WHERE shard = %s) WHERE id = %s",
        (source.number, bytes.fromhex(sent.id)),
    )
    chat.deliver(alice, bob)
    # Then
    for user in pair:
        (row,) = [row for row in mailbox(chat, user) if row.withdraw_time]
        assert (row.id.hex(), row.content, row.withdraw_time) == (sent.id, b"", 7)
        assert len(mailbox(chat, user)) == 2
    assert chat.deliverer.sweep() == []


def test_a_run_that_sees_a_row_twice_copies_it_once(
    core: Core, pair: tuple[str, str], copies: list[bytes]
) -> None:
    """A delivery died behind its effects: the next one begins at the old position."""
    chat = Chat(core)
    before = chat.positions()
    chat.send(*pair)
    chat.deliver(*pair)
    source: Run = chat.deliverer._run()
    chat.rewind(before)
    source.take([ALICE])  # only the sender's side this time
    while source.work():
        pass
    source.advance()
    source.release()
    assert copies == []
    assert len(mailbox(chat, pair[1])) == 1
