"""Copies within a database are stored with the send; a delivery trusts only what it has seen."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pymysql
import pytest

import models.append
import models.copies
import models.run
from models import keys
from models.append import Outcome, Stored
from models.core import Core
from models.errors import Code, IMError
from models.ids import born_version, message_shard
from models.log import Row, newest_versions
from models.mailbox import sync
from models.run import Run
from models.shards import Shard, bucket_of
from models.usecases.send import Sender
from models.wake import Waker
from proto.views_pb2 import SendView
from tests.contract.conftest import Chat, text
from tests.support.groupstore import GroupStore

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


def test_sends_to_groups_in_the_same_batch_change_nothing(
    core: Core, pair: tuple[str, str]
) -> None:
    """Where membership is judged the batch takes another way."""
    # Given: a group in the same database, a member's send to it, and a stranger's
    chat, groups = Chat(core), GroupStore(core)
    alice, bob = pair
    database = core.shards.of_user(alice).database
    shards = core.shards.shards.values()
    group = groups.make(
        alice, shard=next(one for one in shards if one.is_group and one.database is database)
    )
    before = groups.log(group)
    drafts = [
        chat.draft(alice, bob, "1"),
        groups.draft(group, bob, "a stranger's"),
        groups.draft(group, alice, "a member's"),
        chat.draft(bob, alice, "2"),
    ]

    # When
    first, refused, said, second = chat.send_batch(drafts)
    chat.deliver(alice, bob)

    # Then
    assert isinstance(refused, IMError)
    assert isinstance(first, Stored)
    assert isinstance(said, Stored)
    assert isinstance(second, Stored)
    (row,) = groups.log(group)[len(before) :]
    assert row.id.hex() == said.id
    for user in pair:
        assert [row.id.hex() for row in mailbox(chat, user)] == [first.id, second.id]
        assert [row.shard for row in mailbox(chat, user)] == [bucket_of(user)] * 2
    assert alike(mailbox(chat, alice)) == alike(mailbox(chat, bob))


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
    """Each transaction locks both counters, whichever way it sends, in one order: no deadlocks."""
    alice, bob = pair
    database = chat.core.shards.of_user(alice).database
    deadlocks = "SHOW GLOBAL STATUS LIKE 'Innodb_deadlocks'"
    ((_, before),) = database.query(deadlocks)
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
    assert database.query(deadlocks) == (("Innodb_deadlocks", before),)
    assert chat.deliverer.sweep() == []


def test_a_delivery_that_holds_both_sides_looks_for_nothing(
    chat: Chat, pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = pair
    asked: list[Any] = []
    monkeypatch.setattr(models.copies, "copy", lambda *args: asked.append(args))
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
    """As a process of an older release stores it; what lies behind it has its copy already."""
    # Given: some with and some without
    alice, bob = pair
    drafts = [chat.draft(alice, bob, str(n)) for n in range(4)]
    bare = [replace(one, copy_to=None) if n in (1, 2) else one for n, one in enumerate(drafts)]
    ids = [one.id for one in chat.send_batch(bare) if isinstance(one, Stored)]

    # When
    chat.deliver(alice, bob)

    # Then: it comes behind what was copied before it (docs/decisions/019, upgrades)
    assert {identifier.hex() for identifier in copies} == set(ids[1:3])
    assert [row.id.hex() for row in mailbox(chat, bob)] == [ids[0], ids[3], ids[1], ids[2]]
    (contact,) = chat.core.contacts.entries(bob)
    assert (contact.last_id, contact.unread) == (ids[-1], 4)
    assert chat.deliverer.sweep() == []


def test_two_deliveries_copy_what_is_missing_once(
    core: Core, pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have looked and found nothing."""
    # Given
    chat = Chat(core, beside=False)
    alice, bob = pair
    sent = [chat.send(alice, bob, str(n)).id for n in range(3)]
    source, target = (core.shards.of_user(user) for user in pair)
    rows = {target: mailbox(chat, alice)}
    likely = {row.id for row in rows[target]}
    original = models.copies._without_copied

    def look(*args: Any) -> Any:
        found = original(*args)
        monkeypatch.setattr(models.copies, "_without_copied", original)
        models.copies.copy(target.database, rows, likely)  # the other one, in between
        return found

    monkeypatch.setattr(models.copies, "_without_copied", look)

    # When
    assert models.copies.copy(target.database, rows, likely) == {target: []}

    # Then
    assert [row.id.hex() for row in mailbox(chat, bob)] == sent
    assert models.copies.copy(target.database, rows, likely) == {}, "nothing was missing"
    chat.deliver_all()
    assert newest_versions([target])[target.number] == mailbox(chat, bob)[-1].version
    assert source.number not in chat.deliverer.sweep()


