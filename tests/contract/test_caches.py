"""Contact list, unread counts and marks: always what MySQL says, whatever happened to Redis."""

import random
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from models import keys
from models.contacts import Contacts
from models.conversations import Marks
from models.core import Core
from models.errors import Code, IMError
from models.shards import Shard
from models.usecases import conversations, reading
from models.usecases.recall import recall
from proto import im_pb2
from tests.contract.conftest import Chat

STEPS = 150


class NoWaker:
    def wake(self, shards: object) -> None:
        pass


@dataclass
class Sent:
    id: str
    sender: str
    receiver: str
    recalled: bool = False
    hidden_from: set[str] = field(default_factory=set)
    read: bool = False


class Model:
    """What users should see, kept in plain lists."""

    def __init__(self) -> None:
        self.messages: list[Sent] = []

    def contacts(self, user: str) -> dict[str, tuple[str, int]]:
        """peer → (id of the last message, unread)."""
        shown: dict[str, tuple[str, int]] = {}
        for message in self.messages:
            if user not in (message.sender, message.receiver) or user in message.hidden_from:
                continue
            peer = message.receiver if message.sender == user else message.sender
            last, unread = shown.get(peer, ("", 0))
            mine = message.sender == user
            counts = not (mine or message.read or message.recalled)
            shown[peer] = (max(last, message.id), unread + counts)
        return shown


def seen(core: Core, user: str) -> dict[str, tuple[str, int]]:
    return {e.peer: (e.last_id, e.unread) for e in core.contacts.entries(user)}


def conversation(model: Model, user: str, peer: str) -> list[Sent]:
    return [m for m in model.messages if {m.sender, m.receiver} == {user, peer}]


@pytest.mark.parametrize("seed", range(6))
def test_random_operations_against_a_model(chat: Chat, seed: int) -> None:
    """Sends, reads, recalls, deletions, deliveries and lost keys in any order."""
    rng = random.Random(seed)
    core, model = chat.core, Model()
    users = [f"m{seed}-{secrets.token_hex(4)}-{n}" for n in range(4)]

    def send() -> None:
        sender, receiver = rng.sample(users, 2)
        stored = chat.send(sender, receiver, f"{rng.random()}")
        model.messages.append(Sent(stored.id, sender, receiver))

    def deliver() -> None:
        chat.deliver(*rng.sample(users, rng.randint(1, 4)))

    def read() -> None:
        user, peer = rng.sample(users, 2)
        got = [m for m in conversation(model, user, peer) if m.receiver == user]
        if not got:
            return
        chat.deliver_all()  # one can only read what has arrived
        upto = rng.choice(got)
        request = im_pb2.ReadRequest(peer=peer, id=upto.id)
        answer = conversations.read(core, user, request)
        for message in got:
            if message.id <= upto.id:
                message.read = True
        left = [m for m in got if not (m.read or m.recalled or user in m.hidden_from)]
        assert answer.unread == len(left)

    def do_recall() -> None:
        if model.messages:
            message = rng.choice(model.messages)
            request = im_pb2.RecallRequest(id=message.id)
            recall(core, NoWaker(), message.sender, request)  # type: ignore[arg-type]
            message.recalled = True

    def delete() -> None:
        user, peer = rng.sample(users, 2)
        chat.deliver_all()
        messages = conversation(model, user, peer)
        request = im_pb2.DeleteConversationRequest(peer=peer)
        if not messages:
            with pytest.raises(IMError):
                conversations.delete_conversation(core, user, request)
            return
        conversations.delete_conversation(core, user, request)
        for message in messages:
            message.hidden_from.add(user)
            message.read |= message.receiver == user

    def clear() -> None:
        user = rng.choice(users)
        chat.deliver_all()
        conversations.clear_conversations(core, user, im_pb2.ClearConversationsRequest())
        for message in model.messages:
            if user in (message.sender, message.receiver):
                message.hidden_from.add(user)
                message.read |= message.receiver == user

    def lose_a_key() -> None:
        user = rng.choice(users)
        name = rng.choice([keys.latest, keys.contacts, keys.unread, keys.marks, keys.lease])
        core.redis.delete(name(user))

    def flush() -> None:
        core.redis.flushdb()

    def look() -> None:
        user = rng.choice(users)
        chat.deliver_all()
        assert seen(core, user) == model.contacts(user)

    weights = {send: 12, deliver: 6, read: 4, do_recall: 3, look: 5, lose_a_key: 4}
    weights |= {delete: 1, clear: 1, flush: 1}
    for _ in range(STEPS):
        rng.choices(list(weights), list(weights.values()))[0]()
    chat.deliver_all()
    for user in users:
        assert seen(core, user) == model.contacts(user)  # from Redis
    core.redis.flushdb()
    for user in users:
        assert seen(core, user) == model.contacts(user)  # from MySQL


