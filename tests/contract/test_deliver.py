"""Delivery: copies, effects and the delivery position, repeated, reordered and interrupted."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from models import keys
from models.core import Core
from models.deliver import Deliverer
from models.effects import Effects
from models.log import Row
from models.mailbox import sync
from models.run import Run
from models.usecases.recall import recall
from models.wake import call
from proto import im_pb2
from proto.views_pb2 import MessagesView
from tests.contract.conftest import Chat


class NoWaker:
    """Tests deliver by hand."""

    def wake(self, shards: object) -> None:
        pass


class Listener:
    """What is published for one user."""

    def __init__(self, chat: Chat, user: str) -> None:
        self._pubsub = chat.core.redis.pubsub(ignore_subscribe_messages=True)
        self._pubsub.subscribe(keys.channel(user))
        self._pubsub.get_message(ignore_subscribe_messages=False, timeout=5)  # it stands

    def messages(self) -> list[tuple[int, list[tuple[str, int]]]]:
        """(previous version, [(id, version), …]) of every push that has arrived."""
        pushes = []
        while (message := self._pubsub.get_message(timeout=0.2)) is not None:
            head, _, body = message["data"].partition(b"\n")
            view = MessagesView.FromString(body)
            pushes.append((int(head[1:]), [(m.id, m.version) for m in view.messages]))
        return pushes

    def close(self) -> None:
        self._pubsub.close()


def mailbox(chat: Chat, user: str) -> list[Row]:
    return sync(chat.core.shards.of_user(user), user, 0, 10_000)


def do_recall(chat: Chat, user: str, message: str) -> None:
    recall(chat.core, NoWaker(), user, im_pb2.RecallRequest(id=message))  # type: ignore[arg-type]


def test_both_mailboxes_hold_every_message_once_and_in_order(
    chat: Chat, pair: tuple[str, str]
) -> None:
    sender, receiver = pair
    sent = [chat.send(sender, receiver, str(n)).id for n in range(7)]
    chat.deliver(sender)
    for user in pair:
        assert [row.id.hex() for row in mailbox(chat, user)] == sent


def test_effects_on_both_sides(chat: Chat, pair: tuple[str, str]) -> None:
    sender, receiver = pair
    for user in pair:
        assert chat.core.contacts.entries(user) == []
    last = [chat.send(sender, receiver, str(n)) for n in range(3)][-1]
    chat.deliver(sender)
    (of_sender,) = chat.core.contacts.entries(sender)
    (of_receiver,) = chat.core.contacts.entries(receiver)
    assert (of_sender.peer, of_sender.last_id, of_sender.unread) == (receiver, last.id, 0)
    assert (of_receiver.peer, of_receiver.last_id, of_receiver.unread) == (sender, last.id, 3)


def test_pushes_chain_from_version_to_version(chat: Chat, pair: tuple[str, str]) -> None:
    """Invariant: each push names the version before it, so that a client sees every hole."""
    sender, receiver = pair
    listener = Listener(chat, receiver)
    sent = []
    for n in range(3):
        sent.append(chat.send(sender, receiver, str(n)).id)
        chat.deliver(sender)
    pushes = listener.messages()
    listener.close()
    assert [id_ for _, messages in pushes for id_, _ in messages] == sent
    cursor = 0
    for previous, messages in pushes:
        assert previous == cursor
        cursor = messages[-1][1]
    assert cursor == mailbox(chat, receiver)[-1].version


def test_a_push_after_redis_forgot_still_names_the_version_before(
    chat: Chat, pair: tuple[str, str]
) -> None:
    sender, receiver = pair
    chat.send(sender, receiver)
    chat.deliver(sender)
    before = mailbox(chat, receiver)[-1].version
    chat.core.redis.flushdb()
    listener = Listener(chat, receiver)
    chat.send(sender, receiver)
    chat.deliver(sender)
    ((previous, _),) = listener.messages()
    listener.close()
    assert previous == before


def test_a_message_to_oneself_is_one_row_and_never_unread(
    chat: Chat, user_in: Callable[[int], str]
) -> None:
    user = user_in(0)
    stored = chat.send(user, user, "note")
    chat.deliver(user)
    assert [row.id.hex() for row in mailbox(chat, user)] == [stored.id]
    (entry,) = chat.core.contacts.entries(user)
    assert (entry.peer, entry.unread) == (user, 0)


def test_recall_reaches_both_mailboxes_and_the_caches(chat: Chat, pair: tuple[str, str]) -> None:
    sender, receiver = pair
    chat.core.contacts.entries(receiver)
    first, second = chat.send(sender, receiver, "keep"), chat.send(sender, receiver, "secret")
    chat.deliver(sender)
    before = mailbox(chat, receiver)[-1].version
    listener = Listener(chat, receiver)

    do_recall(chat, sender, second.id)
    chat.deliver(sender)

    for user in pair:
        kept, recalled = mailbox(chat, user)
        assert (kept.id.hex(), recalled.id.hex()) == (first.id, second.id)
        assert kept.withdraw_time == 0
        assert recalled.withdraw_time > 0
        assert recalled.content == b""
    ((previous, ((id_, version),)),) = listener.messages()
    listener.close()
    assert (id_, previous) == (second.id, before)
    assert version > before
    (entry,) = chat.core.contacts.entries(receiver)
    assert (entry.last_id, entry.unread) == (second.id, 1)
    assert not entry.last.content
    everything = b"".join(
        chat.core.redis.dump(key) or b"" for key in chat.core.redis.scan_iter("contacts:*")
    )
    assert b"secret" not in everything


def test_a_recall_before_the_delivery_never_shows_the_content(
    chat: Chat, pair: tuple[str, str]
) -> None:
    sender, receiver = pair
    chat.core.contacts.entries(receiver)
    stored = chat.send(sender, receiver, "oops")
    do_recall(chat, sender, stored.id)
    chat.deliver(sender)
    (row,) = mailbox(chat, receiver)
    assert row.content == b""
    assert row.withdraw_time > 0
    assert chat.core.contacts.entries(receiver)[0].unread == 0


def test_recall_is_repeatable(chat: Chat, pair: tuple[str, str]) -> None:
    sender, receiver = pair
    stored = chat.send(sender, receiver)
    for _ in range(3):
        do_recall(chat, sender, stored.id)
        chat.deliver(sender)
    assert len(mailbox(chat, sender)) == len(mailbox(chat, receiver)) == 1


@pytest.mark.parametrize("held", ["sender's shard", "both shards"])
@pytest.mark.parametrize("line", ["read", "copy", "effects", "advance"])
def test_dying_after_any_line_loses_and_doubles_nothing(
    chat: Chat, pair: tuple[str, str], line: str, held: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Invariant: whatever a dead run has done, the next one makes it whole."""
    sender, receiver = pair
    hold = pair if held == "both shards" else (sender,)
    chat.core.contacts.entries(receiver)
    sent = [chat.send(sender, receiver, str(n)).id for n in range(5)]

    class Died(Exception):
        pass

    def dying(method: Callable[..., Any]) -> Callable[..., Any]:
        def die(*args: Any, **kwargs: Any) -> Any:
            method(*args, **kwargs)
            raise Died

        return die

    target, name = {
        "read": (Run, "_read"),
        "copy": (Run, "_copy"),
        "effects": (Effects, "apply"),
        "advance": (Run, "advance"),
    }[line]
    with monkeypatch.context() as patch:
        patch.setattr(target, name, dying(getattr(target, name)))
        with pytest.raises(Died):
            chat.deliver(*hold)

    chat.deliver(sender)
    chat.deliver(receiver)
    for user in pair:
        assert [row.id.hex() for row in mailbox(chat, user)] == sent
    assert chat.core.contacts.entries(receiver)[0].unread == 5
    assert chat.deliverer.sweep() == []