def test_a_copy_stored_behind_the_reading_of_its_log_is_read_next(
    core: Core, pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The delivery holds both shards; the send comes between its two reads, and nobody wakes."""
    # Given: the receiver's shard has the lower number, so it is read first
    bob, alice = pair
    chat = Chat(core)
    run = chat.deliverer._run()
    run.take([ALICE, BOB])
    while run.work():
        pass
    original = models.run.read_forward
    late = [True]

    def read_forward(shards: Any, limit: int) -> Any:
        first = {shard: shards[shard] for shard in shards if shard.number == ALICE}
        found = original(first, limit) if first else {}
        if first and late.pop():
            late.append(False)
            chat.send(alice, bob)
        rest = {shard: shards[shard] for shard in shards if shard not in first}
        return found | (original(rest, limit) if rest else {})

    monkeypatch.setattr(models.run, "read_forward", read_forward)

    # When
    run.take([ALICE, BOB])
    while run.work():
        pass
    run.advance()
    run.release()

    # Then
    assert chat.deliverer.sweep() == []
    (contact,) = core.contacts.entries(bob)
    assert contact.unread == 1


@pytest.mark.parametrize("changed", [False, True])
def test_a_sequence_taken_at_the_receivers(
    chat: Chat, pair: tuple[str, str], user_in: Callable[[int], str], changed: bool
) -> None:
    """The sender's table lost rows that are still at the receivers', and they are sent again."""
    # Given: such a row, and a batch in which others come before and behind it
    alice, bob = pair
    carol, dave = user_in(ALICE), user_in(BOB)
    kept = chat.send(alice, bob, "x", sequence="again")
    repeated = chat.draft(carol, dave, "said before")
    (first,) = chat.send_batch([repeated])
    chat.deliver(alice, bob)
    source: Shard = chat.core.shards.of_user(alice)
    source.database.execute(f"DELETE FROM {source.table} WHERE sender = %s", (alice,))
    again = chat.draft(alice, bob, "changed" if changed else "x", sequence="again")

    # When
    *answers, outcome, _ = chat.send_batch(
        [repeated, chat.draft(carol, dave, "1"), again, chat.draft(alice, bob, "later")]
    )
    chat.send(carol, dave, "2")
    chat.deliver(alice, bob)

    # Then: the same message is stored and not copied again, another one is refused
    assert answers[0] == first
    bobs = [row.id.hex() for row in mailbox(chat, bob)]
    alices = [row.id.hex() for row in mailbox(chat, alice)]
    assert bobs[0] == kept.id
    if changed:
        assert isinstance(outcome, IMError)
        assert outcome.code is Code.SEQUENCE_CONFLICT
        assert alices == bobs[1:]
    else:
        assert isinstance(outcome, Stored)
        assert alices == [outcome.id, *bobs[1:]]
    # Then: and nobody else's copies were left out for it
    assert alike(mailbox(chat, carol)) == alike(mailbox(chat, dave))
    assert len(mailbox(chat, dave)) == 3
    assert chat.deliverer.sweep() == []


def test_a_batch_with_repeated_and_taken_and_racing_sends_is_stored(
    core: Core, pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given: one stored before, one taken at the receiver's, one that somebody stores meanwhile
    chat = Chat(core)
    alice, bob = pair
    chat.send(alice, bob, "taken", sequence="taken")
    chat.deliver(alice, bob)
    source = core.shards.of_user(alice)
    source.database.execute(f"DELETE FROM {source.table} WHERE sender = %s", (alice,))
    first = chat.send(alice, bob, "repeated", sequence="repeated")
    names = ["repeated", "racing", "taken", "fresh"]
    drafts = [chat.draft(alice, bob, name, sequence=name) for name in names]
    original = models.append._resolve
    raced: list[Stored] = []

    def resolve(connection: Any, pending: Any) -> Any:
        outcomes = original(connection, pending)
        if not raced:
            raced.append(chat.send(alice, bob, "racing", sequence="racing"))
        return outcomes

    monkeypatch.setattr(models.append, "_resolve", resolve)

    # When
    outcomes = chat.send_batch(drafts)

    # Then
    assert outcomes[:2] == [first, raced[0]]
    assert all(isinstance(one, Stored) for one in outcomes)
    chat.deliver(alice, bob)
    assert len(mailbox(chat, bob)) == 4
    assert chat.deliverer.sweep() == []


def test_without_the_copy_nothing_is_stored(core: Core, pair: tuple[str, str]) -> None:
    """One transaction: what fails at the receiver's leaves nothing at the sender's."""
    # Given: a receiver's log without a counter
    chat = Chat(core)
    alice, bob = pair
    source, target = (core.shards.of_user(user) for user in pair)
    before = newest_versions([source])
    nowhere = Shard(999, target.database, target.table)
    draft = replace(chat.draft(alice, bob, "x"), copy_to=nowhere)

    # Then
    with pytest.raises(pymysql.IntegrityError, match="cannot be null"):
        chat.send_batch([draft])
    assert mailbox(chat, alice) == mailbox(chat, bob) == []
    assert newest_versions([source]) == before


def test_a_process_stores_the_copy_and_wakes_both_sides(core: Core, pair: tuple[str, str]) -> None:
    """Through what a process sends with: deliveries and the sweep would heal what it forgot."""
    # Given
    alice, bob = pair
    called: list[int] = []
    waker = Waker(core.scripts, called.extend, core.metrics)
    sender = Sender(core, waker)
    answered = threading.Event()
    outcomes: list[Outcome] = []

    def done(outcome: Outcome) -> None:
        outcomes.append(outcome)
        answered.set()

    # When
    try:
        request = SendView(receiver=bob, sequence="1", content=text("hi"))
        sender.send(alice, request, done)
        assert answered.wait(30)
    finally:
        sender.close()
        waker.close()

    # Then
    (stored,) = outcomes
    assert isinstance(stored, Stored)
    for user in pair:
        assert [row.id.hex() for row in mailbox(Chat(core), user)] == [stored.id]
    assert sorted(called) == [ALICE, BOB]


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