def test_rebuilding_while_messages_are_delivered_counts_each_once(
    chat: Chat, pair: tuple[str, str]
) -> None:
    """Invariant: a rebuild neither misses nor repeats a row that is delivered meanwhile."""
    sender, receiver = pair
    total = 120
    done = threading.Event()

    def write() -> None:
        own = Chat(chat.core)
        for n in range(total):
            own.send(sender, receiver, str(n), f"w-{n}")
            own.deliver(sender)
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not done.is_set():
        chat.core.redis.delete(keys.unread(receiver))
        for entry in chat.core.contacts.entries(receiver):
            assert entry.unread <= total
    writer.join()
    chat.deliver_all()
    assert seen(chat.core, receiver)[sender][1] == total
    chat.core.redis.flushdb()
    assert seen(chat.core, receiver)[sender][1] == total


def test_reading_while_messages_arrive_leaves_the_right_count(
    chat: Chat, pair: tuple[str, str]
) -> None:
    sender, receiver = pair
    chat.core.contacts.entries(receiver)
    ids = [chat.send(sender, receiver, "0").id]
    chat.deliver(sender)
    done = threading.Event()

    def write() -> None:
        own = Chat(chat.core)
        for n in range(60):
            ids.append(own.send(sender, receiver, str(n), f"r-{n}").id)
            own.deliver(sender)
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    last = ids[0]
    while not done.is_set():
        (entry,) = chat.core.contacts.entries(receiver)
        last = entry.last_id
        conversations.read(chat.core, receiver, im_pb2.ReadRequest(peer=sender, id=last))
    writer.join()
    chat.deliver_all()
    expected = len([message for message in ids if message > last])
    assert seen(chat.core, receiver)[sender][1] == expected
    chat.core.redis.flushdb()
    assert seen(chat.core, receiver)[sender][1] == expected


