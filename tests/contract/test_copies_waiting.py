"""A database is away: what is for it waits in order and holds up nobody else."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import models.deliver
import models.run
import models.waiting
from models import keys
from models.copies import COPY_ROWS_MAX
from models.errors import Code, IMError
from models.log import Row
from models.mailbox import sync
from models.mysql import Database
from models.usecases.recall import recall
from models.waiting import BRING_CALLS_MAX, Copy, count_waiting, note
from proto import im_pb2
from tests.contract.conftest import Chat
from tests.contract.test_deliver import NoWaker

ALICE, BOB, CAROL, DAVE = 0, 2, 1, 3  # their shards; Carol's and Dave's are in the other database


@pytest.fixture
def alice(user_in: Callable[[int], str]) -> str:
    return user_in(ALICE)


@pytest.fixture
def bob(user_in: Callable[[int], str]) -> str:
    return user_in(BOB)


@pytest.fixture
def carol(user_in: Callable[[int], str]) -> str:
    return user_in(CAROL)


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The databases that deliveries try to copy into, and the sweep."""
    names: list[str] = []
    for module in (models.run, models.waiting):
        original = module.copy  # type: ignore[attr-defined]

        def copy(database: Database, *args: Any, original: Any = original) -> Any:
            names.append(database.name)
            return original(database, *args)

        monkeypatch.setattr(module, "copy", copy)
    return names


@contextmanager
def away(chat: Chat, user: str) -> Iterator[Database]:
    """Without the database of this user, as after an attempt to connect."""
    database = chat.core.shards.of_user(user).database
    database._closed_until = time.monotonic() + 3600
    try:
        yield database
    finally:
        database._closed_until = 0.0


def shown(chat: Chat, user: str) -> list[str]:
    """The ids in the user's mailbox, in the order of its log."""
    return [row.id.hex() for row in mailbox(chat, user)]


def mailbox(chat: Chat, user: str) -> list[Row]:
    shard, begin = chat.core.shards.of_user(user), 0
    rows: list[Row] = []
    while page := sync(shard, user, begin, 1000):
        rows += page
        begin = page[-1].version
    return rows


def latest(chat: Chat, user: str) -> int:
    """The newest version of the mailbox whose effects are there."""
    return int(chat.core.redis.get(keys.latest(user)) or 0)


def waiting(chat: Chat, user: str) -> int:
    """How many rows of the user's database wait."""
    return sum(count_waiting(chat.core.shards.of_user(user).database).values())


def catch_up(chat: Chat) -> None:
    """Sweeps and the deliveries they call for, until nothing is left."""
    while shards := chat.deliverer.sweep():
        chat.deliverer.deliver(shards)


def test_what_waits_holds_up_nobody_else(chat: Chat, alice: str, bob: str, carol: str) -> None:
    # Given
    with away(chat, carol):
        waits = chat.send(alice, carol)
        behind = chat.send(alice, bob)

        # When
        chat.deliver(alice, bob)

        # Then: both are delivered where they can be
        assert waiting(chat, alice) == 1
        assert latest(chat, alice) == mailbox(chat, alice)[-1].version
        assert latest(chat, bob) == mailbox(chat, bob)[-1].version
        assert shown(chat, bob) == [behind.id]
        source = chat.core.shards.of_user(alice)
        assert source.number not in chat.deliverer.sweep()
        assert waiting(chat, alice) == 1

    # When: it is back
    catch_up(chat)

    # Then
    assert shown(chat, carol) == [waits.id]
    assert latest(chat, carol) == mailbox(chat, carol)[-1].version
    assert waiting(chat, alice) == 0


def test_who_is_back_gets_everything_in_order(chat: Chat, alice: str, carol: str) -> None:
    # Given
    with away(chat, carol):
        ids = [chat.send(alice, carol).id for _ in range(3)]
        chat.deliver(alice)

    # When: more is sent before the sweep has been there
    ids.append(chat.send(alice, carol).id)
    chat.deliver(alice)

    # Then: it waits as well
    assert shown(chat, carol) == []
    assert waiting(chat, alice) == 4

    # When
    catch_up(chat)
    ids.append(chat.send(alice, carol).id)
    chat.deliver(alice)

    # Then: in order, and the last without waiting
    assert shown(chat, carol) == ids
    assert waiting(chat, alice) == 0


