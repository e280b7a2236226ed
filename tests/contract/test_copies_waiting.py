"""A database is away: what is for it waits in order and holds up nobody else."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

import models.catchup
import models.copies
import models.run
import models.waiting
from models import keys
from models.catchup import CatchUp
from models.copies import COPY_ROWS_MAX
from models.errors import Code, IMError
from models.mysql import Database
from models.run import Run
from models.shards import bucket_of
from models.waiting import Answering, Copy, count_waiting, note, waiting
from tests.contract.conftest import Chat
from tests.contract.test_deliver import do_recall, mailbox

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
    for module in (models.copies, models.waiting):
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


def latest(chat: Chat, user: str) -> int:
    """The newest version of the mailbox whose effects are there."""
    return int(chat.core.redis.get(keys.latest(user)) or 0)


def noted(chat: Chat, user: str) -> int:
    """How many rows of the user's database wait."""
    shards = chat.core.shards
    return sum(count_waiting(shards.of_user(user).database, shards).values())


def go_on(run: Run, numbers: set[int]) -> None:
    """Let a delivery take these shards too, and work until nothing is left."""
    run.take(numbers)
    while run.work():
        pass


def tell(chat: Chat, source: str, target: str) -> None:
    """Say that the database of the second user took what waited for it in that of the first."""
    of_user = chat.core.shards.of_user
    answering = Answering(chat.core.redis, chat.core.settings)
    answering.took_all(of_user(source).database, of_user(target).database)


def catch_up(chat: Chat) -> None:
    """The task, sweeps, and the deliveries they call for, until nothing is left."""
    databases = chat.core.shards.databases
    while any(waiting(database, chat.core.shards) for database in databases):
        chat.bring_what_waits()
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
        assert noted(chat, alice) == 1
        assert latest(chat, alice) == mailbox(chat, alice)[-1].version
        assert latest(chat, bob) == mailbox(chat, bob)[-1].version
        assert shown(chat, bob) == [behind.id]
        source = chat.core.shards.of_user(alice)
        assert source.number not in chat.deliverer.sweep()
        assert noted(chat, alice) == 1

    # When: it is back
    catch_up(chat)

    # Then
    assert shown(chat, carol) == [waits.id]
    assert latest(chat, carol) == mailbox(chat, carol)[-1].version
    assert noted(chat, alice) == 0


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
    assert noted(chat, alice) == 4

    # When
    catch_up(chat)
    ids.append(chat.send(alice, carol).id)
    chat.deliver(alice)

    # Then: in order, and the last without waiting
    assert shown(chat, carol) == ids
    assert noted(chat, alice) == 0


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
    assert noted(chat, alice) == 0
    assert chat.deliverer.sweep() == []


def test_a_shard_that_is_taken_later_lets_nothing_overtake(
    core: Any, alice: str, bob: str, carol: str
) -> None:
    # Given: a delivery that noted something of one shard
    chat = Chat(core)
    run = chat.deliverer._run()
    with away(chat, carol):
        ids = [chat.send(alice, carol).id]
        go_on(run, {ALICE})

    # When: it can take more, which the delivery does not know
    ids.append(chat.send(alice, carol).id)
    go_on(run, {ALICE})

    # Then
    assert shown(chat, carol) == []

    # When: the database answers again, as the delivery learns when it takes another shard
    tell(chat, alice, carol)
    ids.append(chat.send(alice, carol).id)
    chat.send(bob, carol)
    go_on(run, {ALICE, BOB})
    run.advance()
    run.release()

    # Then
    assert [row.id.hex() for row in mailbox(chat, carol) if row.sender == alice] == ids
    assert noted(chat, alice) == 0