def test_deliveries_in_any_order_and_at_once(chat: Chat, user_in: Callable[[int], str]) -> None:
    """Tasks are duplicated, shuffled and run side by side, with and without the lock."""
    users = [user_in(shard) for shard in range(4)]
    for user in users:
        chat.core.contacts.entries(user)
    sent: dict[tuple[str, str], list[str]] = {}
    for n in range(15):
        for sender in users:
            receiver = users[(users.index(sender) + 1 + n % 3) % 4]
            sent.setdefault((sender, receiver), []).append(chat.send(sender, receiver, str(n)).id)

    def run(shards: list[int], unlocked: bool) -> None:
        own = Chat(chat.core)
        for shard in shards:
            if unlocked:
                own.core.redis.delete(keys.shard_lock(shard))
            own.deliverer.deliver([shard])

    orders = [[3, 1, 0, 2], [0, 1, 2, 3], [2, 2, 3, 0, 1], [1, 0]]
    threads = [
        threading.Thread(target=run, args=(order, index % 2 == 1))
        for index, order in enumerate(orders)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    chat.deliver_all()

    for (sender, receiver), ids in sent.items():
        for user in (sender, receiver):
            found = [
                row.id.hex()
                for row in mailbox(chat, user)
                if (row.sender, row.receiver) == (sender, receiver)
            ]
            assert found == ids
    for user in users:
        got = {entry.peer: entry.unread for entry in chat.core.contacts.entries(user)}
        for peer in got:
            assert got[peer] == len(sent.get((peer, user), []))


def test_the_sweep_finds_what_no_task_was_sent_for(chat: Chat, pair: tuple[str, str]) -> None:
    sender, receiver = pair
    chat.send(sender, receiver)
    shard = chat.core.shards.of_user(sender).number
    assert shard in chat.deliverer.sweep()
    chat.deliverer.deliver(chat.deliverer.sweep())
    assert chat.deliverer.sweep() == []
    assert len(mailbox(chat, receiver)) == 1


def test_a_shard_marked_while_it_is_held_is_looked_at_again(
    chat: Chat, pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task that finds the lock taken leaves; the holder must not miss what it came for."""
    sender, receiver = pair
    shard = chat.core.shards.of_user(sender).number
    original = Run.advance
    late: list[str] = []

    def advance(run: Run) -> None:
        original(run)
        if not late:  # the log was read to its end; now one more message arrives
            late.append(chat.send(sender, receiver, "late").id)
            call(chat.core.scripts, [shard])
            Chat(chat.core).deliverer.deliver([shard])

    monkeypatch.setattr(Run, "advance", advance)
    chat.send(sender, receiver, "early")
    left = chat.deliverer.deliver([shard])
    assert left == [shard]
    chat.deliver(sender)
    assert [row.id.hex() for row in mailbox(chat, receiver)][-1] == late[0]
    assert chat.deliverer.sweep() == []


def test_only_who_makes_a_shard_dirty_enqueues(chat: Chat) -> None:
    assert call(chat.core.scripts, [0, 1]) == [0, 1]
    assert call(chat.core.scripts, [0, 1, 2]) == [2]
    chat.deliver_all()
    assert call(chat.core.scripts, [0]) == [0]


def test_the_next_send_heals_what_a_dead_delivery_was_left_with(
    chat: Chat, pair: tuple[str, str]
) -> None:
    # Given a shard that was marked while a delivery had it, which died without looking
    shard = chat.core.shards.of_user(pair[0]).number
    run = chat.deliverer._run()
    run.take([shard])
    assert call(chat.core.scripts, [shard]) == []
    assert call(chat.core.scripts, [shard]) == []

    # When its lock has expired
    chat.core.redis.delete(keys.shard_lock(shard))

    # Then
    assert call(chat.core.scripts, [shard]) == [shard]
    assert call(chat.core.scripts, [shard]) == []


def test_the_next_send_heals_a_lost_task(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    assert call(chat.core.scripts, [0, 1]) == [0, 1]
    assert call(chat.core.scripts, [0, 1]) == []
    monkeypatch.setattr("models.wake.LOST_MS", -1)
    assert call(chat.core.scripts, [0, 1]) == [0, 1]


def test_shards_beyond_one_deliverys_share_get_a_task(
    core: Core, user_in: Callable[[int], str]
) -> None:
    """Two shards may be held; what is copied into others is called for, and nothing spins."""
    called: list[int] = []
    settings = core.settings.model_copy(update={"deliver_shards_max": 2})
    deliverer = Deliverer(
        settings, core.shards, core.redis, core.scripts, core.metrics, 0.3, called.extend
    )
    chat = Chat(core)
    senders = {shard: user_in(shard) for shard in range(4)}
    for shard in range(4):
        chat.send(senders[shard], senders[(shard + 1) % 4])
    left = deliverer.deliver([0, 1])
    assert sorted(set(called)) == [2]
    assert len(called) == 1
    while left or called:
        todo = {*left, *called}
        called.clear()
        left = deliverer.deliver(todo)
    chat.deliver_all()
    for shard in range(4):
        assert len(mailbox(chat, senders[shard])) == 2


def test_a_long_delivery_goes_on_in_the_next_task(
    chat: Chat, pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sender, receiver = pair
    chat.send(sender, receiver)
    monkeypatch.setattr("models.deliver.RUN_MAX_S", 0.0)
    left = chat.deliverer.deliver(chat.deliverer.sweep())
    assert chat.core.shards.of_user(receiver).number in left
    monkeypatch.undo()
    chat.deliverer.deliver(left)
    assert chat.deliverer.sweep() == []
    assert len(mailbox(chat, receiver)) == 1


def test_a_row_that_cannot_be_copied_holds_up_nobody(
    chat: Chat, user_in: Callable[[int], str]
) -> None:
    """The sender's database lost a row that was delivered, and the client sends it again."""
    # Given
    alice, bob, carol = user_in(0), user_in(1), user_in(1)
    chat.send(alice, bob, "lost", sequence="again")
    chat.deliver_all()
    shard = chat.core.shards.of_user(alice)
    shard.database.execute(f"DELETE FROM {shard.table} WHERE sender = %s", (alice,))

    # When
    chat.send(alice, bob, "lost", sequence="again")
    behind = chat.send(alice, carol, "behind it").id
    chat.deliver_all()

    # Then: bob has it once, and everything behind it is delivered
    assert len(mailbox(chat, bob)) == 1
    assert [row.id.hex() for row in mailbox(chat, carol)] == [behind]
    assert chat.deliverer.sweep() == []


def test_who_only_seems_to_listen_is_not_relied_on(
    chat: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    redis = chat.core.redis
    with redis.pubsub(ignore_subscribe_messages=True) as pubsub:
        # Given somebody on the channel who is no delivery
        pubsub.subscribe(keys.WAKE)
        pubsub.get_message(timeout=5)
        assert call(chat.core.scripts, [0]) == [0]

        # When it is one, it is relied on
        redis.delete(keys.DIRTY)
        redis.set(keys.LISTENER, "frozen", px=60_000)
        assert call(chat.core.scripts, [0]) == []
        assert call(chat.core.scripts, [0]) == []

        # Then: for no longer than a task, as it may be frozen
        monkeypatch.setattr("models.wake.LOST_MS", -1)
        assert call(chat.core.scripts, [0]) == [0]
        redis.delete(keys.LISTENER)