def test_a_delivery_brings_what_came_after_the_sweep(chat: Chat, alice: str, carol: str) -> None:
    # Given: the sweep has been there, and a delivery that began before it noted one more
    with away(chat, carol):
        first = chat.send(alice, carol)
        chat.deliver(alice)
    catch_up(chat)
    second = chat.send(alice, carol)
    source, target = (chat.core.shards.of_user(user) for user in (alice, carol))
    row = mailbox(chat, alice)[-1]
    note(source.database, [Copy(source, target, row)])
    source.database.execute(
        "UPDATE shard_delivered SET version = %s WHERE shard = %s", (row.version, source.number)
    )

    # When
    chat.deliver(alice)

    # Then: its receiver hears of it at once
    assert shown(chat, carol) == [first.id, second.id]
    assert latest(chat, carol) == mailbox(chat, carol)[-1].version

    # When
    third = chat.send(alice, carol)
    chat.deliver(alice)

    # Then
    assert shown(chat, carol) == [first.id, second.id, third.id]
    assert waiting(chat, alice) == 0
    assert chat.deliverer.sweep() == []


def test_a_shard_that_is_taken_later_lets_nothing_overtake(
    core: Any, alice: str, bob: str, carol: str
) -> None:
    # Given: a delivery that noted something of one shard
    chat = Chat(core)
    run = chat.deliverer._run()
    with away(chat, carol) as database:
        ids = [chat.send(alice, carol).id]
        run.take({ALICE})
        while run.work():
            pass

    # When: it can take more, which the delivery does not know
    ids.append(chat.send(alice, carol).id)
    run.take({ALICE})
    while run.work():
        pass

    # Then
    assert shown(chat, carol) == []

    # When: the database answers again, as the delivery learns when it takes another shard
    chat.deliverer._answering.tell(database)
    ids.append(chat.send(alice, carol).id)
    chat.send(bob, carol)
    run.take({ALICE, BOB})
    while run.work():
        pass
    run.advance()
    run.release()

    # Then
    assert [row.id.hex() for row in mailbox(chat, carol) if row.sender == alice] == ids
    assert waiting(chat, alice) == 0