def test_a_rebuild_that_a_delivery_overtakes_starts_over(
    chat: Chat, pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sender, receiver = pair
    chat.send(sender, receiver)
    chat.deliver(sender)
    original = Contacts._build
    builds: list[str] = []

    def build(contacts: Contacts, user: str) -> object:
        built = original(contacts, user)
        if not builds:  # MySQL was read; now one more arrives, and the hashes are still missing
            chat.send(sender, receiver)
            chat.deliver(sender)
        builds.append(user)
        return built

    monkeypatch.setattr(Contacts, "_build", build)
    assert seen(chat.core, receiver)[sender][1] == 2
    assert seen(chat.core, receiver)[sender][1] == 2
    assert builds == [receiver, receiver]


def test_a_read_that_a_delivery_overtakes_counts_again(
    chat: Chat, pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sender, receiver = pair
    first = chat.send(sender, receiver)
    chat.deliver(sender)
    chat.core.contacts.entries(receiver)
    original = conversations.count_unread_with
    counts: list[int] = []

    def count(shard: Shard, user: str, peer: str, as_of: int) -> tuple[int, bytes]:
        counted = original(shard, user, peer, as_of)
        if not counts:
            chat.send(sender, receiver)
            chat.deliver(sender)
        counts.append(counted[0])
        return counted

    monkeypatch.setattr(conversations, "count_unread_with", count)
    answer = conversations.read(chat.core, receiver, im_pb2.ReadRequest(peer=sender, id=first.id))
    assert answer.unread == 1
    assert counts == [0, 1]
    assert seen(chat.core, receiver)[sender][1] == 1


def test_what_was_read_before_its_delivery_is_not_unread(
    chat: Chat, user_in: Callable[[int], str]
) -> None:
    """A client may sync and read a row that no delivery run has come to yet."""
    sender, receiver = user_in(0), user_in(0)
    chat.core.contacts.entries(receiver)
    stored = chat.send(sender, receiver)
    conversations.read(chat.core, receiver, im_pb2.ReadRequest(peer=sender, id=stored.id))
    chat.deliver(sender)
    assert seen(chat.core, receiver) == {sender: (stored.id, 0)}


def test_what_was_cleared_before_its_delivery_stays_hidden(
    chat: Chat, user_in: Callable[[int], str]
) -> None:
    sender, receiver = user_in(0), user_in(0)
    chat.core.contacts.entries(receiver)
    stored = chat.send(sender, receiver)
    # As a rebuild leaves it that read the log's end before the message and the marks behind it.
    raw = bytes.fromhex(stored.id)
    cleared = Marks(raw, bytes(16), raw).to_cache()
    chat.core.redis.hset(keys.marks(receiver), keys.conversation(0, sender), cleared)
    chat.deliver(sender)
    assert seen(chat.core, receiver) == {}


def test_a_redis_that_went_back_in_time_is_not_believed(chat: Chat, pair: tuple[str, str]) -> None:
    """As after a restart from an old snapshot, or when a replica that lagged took over."""
    sender, receiver = pair
    redis = chat.core.redis
    chat.core.contacts.entries(receiver)
    chat.send(sender, receiver)
    chat.deliver(sender)
    names = [name(receiver) for name in (keys.latest, keys.contacts, keys.unread, keys.marks)]
    snapshot = {name: redis.dump(name) for name in names}
    for _ in range(3):
        chat.send(sender, receiver)
        chat.deliver(sender)
    for name, value in snapshot.items():
        redis.restore(name, 0, value, replace=True)
    redis.set(keys.SERVER, "the one before")

    chat.send(sender, receiver)
    chat.deliver(sender)
    assert seen(chat.core, receiver)[sender][1] == 5


def test_a_deleted_conversation_is_hidden_everywhere_until_the_next_message(
    chat: Chat, pair: tuple[str, str]
) -> None:
    sender, receiver = pair
    for n in range(3):
        chat.send(sender, receiver, str(n))
        chat.send(receiver, sender, str(n))
    chat.deliver_all()
    request = im_pb2.DeleteConversationRequest(peer=sender)
    conversations.delete_conversation(chat.core, receiver, request)
    history = im_pb2.HistoryRequest(peer=sender)
    assert not reading.history(chat.core, receiver, history).messages
    assert not reading.sync(chat.core, receiver, im_pb2.SyncRequest()).messages
    assert seen(chat.core, receiver) == {}
    assert len(reading.sync(chat.core, sender, im_pb2.SyncRequest()).messages) == 6

    stored = chat.send(sender, receiver, "again")
    chat.deliver_all()
    assert seen(chat.core, receiver) == {sender: (stored.id, 1)}
    (message,) = reading.history(chat.core, receiver, history).messages
    assert message.id == stored.id


def test_reading_checks_the_conversation(chat: Chat, pair: tuple[str, str]) -> None:
    sender, receiver = pair
    stored = chat.send(sender, receiver)
    chat.deliver_all()
    for user, peer, message in (
        (receiver, "somebody-else", stored.id),
        (receiver, sender, "0" * 32),
        (f"x{secrets.token_hex(6)}", sender, stored.id),
    ):
        with pytest.raises(IMError) as caught:
            conversations.read(chat.core, user, im_pb2.ReadRequest(peer=peer, id=message))
        assert caught.value.code is Code.NOT_FOUND


def test_peers_see_how_far_they_were_read(chat: Chat, pair: tuple[str, str]) -> None:
    sender, receiver = pair
    stored = chat.send(sender, receiver)
    chat.deliver_all()
    conversations.read(chat.core, receiver, im_pb2.ReadRequest(peer=sender, id=stored.id))
    assert chat.core.contacts.peers_read(sender, [receiver]) == {receiver: stored.id}
    chat.core.redis.flushdb()
    assert chat.core.contacts.peers_read(sender, [receiver]) == {receiver: stored.id}


def test_history_pages_without_gap_or_repetition(chat: Chat, pair: tuple[str, str]) -> None:
    sender, receiver = pair
    sent = []
    for n in range(23):
        a, b = (sender, receiver) if n % 3 else (receiver, sender)
        sent.append(chat.send(a, b, str(n)).id)
    chat.deliver_all()
    found: list[str] = []
    before = ""
    while True:
        request = im_pb2.HistoryRequest(peer=sender, before=before, limit=5)
        page = reading.history(chat.core, receiver, request)
        found += [message.id for message in page.messages]
        if not page.more:
            break
        before = page.messages[-1].id
    assert found == sorted(sent, reverse=True)


def test_sync_pages_by_size_and_by_count(chat: Chat, pair: tuple[str, str]) -> None:
    sender, receiver = pair
    sent = [chat.send(sender, receiver, "x" * 7000).id for _ in range(20)]
    chat.deliver_all()
    found: list[str] = []
    cursor, pages = 0, 0
    while True:
        answer = reading.sync(chat.core, receiver, im_pb2.SyncRequest(cursor=cursor))
        assert answer.ByteSize() < 64 * 1024
        found += [message.id for message in answer.messages]
        cursor, pages = answer.cursor, pages + 1
        if not answer.more:
            break
    assert found == sent
    assert pages > 2
