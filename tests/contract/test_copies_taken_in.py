"""Copies that follow what a delivery knows of their shard are not read again; others are."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import models.copies
import models.run
from models import keys
from models.core import Core
from models.deliver import Deliverer
from models.log import delivered_versions, newest_versions
from models.mailbox import sync
from models.run import Run
from models.shards import bucket_of
from proto.views_pb2 import MessagesView
from tests.contract.conftest import Chat

Pair = tuple[str, str]


class Delivery:
    """A delivery that holds and has read the shards of two users who live apart."""

    def __init__(self, core: Core, sender: str, receiver: str) -> None:
        self.core = core
        self.sender, self.receiver = sender, receiver
        self.chat = Chat(core, beside=False)
        self.source, self.target = (core.shards.of_user(user) for user in (sender, receiver))
        for user in (sender, receiver):
            core.contacts.entries(user)
        self.run: Run = Deliverer(
            core.settings, core.shards, core.redis, core.scripts, core.metrics
        )._run()
        self.run.take([self.source.number, self.target.number])
        self.go_on()
        self.pubsub = core.redis.pubsub(ignore_subscribe_messages=True)
        self.pubsub.subscribe(keys.channel(receiver))
        self.pubsub.get_message(ignore_subscribe_messages=False, timeout=5)  # it stands

    def go_on(self) -> int:
        """Passes until nothing is left; returns how many there were."""
        self.run.take([self.source.number])
        passes = 0
        while self.run.work():
            passes += 1
        self.run.advance()
        return passes

    def pushed(self) -> list[str]:
        """Ids of what the receiver was pushed, each push beginning where the last one ended."""
        ids: list[str] = []
        end = None
        while (message := self.pubsub.get_message(timeout=0.2)) is not None:
            head, _, body = message["data"].partition(b"\n")
            view = MessagesView.FromString(body)
            assert end is None or int(head[1:]) == end
            end = view.messages[-1].version
            ids += [one.id for one in view.messages]
        return ids

    def mailbox(self) -> list[str]:
        return [row.id.hex() for row in sync(self.target, self.receiver, 0, 1000)]

    def check(self) -> None:
        """Everything of the receiver is delivered, counted and on screen, once and in order."""
        assert self.pushed() == self.mailbox()
        (contact,) = self.core.contacts.entries(self.receiver)
        assert (contact.last_id, contact.unread) == (self.mailbox()[-1], len(self.mailbox()))
        for shard, owner in ((self.source, self.sender), (self.target, self.receiver)):
            assert {row.shard for row in sync(shard, owner, 0, 1000)} == {bucket_of(owner)}
            assert delivered_versions([shard]) == newest_versions([shard])

    def close(self) -> None:
        self.run.release()
        self.pubsub.close()


@pytest.fixture(params=[(0, 1), (0, 2)], ids=["other database", "other table"])
def delivery(
    core: Core, user_in: Callable[[int], str], request: pytest.FixtureRequest
) -> Iterator[Delivery]:
    first, second = request.param
    one = Delivery(core, user_in(first), user_in(second))
    try:
        yield one
    finally:
        one.close()


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The shards that are read while the test goes on."""
    numbers: list[int] = []
    original = models.run.read_forward

    def read_forward(shards: Any, limit: int) -> Any:
        numbers.extend(shard.number for shard in shards)
        return original(shards, limit)

    monkeypatch.setattr(models.run, "read_forward", read_forward)
    return numbers


def before_copying(monkeypatch: pytest.MonkeyPatch, happen: Callable[[], object]) -> None:
    """Something happens just before each transaction of copies."""
    original = models.copies._copy_portion

    def copy_portion(*args: Any) -> Any:
        happen()
        return original(*args)

    monkeypatch.setattr(models.copies, "_copy_portion", copy_portion)


def test_copies_are_not_read_again(delivery: Delivery, read: list[int]) -> None:
    # Given
    for n in range(3):
        delivery.chat.send(delivery.sender, delivery.receiver, str(n))

    # When
    passes = delivery.go_on()

    # Then: one pass for both sides, and the next one begins behind it
    assert passes == 1
    assert read == [delivery.source.number]
    delivery.check()
    delivery.chat.send(delivery.sender, delivery.receiver)
    assert delivery.go_on() == 1
    assert delivery.target.number not in read
    assert len(delivery.mailbox()) == 4


def test_what_was_sent_between_is_read(
    delivery: Delivery, read: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given: two transactions of copies, and a note to oneself before each
    monkeypatch.setattr(models.copies, "COPY_ROWS_MAX", 2)
    for n in range(4):
        delivery.chat.send(delivery.sender, delivery.receiver, str(n))
    notes = iter([False, True])

    def send_a_note() -> None:
        if next(notes):
            delivery.chat.send(delivery.receiver, delivery.receiver, "a note")

    before_copying(monkeypatch, send_a_note)

    # When
    delivery.go_on()

    # Then
    assert delivery.target.number in read
    assert delivery.pushed() == delivery.mailbox()
    assert len(delivery.mailbox()) == 5
    unread = {one.peer: one.unread for one in delivery.core.contacts.entries(delivery.receiver)}
    assert unread == {delivery.sender: 4, delivery.receiver: 0}


def test_what_was_copied_before_is_read(delivery: Delivery, read: list[int]) -> None:
    # Given: a delivery that died behind its copies
    delivery.chat.send(delivery.sender, delivery.receiver, "early")
    dead = Deliverer(
        delivery.core.settings,
        delivery.core.shards,
        delivery.core.redis,
        delivery.core.scripts,
        delivery.core.metrics,
    )._run()
    dead.held = {delivery.source.number}
    dead._active = {delivery.source.number}
    dead._copy(dead._read())
    delivery.chat.send(delivery.sender, delivery.receiver, "late")
    read.clear()

    # When
    delivery.go_on()

    # Then
    assert delivery.target.number in read
    assert len(delivery.mailbox()) == 2
    delivery.check()


def test_what_is_held_by_nobody_is_read(delivery: Delivery, read: list[int]) -> None:
    # Given
    delivery.run.held.discard(delivery.target.number)
    delivery.core.redis.delete(keys.shard_lock(delivery.target.number))
    delivery.chat.send(delivery.sender, delivery.receiver)

    # When
    delivery.go_on()

    # Then
    assert delivery.target.number in read
    delivery.check()


def test_after_a_recall_the_target_is_read(
    delivery: Delivery, read: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given: two messages, and behind them, in a transaction of its own, one that was recalled
    monkeypatch.setattr(models.copies, "COPY_ROWS_MAX", 2)
    source = delivery.source
    slip = delivery.chat.send(delivery.sender, delivery.receiver, "a slip")
    for n in range(2):
        delivery.chat.send(delivery.sender, delivery.receiver, str(n))
    source.database.execute(
        "UPDATE shard_log SET version = version + 1 WHERE shard = %s", [source.number]
    )
    source.database.execute(
        f"UPDATE {source.table} SET content = '', withdraw_time = send_time + 1,"
        " version = version + 3 WHERE id = %s",
        [bytes.fromhex(slip.id)],
    )

    # When
    delivery.go_on()

    # Then
    assert delivery.target.number in read
    assert delivery.pushed() == delivery.mailbox()
    assert len(delivery.mailbox()) == 3