def test_a_shard_with_much_to_bring_goes_on_waiting(
    core: Any, alice: str, carol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given: more than a delivery brings in its time, and somebody said that the database answers
    chat = Chat(core)
    with away(chat, carol):
        ids = [chat.send(alice, carol).id for _ in range(2 * COPY_ROWS_MAX)]
        chat.deliver(alice)
    tell(chat, alice, carol)
    monkeypatch.setattr(models.waiting, "BRING_MAX_S", 0.0)

    # When
    ids.append(chat.send(alice, carol).id)
    chat.deliver(alice)

    # Then: what was brought is delivered, and the newest does not overtake what is left
    assert shown(chat, carol) == ids[:COPY_ROWS_MAX]
    assert latest(chat, carol) == mailbox(chat, carol)[-1].version
    assert noted(chat, alice) == COPY_ROWS_MAX + 1

    # When: the task has no time for more either
    monkeypatch.setattr(models.catchup, "PAIR_MAX_S", 0.0)
    chat.bring_what_waits()
    assert noted(chat, alice) == 1
    ids.append(chat.send(alice, carol).id)
    chat.deliver(alice)
    catch_up(chat)

    # Then
    assert shown(chat, carol) == ids


def test_a_delivery_brings_for_a_moment_only(
    core: Any,
    alice: str,
    bob: str,
    carol: str,
    user_in: Callable[[int], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Given: two shards with something for two others
    chat = Chat(core)
    with away(chat, carol):
        chat.send(alice, carol)
        chat.send(bob, user_in(DAVE))
        chat.deliver(alice, bob)
    tell(chat, alice, carol)
    monkeypatch.setattr(models.waiting, "BRING_MAX_S", 0.0)

    # Then: each delivery brings some of it, and is done in the end
    for left in (1, 0):
        chat.deliver(alice, bob)
        assert noted(chat, alice) == left


def test_what_was_brought_is_called_for(core: Any, alice: str, carol: str) -> None:
    # Given
    chat = Chat(core)
    with away(chat, carol):
        chat.send(alice, carol)
        chat.deliver(alice)
    chat.forget_refusals()
    called: list[int] = []
    task = CatchUp(core.settings, core.shards, core.redis, core.scripts, called.extend)
    assert task.wanted(core.shards.databases)
    assert not task.wanted(core.shards.databases[:1])

    # Then: what one of them did not answer is not asked of it
    task.run([core.shards.of_user(alice).database.name])
    assert noted(chat, alice) == 1

    # When
    task.run([database.name for database in core.shards.databases])

    # Then
    assert called == [CAROL]
    assert not task.wanted(core.shards.databases)


def test_a_task_that_failed_is_not_repeated_at_once(
    core: Any, alice: str, carol: str, tried: list[str]
) -> None:
    # Given
    chat = Chat(core)
    with away(chat, carol) as database:
        chat.send(alice, carol)
        chat.deliver(alice)
        tried.clear()

        # When
        chat.bring_what_waits()
        for _ in range(3):
            chat.bring_what_waits(soon=True)

        # Then
        assert tried == [database.name]

    # Then: nor is another task called for meanwhile
    task = CatchUp(core.settings, core.shards, core.redis, core.scripts, lambda _: None)
    assert not task.wanted(core.shards.databases)
    ends = (core.shards.of_user(alice).database.name, database.name)
    assert 0 < core.redis.pttl(keys.answering(*ends)) <= models.waiting.REFUSED_MS
    core.redis.delete(keys.answering(*ends))
    assert task.wanted(core.shards.databases)
    assert noted(chat, alice) == 1


def test_one_task_brings_at_a_time(core: Any, alice: str, carol: str) -> None:
    # Given
    chat = Chat(core)
    with away(chat, carol):
        sent = chat.send(alice, carol)
        chat.deliver(alice)
    chat.forget_refusals()
    task = CatchUp(core.settings, core.shards, core.redis, core.scripts, lambda _: None)
    assert task.wanted(core.shards.databases)
    core.redis.set(keys.CATCH_UP, "another's")

    # Then
    assert not task.wanted(core.shards.databases)
    chat.bring_what_waits()
    assert shown(chat, carol) == []
    assert core.redis.get(keys.CATCH_UP) == b"another's"

    # When
    core.redis.delete(keys.CATCH_UP)
    chat.bring_what_waits()

    # Then
    assert shown(chat, carol) == [sent.id]
    assert not core.redis.exists(keys.CATCH_UP)


def test_who_is_copied_to_from_two_databases_hears_of_both(
    core: Any,
    alice: str,
    carol: str,
    user_in: Callable[[int], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Given: a delivery that holds the receiver's shard and has nothing left of it
    def in_turn(_: Any, jobs: Sequence[Callable[[], Any]]) -> list[Any]:
        """The last one is done first."""
        return [job() for job in reversed(jobs)][::-1]

    monkeypatch.setattr(models.run, "at_once", in_turn)
    chat, left_out = Chat(core), Chat(core, beside=False)
    dave = user_in(DAVE)
    chat.send(carol, carol)
    run = chat.deliverer._run()
    go_on(run, {ALICE, CAROL, DAVE})

    # When: one pass copies from both, since what was sent here came without its copy
    ids = {chat.send(alice, carol).id, left_out.send(dave, carol).id}
    go_on(run, {ALICE, DAVE})

    # Then: both are delivered by it
    rows = mailbox(chat, carol)
    assert {row.id.hex() for row in rows[1:]} == ids
    assert latest(chat, carol) == rows[-1].version
    run.advance()
    run.release()
    assert chat.deliverer.sweep() == []


def test_a_failure_of_one_database_calls_for_the_rest(
    core: Any, alice: str, carol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given: a database that does not take the position
    chat = Chat(core)
    for user in (alice, carol):
        chat.send(user, user)
    ill = core.shards.of_user(carol).database
    original = models.run.move_delivered

    def move_delivered(moves: Any) -> Any:
        if any(shard.database is ill for shard in moves):
            raise IMError(Code.UNAVAILABLE, "database: full")
        return original(moves)

    with monkeypatch.context() as patch:
        patch.setattr(models.run, "move_delivered", move_delivered)
        # When
        left = chat.deliverer.deliver([ALICE, CAROL])

        # Then: what was held of the other one, but for itself there is nothing to go on with
        assert left == [ALICE]
        with pytest.raises(IMError, match="full"):
            chat.deliverer.deliver([CAROL])
    assert chat.deliverer.sweep() == [CAROL]


def test_who_has_moved_gets_what_waited_where_they_are(
    core: Any, alice: str, carol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given
    chat = Chat(core)
    with away(chat, carol):
        sent = chat.send(alice, carol)
        chat.deliver(alice)

    # When: nothing of the bucket is stored where it was, so an operator may move it
    buckets = list(core.shards._by_bucket)
    buckets[bucket_of(carol)] = core.shards.shards[DAVE]
    monkeypatch.setattr(core.shards, "_by_bucket", tuple(buckets))
    catch_up(chat)

    # Then
    assert core.shards.of_user(carol).number == DAVE
    assert shown(chat, carol) == [sent.id]
    assert latest(chat, carol) == mailbox(chat, carol)[-1].version


def test_one_database_of_a_delivery_is_away(core: Any, alice: str, bob: str, carol: str) -> None:
    # Given: a delivery that holds shards of both
    chat = Chat(core)
    run = chat.deliverer._run()
    chat.send(carol, alice)
    go_on(run, {ALICE, CAROL})
    chat.send(carol, carol)
    with away(chat, carol):
        sent = chat.send(alice, bob)

        # When
        go_on(run, {ALICE, BOB, CAROL})

        # Then
        assert latest(chat, bob) == mailbox(chat, bob)[-1].version
        with pytest.raises(IMError):
            run.advance()
    run.release()
    lagging = chat.deliverer.sweep()
    assert shown(chat, bob) == [sent.id]
    assert CAROL in lagging
    assert not {ALICE, BOB} & set(lagging)


def test_progress_in_one_database_does_not_wait_for_another(
    core: Any, alice: str, carol: str
) -> None:
    # Given: a delivery that has come further in both
    chat = Chat(core)
    for user in (alice, carol):
        chat.send(user, user)
    run = chat.deliverer._run()
    go_on(run, {ALICE, CAROL})

    # When: the one that is asked first is away
    with away(chat, alice):
        with pytest.raises(IMError):
            run.advance()

        # Then
        assert chat.deliverer.sweep() == []
        assert [one.name for one in chat.deliverer.answered] == [
            core.shards.of_user(carol).database.name
        ]

        # Then: a delivery of nothing else says that it failed
        run.release()
        with pytest.raises(IMError):
            chat.deliverer.deliver([ALICE])
    assert chat.deliverer.sweep() == [ALICE]


def test_a_late_run_copies_what_another_has_noted(core: Any, alice: str, carol: str) -> None:
    # Given: a delivery that stands still between reading and copying, past its locks
    chat = Chat(core)
    ids = [chat.send(alice, carol).id for _ in range(2)]
    late, other = chat.deliverer._run(), chat.deliverer._run()
    late.take({ALICE})
    rows = late._read()
    core.redis.delete(keys.shard_lock(ALICE))

    # Given: another that notes the same, and what came since
    with away(chat, carol):
        for _ in range(2):
            go_on(other, {ALICE})
            ids.append(chat.send(alice, carol).id)
        other.advance()

    # When
    late._copy(rows)
    assert shown(chat, carol) == ids[:2]
    go_on(other, {ALICE})
    other.advance()
    other.release()
    catch_up(chat)

    # Then
    assert shown(chat, carol) == ids
    assert noted(chat, alice) == 0


def test_what_is_recalled_while_it_is_brought_is_recalled(
    core: Any, alice: str, carol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given
    chat = Chat(core)
    with away(chat, carol):
        sent = chat.send(alice, carol, "secret")
        chat.deliver(alice)
    original = models.waiting.copy

    def copy(*args: Any) -> Any:
        """Between reading and copying somebody recalls, and that is delivered."""
        do_recall(chat, alice, sent.id)
        chat.deliver(alice)
        return original(*args)

    with monkeypatch.context() as patch:
        patch.setattr(models.waiting, "copy", copy)
        # When
        chat.bring_what_waits()
    catch_up(chat)

    # Then
    (row,) = mailbox(chat, carol)
    assert (row.id.hex(), row.content, bool(row.withdraw_time)) == (sent.id, b"", True)


def test_what_was_copied_after_all_is_there_once(
    core: Any, alice: str, carol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that was frozen commits what nobody waits for any more."""
    chat = Chat(core)
    ids = [chat.send(alice, carol).id for _ in range(3)]
    original = models.copies.copy

    def copy(*args: Any) -> Any:
        original(*args)
        raise IMError(Code.UNAVAILABLE, "database: too late")

    with monkeypatch.context() as patch:
        patch.setattr(models.copies, "copy", copy)
        # Given
        chat.deliver(alice)
    assert noted(chat, alice) == 3

    # When
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

        # Then
        assert tried.count(database.name) == 1
    assert noted(chat, alice) == 3


def test_who_fails_again_is_not_asked_by_the_next(
    core: Any, alice: str, carol: str, tried: list[str]
) -> None:
    # Given: it was back, and is away again while something waits
    chat = Chat(core)
    with away(chat, carol):
        ids = [chat.send(alice, carol).id]
        chat.deliver(alice)
    with away(chat, carol) as database:
        tell(chat, alice, carol)
        tried.clear()
        ids.append(chat.send(alice, carol).id)

        # When
        chat.deliver(alice)
        ids.append(chat.send(alice, carol).id)
        chat.deliver(alice)

        # Then: one attempt, to bring what waited
        assert tried == [database.name]
        assert noted(chat, alice) == 3

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
        do_recall(chat, alice, secret.id)
        chat.deliver(alice)
    do_recall(chat, alice, kept.id)
    catch_up(chat)

    # Then
    rows = mailbox(chat, carol)
    assert sorted(row.id.hex() for row in rows) == sorted([secret.id, kept.id])
    assert all(row.withdraw_time and row.content == b"" for row in rows)
    assert noted(chat, alice) == 0


def test_a_failure_of_the_own_database_is_none_to_wait_for(
    core: Any, alice: str, bob: str, carol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given: a copy that the append left out, as an older release does, one for the other database,
    # and both fail
    chat = Chat(core, beside=False)
    sent = chat.send(alice, bob)
    chat.send(alice, carol)

    def fail(*_: Any) -> Any:
        raise IMError(Code.UNAVAILABLE, "database: away")

    with monkeypatch.context() as patch:
        patch.setattr(models.copies, "copy", fail)
        # When
        with pytest.raises(IMError, match="away"):
            chat.deliver(alice)

    # Then: the delivery is repeated, and only the other's waits
    assert noted(chat, alice) == 1
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
    assert ALICE in chat.deliverer.sweep()
    catch_up(chat)
    assert shown(chat, carol) == [sent.id]


def test_a_task_that_dies_between_copy_and_note_repeats(
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
            chat.bring_what_waits()
    assert noted(chat, alice) == 3
    catch_up(chat)

    # Then
    assert shown(chat, carol) == ids
    assert noted(chat, alice) == 0
