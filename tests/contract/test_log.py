"""The commit-ordered log: order, deduplication, atomicity."""

import threading
from collections.abc import Callable

import pymysql
import pytest

from models.append import Stored
from models.core import Core
from models.errors import Code, IMError
from models.ids import message_id
from models.log import Birth, Entry, Row, append_statements, read_forward
from models.mailbox import sync
from models.mysql import Connection
from models.shards import Shard
from tests.contract.conftest import Chat

WRITERS = 6
MESSAGES_EACH = 60


def test_a_cursor_reader_misses_nothing_while_many_write(
    chat: Chat, user_in: Callable[[int], str]
) -> None:
    """Invariant: a row never becomes visible below a version that a reader has already seen."""
    # Given writers that share one shard, and a reader that follows the log by its cursor
    shard = chat.core.shards.shards[3]
    start = chat.core.shards.shards[3].database.query(
        "SELECT version FROM shard_log WHERE shard = 3"
    )[0][0]
    senders = [user_in(3) for _ in range(WRITERS)]
    receiver = user_in(1)
    done = threading.Event()
    seen: list[int] = []

    def read() -> None:
        cursor = start
        while True:
            over = done.is_set()
            for row in read_forward({shard: cursor}, 50)[shard][1]:
                seen.append(row.version)
                cursor = row.version
            if over and len(read_forward({shard: cursor}, 1)[shard][1]) == 0:
                return

    def write(sender: str) -> None:
        writer = Chat(chat.core)
        for _ in range(MESSAGES_EACH // 3):
            writer.send_batch([writer.draft(sender, receiver, "x") for _ in range(3)])

    # When all of them run at the same time
    reader = threading.Thread(target=read)
    writers = [threading.Thread(target=write, args=(sender,)) for sender in senders]
    for thread in [reader, *writers]:
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    reader.join()

    # Then the reader saw every version exactly once, without a gap
    assert seen == list(range(start + 1, start + 1 + WRITERS * MESSAGES_EACH))


def test_ids_sort_as_the_log_does(chat: Chat, pair: tuple[str, str]) -> None:
    sender, receiver = pair
    stored = [chat.send(sender, receiver, str(n)) for n in range(5)]
    batch = chat.send_batch([chat.draft(sender, receiver, str(n)) for n in range(5)])
    ids = [s.id for s in stored] + [s.id for s in batch if isinstance(s, Stored)]
    assert ids == sorted(ids)
    assert len(set(ids)) == 10
    rows = sync(chat.core.shards.of_user(sender), sender, 0, 100)
    assert [row.id.hex() for row in rows] == ids


def test_a_resend_gets_the_first_answer_and_no_second_row(
    chat: Chat, pair: tuple[str, str]
) -> None:
    sender, receiver = pair
    first = chat.send(sender, receiver, "once", "s-1")
    assert chat.send(sender, receiver, "once", "s-1") == first
    assert len(sync(chat.core.shards.of_user(sender), sender, 0, 10)) == 1


def test_a_resend_encoded_by_another_client_is_the_same_message(
    chat: Chat, pair: tuple[str, str]
) -> None:
    sender, receiver = pair
    draft = chat.draft(sender, receiver, "same", "s-1")
    (first,) = chat.send_batch([draft])
    # The same Content with its fields in another order: mention_all = false written out.
    other = type(draft)(
        draft.shard, draft.bucket, sender, receiver, "s-1", b"\x90\x01\x00" + draft.content
    )
    assert chat.send_batch([other]) == [first]


@pytest.mark.parametrize("change", ["body", "receiver"])
def test_another_message_under_a_used_sequence_is_refused(
    chat: Chat, pair: tuple[str, str], change: str
) -> None:
    sender, receiver = pair
    chat.send(sender, receiver, "first", "s-1")
    with pytest.raises(IMError) as caught:
        chat.send(
            sender,
            receiver if change == "body" else sender,
            "second" if change == "body" else "first",
            "s-1",
        )
    assert caught.value.code is Code.SEQUENCE_CONFLICT
    assert len(sync(chat.core.shards.of_user(sender), sender, 0, 10)) == 1


def test_a_batch_of_new_repeated_and_conflicting_sends(chat: Chat, pair: tuple[str, str]) -> None:
    sender, receiver = pair
    old = chat.send(sender, receiver, "old", "s-old")
    outcomes = chat.send_batch(
        [
            chat.draft(sender, receiver, "new", "s-new"),
            chat.draft(sender, receiver, "old", "s-old"),
            chat.draft(sender, receiver, "changed", "s-old"),
            chat.draft(sender, receiver, "new", "s-new"),
            chat.draft(sender, receiver, "newer", "s-new"),
        ]
    )
    new = outcomes[0]
    assert isinstance(new, Stored)
    assert outcomes[1] == old
    assert isinstance(outcomes[2], IMError)
    assert outcomes[2].code is Code.SEQUENCE_CONFLICT
    assert outcomes[3] == new
    assert isinstance(outcomes[4], IMError)
    bodies = [row.sequence for row in sync(chat.core.shards.of_user(sender), sender, 0, 10)]
    assert bodies == ["s-old", "s-new"]


def test_many_senders_resend_at_the_same_time(chat: Chat, user_in: Callable[[int], str]) -> None:
    """Invariant: a sequence makes one row, however many processes write it at once."""
    sender, receiver = user_in(0), user_in(1)
    outcomes: list[Stored] = []

    def resend() -> None:
        for n in range(20):
            outcomes.append(Chat(chat.core).send(sender, receiver, str(n), f"s-{n}"))

    threads = [threading.Thread(target=resend) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = sync(chat.core.shards.of_user(sender), sender, 0, 100)
    assert len(rows) == 20
    assert {outcome.id for outcome in outcomes} == {row.id.hex() for row in rows}
    assert len(outcomes) == 80


def test_a_failed_transaction_leaves_nothing_and_no_gap(
    chat: Chat, user_in: Callable[[int], str]
) -> None:
    sender = user_in(0)
    shard = chat.core.shards.of_user(sender)
    before = shard.database.query("SELECT version FROM shard_log WHERE shard = 0")[0][0]
    good = chat.draft(sender, user_in(1), "good")
    bad = type(good)(shard, 0, sender, "r" * 65, "s-bad", good.content)  # too long for its column
    with pytest.raises(Exception, match="receiver"):
        chat.send_batch([good, bad])
    assert sync(shard, sender, 0, 10) == []
    after = shard.database.query("SELECT version FROM shard_log WHERE shard = 0")[0][0]
    assert after == before


def test_ids_and_times_made_by_the_database_are_those_of_the_answers(
    chat: Chat, user_in: Callable[[int], str]
) -> None:
    """A send's answer is worked out here, its row there: both must say the same."""
    # Given
    sender, receiver = user_in(1), user_in(2)
    shard = chat.core.shards.of_user(sender)

    # When: in one batch with others
    drafts = [chat.draft(sender, receiver, str(n)) for n in range(3)]
    drafts.insert(1, chat.draft(user_in(3), receiver, "of another shard"))
    outcomes = chat.send_batch(drafts)

    # Then
    del outcomes[1]
    rows = sync(shard, sender, 0, 10)
    assert [Stored(row.id.hex(), row.send_time) for row in rows] == outcomes
    assert [row.id.hex() for row in rows] == [
        message_id(row.send_time, shard.number, row.version) for row in rows
    ]
    assert [row.version for row in rows] == [*range(rows[0].version, rows[0].version + 3)]


def test_without_a_counter_nothing_is_stored(core: Core, user_in: Callable[[int], str]) -> None:
    """What the server works versions out from must not be left over from another batch."""
    # Given: a log without a counter, and a connection that has stored something elsewhere
    shard = Shard(999, core.shards.shards[0].database, core.shards.shards[0].table)
    sender = user_in(0)
    row = Row(b"", 0, "1", sender, user_in(1), 0, b"", 0, 0)

    def append(connection: Connection) -> None:
        connection.execute("SET @end999 = 1 << 40, @clock999 = 1 << 40")
        connection.run(append_statements(connection, {shard: [Entry(row, Birth(999, 0))]}))

    # Then
    with pytest.raises(pymysql.IntegrityError, match="cannot be null"):
        shard.database.transact(append)
    assert sync(shard, sender, 0, 10) == []