def test_a_shard_with_much_to_bring_goes_on_waiting(
    core: Any, alice: str, carol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given: more than a delivery brings, and a sweep that has said that the database answers
    chat = Chat(core)
    count = COPY_ROWS_MAX * BRING_CALLS_MAX + 1
    with away(chat, carol) as database:
        drafts = [chat.draft(alice, carol, str(n)) for n in range(count)]
        for start in range(0, count, 400):
            chat.send_batch(drafts[start : start + 400])
        chat.deliver(alice)
    chat.deliverer._answering.tell(database)

    # When
    last = chat.send(alice, carol)
    chat.deliver(alice)

    # Then: the newest does not overtake what is left
    assert len(shown(chat, carol)) == count - 1
    assert waiting(chat, alice) == 2

    # When: sweeps have no time for more than a call each
    monkeypatch.setattr(models.deliver, "CATCH_UP_MAX_S", 0.0)
    catch_up(chat)

    # Then
    ids = shown(chat, carol)
    assert len(ids) == count + 1
    assert ids == shown(chat, alice)
    assert ids[-1] == last.id


def test_a_sweep_ends_in_time_and_the_next_goes_on(
    core: Any, alice: str, carol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given
    chat = Chat(core)
    with away(chat, carol):
        ids = [chat.send(alice, carol).id for _ in range(COPY_ROWS_MAX + 1)]
        chat.deliver(alice)
    monkeypatch.setattr(models.deliver, "CATCH_UP_MAX_S", 0.0)

    # When
    chat.deliverer.sweep()

    # Then: as much as one call copies
    assert shown(chat, carol) == ids[:-1]
    assert waiting(chat, alice) == 1

    # When: one is sent between them
    ids.append(chat.send(alice, carol).id)
    chat.deliver(alice)
    catch_up(chat)

    # Then
    assert shown(chat, carol) == ids


def test_a_database_that_is_away_is_asked_once(
    core: Any, alice: str, bob: str, carol: str, user_in: Callable[[int], str], tried: list[str]
) -> None:
    # Given
    chat = Chat(core)
    dave = user_in(DAVE)
    with away(chat, carol) as database:
        chat.send(alice, carol)
        chat.deliver(alice)
        assert tried.count(database.name) == 1

        # When: more is sent for it from the shard, and from the other of its database
        chat.send(alice, carol)
        chat.send(bob, dave)
        chat.deliver(alice, bob)
        chat.deliverer.sweep()

        # Then
        assert tried.count(database.name) == 1
    assert waiting(chat, alice) == 3


def test_who_fails_again_is_not_asked_by_the_next(
    core: Any, alice: str, carol: str, tried: list[str]
) -> None:
    # Given: it was back, and is away again while something waits
    chat = Chat(core)
    with away(chat, carol):
        ids = [chat.send(alice, carol).id]
        chat.deliver(alice)
    with away(chat, carol) as database:
        chat.deliverer._answering.tell(database)
        tried.clear()
        ids.append(chat.send(alice, carol).id)

        # When
        chat.deliver(alice)
        ids.append(chat.send(alice, carol).id)
        chat.deliver(alice)

        # Then: one attempt, to bring what waited
        assert tried == [database.name]
        assert waiting(chat, alice) == 3

    catch_up(chat)
    assert shown(chat, carol) == ids


def test_what_is_recalled_while_it_waits_arrives_recalled(
    chat: Chat, alice: str, carol: str
) -> None:
    # Given
    with away(chat, carol):
        secret, kept = chat.send(alice, carol, "secret"), chat.send(alice, carol, "kept")
        chat.deliver(alice)

        # When: before and behind the note of its new place
        recall(chat.core, NoWaker(), alice, im_pb2.RecallRequest(id=secret.id))  # type: ignore[arg-type]
        chat.deliver(alice)
    recall(chat.core, NoWaker(), alice, im_pb2.RecallRequest(id=kept.id))  # type: ignore[arg-type]
    catch_up(chat)

    # Then
    rows = mailbox(chat, carol)
    assert sorted(row.id.hex() for row in rows) == sorted([secret.id, kept.id])
    assert all(row.withdraw_time and row.content == b"" for row in rows)
    assert waiting(chat, alice) == 0


def test_a_failure_of_the_own_database_is_none_to_wait_for(
    core: Any, alice: str, bob: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given: a copy that the append left out, as an older release does, and a database that fails
    chat = Chat(core, beside=False)
    sent = chat.send(alice, bob)

    def fail(*_: Any) -> Any:
        raise IMError(Code.UNAVAILABLE, "database: away")

    with monkeypatch.context() as patch:
        patch.setattr(models.run, "copy", fail)
        # When
        with pytest.raises(IMError, match="away"):
            chat.deliver(alice)

    # Then: the delivery is repeated
    assert waiting(chat, alice) == 0
    assert chat.core.shards.of_user(alice).number in chat.deliverer.sweep()
    catch_up(chat)
    assert shown(chat, bob) == [sent.id]


def test_what_cannot_be_noted_is_not_passed(
    core: Any, alice: str, carol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given
    chat = Chat(core)
    sent = chat.send(alice, carol)

    def fail(*_: Any) -> None:
        raise IMError(Code.UNAVAILABLE, "database: full")

    with monkeypatch.context() as patch, away(chat, carol):
        patch.setattr(models.waiting, "note", fail)
        # When
        with pytest.raises(IMError, match="full"):
            chat.deliver(alice)

    # Then
    catch_up(chat)
    assert shown(chat, carol) == [sent.id]


def test_a_sweep_that_dies_between_copy_and_note_repeats(
    core: Any, alice: str, carol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given
    chat = Chat(core)
    with away(chat, carol):
        ids = [chat.send(alice, carol).id for _ in range(3)]
        chat.deliver(alice)
    original = models.waiting.copy

    def copy(*args: Any) -> Any:
        original(*args)
        raise RuntimeError("dies here")

    with monkeypatch.context() as patch:
        patch.setattr(models.waiting, "copy", copy)
        # When
        with pytest.raises(RuntimeError):
            chat.deliverer.sweep()
    assert waiting(chat, alice) == 3
    catch_up(chat)

    # Then
    assert shown(chat, carol) == ids
    assert waiting(chat, alice) == 0
