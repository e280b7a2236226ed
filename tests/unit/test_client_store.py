"""The local store: each event once and in order, whatever comes twice, late, or in pieces."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from im_client._proto import im_pb2
from im_client.errors import MaybeSent, StoreInUse, StoreTooNew, WrongUser
from im_client.events import AckedEvent, FailedEvent, GroupEvent, MessageEvent, ReadEvent, Stored
from im_client.model import GROUP, Conversation
from im_client.store import Store, database, outbox

BOB = Conversation.person("bob")
GROUP_G = Conversation.group("g")


@pytest.fixture
def store() -> Iterator[Store]:
    opened = Store(":memory:", "alice")
    yield opened
    opened.close()


def message(version: int, *, sender: str = "bob", number: int = 0, gone: int = 0) -> im_pb2.Message:
    """A message of bob and alice; `number` makes its id, by default that of its version."""
    receiver = "alice" if sender == "bob" else "bob"
    made = im_pb2.Message(
        id=f"{number or version:032x}",
        version=version,
        sender=sender,
        receiver=receiver,
        send_time=1000 + version,
        withdraw_time=gone,
    )
    if not gone:
        made.content.text.text = f"text {number or version}"
    return made


def drain(store: Store) -> list[Stored]:
    """All events, told."""
    found: list[Stored] = []
    while events := store.next_events(3):
        for event in events:
            store.told(event.number)
        found += events
    return found


def messages_of(events: list[Stored]) -> list[tuple[str, bool]]:
    return [
        (event.message.id, event.message.recalled)
        for event in events
        if isinstance(event, MessageEvent)
    ]


@given(st.lists(st.tuples(st.integers(0, 8), st.integers(1, 9)), max_size=30))
def test_overlapping_pieces_of_a_log_are_told_once_in_order(pieces: list[tuple[int, int]]) -> None:
    store = Store(":memory:", "alice")
    log = [message(version) for version in range(1, 21)]
    # When pieces come that overlap and repeat, none of them beyond the cursor
    reached = 0
    for back, size in pieces:
        start = max(0, reached - back)
        store.logs.take(log[start : start + size])
        reached = max(reached, min(len(log), start + size))
    # Then each is told once, in the order of the log
    assert messages_of(drain(store)) == [(one.id, False) for one in log[:reached]]
    assert store.logs.cursor == reached
    store.close()


def test_what_lies_before_the_first_meeting_is_not_told(store: Store) -> None:
    store.logs.first_seen(2)
    store.logs.first_seen(9)  # only the first time counts
    store.logs.take([message(1), message(2), message(3)])
    assert [one for one, _ in messages_of(drain(store))] == [f"{3:032x}"]
    assert len(store.logs.messages(BOB, "", 10)) == 3


def test_a_recall_is_told_once_more_and_wipes(store: Store) -> None:
    store.logs.take([message(1)])
    recalled = message(2, number=1, gone=5)
    store.logs.take([recalled])
    store.logs.take([recalled])
    assert messages_of(drain(store)) == [(f"{1:032x}", False), (f"{1:032x}", True)]
    (kept,) = store.logs.messages(BOB, "", 10)
    assert kept.recalled
    assert kept.text == ""


def test_history_shown_before_its_push_does_not_swallow_the_event(store: Store) -> None:
    store.logs.take_history(BOB, [message(5)])
    assert drain(store) == []
    store.logs.take([message(5)])
    assert messages_of(drain(store)) == [(f"{5:032x}", False)]


def test_an_acknowledged_message_is_there_before_its_log_shows_it(store: Store) -> None:
    content = im_pb2.Content(text=im_pb2.Text(text="mine"))
    key = store.outbox.put(BOB, content, 1, "k")
    assert store.outbox.put(BOB, content, 1, "k") == key  # repeated: queued once
    (head,) = store.outbox.heads()
    store.outbox.acked(head.number, f"{7:032x}", 70)
    store.outbox.acked(head.number, f"{7:032x}", 70)
    assert [one.text for one in store.logs.messages(BOB, "", 10)] == ["mine"]
    pushed = message(7, sender="alice")
    store.logs.take([pushed])
    events = drain(store)
    assert [type(event) for event in events] == [AckedEvent, MessageEvent]
    assert isinstance(events[1], MessageEvent)
    assert events[1].own
    assert store.outbox.heads() == []
    assert store.outbox.queued() == []


def test_a_refused_message_stays_until_forgotten(store: Store) -> None:
    key = store.outbox.put(BOB, im_pb2.Content(text=im_pb2.Text(text="x")), 1)
    store.outbox.failed(store.outbox.heads()[0].number, "BLOCKED", "no")
    assert [type(event) for event in drain(store)] == [FailedEvent]
    assert [one.error for one in store.outbox.queued(BOB)] == ["BLOCKED"]
    assert store.outbox.heads() == []
    assert store.outbox.forget(key)
    assert store.outbox.queued() == []


def test_a_key_of_the_callers_own_is_never_sent_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a message under a key, and many behind it
    monkeypatch.setattr(outbox, "_KEPT", 3)
    content = im_pb2.Content(text=im_pb2.Text(text="x"))
    others = []
    store.outbox.put(BOB, content, 1, "invoice")
    for number in range(1, 9):
        store.outbox.acked(store.outbox.heads()[0].number, f"{number:032x}", number)
        others.append(store.outbox.put(BOB, content, 1))
    # When it is used again
    store.outbox.put(BOB, content, 1, "invoice")
    # Then nothing is sent twice; what had no key of its own is forgotten at last
    assert [waiting.key for waiting in store.outbox.queued()] == [others[-1]]
    assert store.outbox.outcome(others[0]) is None


def test_one_head_for_each_conversation_the_oldest_first(store: Store) -> None:
    for key, target in (("1", BOB), ("2", BOB), ("3", GROUP_G)):
        store.outbox.put(target, im_pb2.Content(text=im_pb2.Text(text=key)), 1, key)
    assert [head.request.content.text.text for head in store.outbox.heads()] == ["1", "3"]
    store.outbox.acked(store.outbox.heads()[0].number, f"{1:032x}", 1)
    assert [head.request.content.text.text for head in store.outbox.heads()] == ["2", "3"]


def test_a_conversation_behind_a_thousand_messages_of_others_is_sent(store: Store) -> None:
    for number in range(1000):
        store.outbox.put(BOB, im_pb2.Content(text=im_pb2.Text(text="many")), 1, f"{number}")
    store.outbox.put(GROUP_G, im_pb2.Content(text=im_pb2.Text(text="one")), 1, "one")
    assert [head.conversation for head in store.outbox.heads()] == [BOB, GROUP_G]
    assert [head.conversation for head in store.outbox.heads(1)] == [BOB]


def test_what_was_never_on_its_way_is_taken_back(store: Store) -> None:
    content = im_pb2.Content(text=im_pb2.Text(text="x"))
    store.outbox.put(BOB, content, 1, "waits")
    store.outbox.put(GROUP_G, content, 1, "tried")
    # When one of them goes onto the wire
    waits, tried = (head.number for head in store.outbox.heads())
    assert store.outbox.begin(tried)
    assert store.outbox.begin(tried), "it may be sent again"
    # Then the other can be taken back, and is not sent after that
    assert [(one.key, one.maybe_sent) for one in store.outbox.queued()] == [
        ("waits", False),
        ("tried", True),
    ]
    assert store.outbox.forget("waits")
    assert not store.outbox.begin(waits)
    with pytest.raises(MaybeSent):
        store.outbox.forget("tried")
    # And a stored one is neither waiting nor there to be forgotten
    store.outbox.acked(tried, f"{7:032x}", 1)
    assert not store.outbox.forget("tried")
    assert not store.outbox.forget("never used")


def test_unread_is_counted_over_messages_and_read_positions(store: Store) -> None:
    store.logs.take([message(1), message(2, sender="alice"), message(3), message(4)])
    (contact,) = store.conversations.contacts()
    assert contact.unread == 3
    store.conversations.read(BOB, "alice", f"{3:032x}")
    store.conversations.read(BOB, "alice", f"{1:032x}")  # late news
    store.logs.take([message(5, number=4, gone=9)])  # the unread one is recalled
    (contact,) = store.conversations.contacts()
    assert contact.unread == 0
    assert contact.last is not None
    assert contact.last.recalled
    reads = [event for event in drain(store) if isinstance(event, ReadEvent)]
    assert [(one.message_id, one.unread) for one in reads] == [(f"{3:032x}", 1)]


def test_groups_are_joined_and_left_once(store: Store) -> None:
    said = message(3)
    said.type = GROUP
    store.logs.join("g")
    store.logs.join("g")
    store.logs.take_group("g", [said], 4)
    store.logs.take_group("g", [said], 4)
    store.logs.take_group("g", [], 5, gone=True)
    store.logs.take_group("g", [message(6)], 6, gone=True)
    kinds = [
        (event.joined if isinstance(event, GroupEvent) else "message") for event in drain(store)
    ]
    assert kinds == [True, "message", False]
    assert store.logs.group_cursors() == {}
    assert store.conversations.contacts() == []  # who left does not see it in the list
    store.logs.join("g")
    assert store.logs.group_cursors() == {"g": 0}


def test_a_deleted_conversation_is_forgotten_up_to_a_message(store: Store) -> None:
    store.logs.take([message(1), message(2), message(3)])
    store.conversations.clear(BOB, f"{3:032x}")
    assert [one.id for one in store.logs.messages(BOB, "", 9)] == [f"{3:032x}"]
    store.conversations.clear(BOB, f"{3:032x}g")
    assert store.conversations.contacts() == []


def test_a_store_is_of_one_process_one_user_and_no_newer_schema(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    first = Store(path, "alice")
    for file in tmp_path.iterdir():
        assert file.stat().st_mode & 0o077 == 0, f"{file.name} is nobody else's"
    with pytest.raises(StoreInUse):
        Store(path, "alice")
    first.close()
    with pytest.raises(WrongUser):
        Store(path, "bob")
    Store(path, "alice").close()
    with sqlite3.connect(path) as raw:
        raw.execute("PRAGMA user_version = 99")
    raw.close()
    with pytest.raises(StoreTooNew):
        Store(path, "alice")


def test_event_numbers_are_never_used_twice(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store = Store(path, "alice")
    store.logs.take([message(1)])
    (first,) = drain(store)
    store.close()
    store = Store(path, "alice")
    store.logs.take([message(2)])
    (second,) = drain(store)
    assert second.number > first.number
    store.close()


def test_a_store_made_before_deletions_were_asked_about_doubts_nothing_of_what_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "store.db"
    with monkeypatch.context() as before:
        before.setattr(database, "MIGRATIONS", database.MIGRATIONS[:1])
        raw = database.Database(path)
        raw.run(
            "INSERT INTO conversation (type, peer, last_id) VALUES (0, 'bob', ?)", ("0" * 31 + "1",)
        )
        raw.close()
    store = Store(path, "alice")
    assert store.conversations.doubtful() == []
    store.logs.take([message(2)])
    assert store.conversations.doubtful() == [BOB]
    store.close()


def test_an_older_store_is_brought_up_to_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a store of this version
    path = tmp_path / "store.db"
    old = Store(path, "alice")
    old.logs.take([message(1)])
    old.outbox.put(BOB, im_pb2.Content(text=im_pb2.Text(text="waits")), 1, "k")
    old.close()
    # When a later version with one more step opens it, twice
    step = ("ALTER TABLE message ADD COLUMN flag INTEGER NOT NULL DEFAULT 0",)
    later = (*database.MIGRATIONS, step)
    monkeypatch.setattr(database, "MIGRATIONS", later)
    for _ in range(2):
        store = Store(path, "alice")
        # Then everything is still there
        assert [one.text for one in store.logs.messages(BOB, "", 9)] == ["text 1"]
        assert [one.key for one in store.outbox.queued()] == ["k"]
        assert store.logs.cursor == 1
        store.close()
    # And a step that fails leaves it as it was
    monkeypatch.setattr(database, "MIGRATIONS", (*later, ("CREATE TABLE more (x)", "nonsense")))
    with pytest.raises(sqlite3.OperationalError):
        Store(path, "alice")
    monkeypatch.setattr(database, "MIGRATIONS", later)
    Store(path, "alice").close()
