"""Checks of what clients show fail on evidence made up for it."""

from typing import Any

import pytest

from chaos.checker.views import shown_once_and_in_order, views_equal_mailboxes
from chaos.evidence import Evidence
from proto import im_pb2
from tests.support.chaosevidence import (
    BYE,
    HELLO,
    HOMES,
    REPLY,
    message,
    replace,
    sound_letters,
)

OTHERS: list[dict[str, Any]] = [
    {"version": 9},
    {"sequence": "ann/9"},
    {"sender": "bob"},
    {"receiver": "ann"},
    {"send_time": 9},
    {"withdraw_time": 9},
    {"content": im_pb2.Content(text=im_pb2.Text(text="another"))},
]


@pytest.fixture
def evidence() -> Evidence:
    return sound_letters()


def another(evidence: Evidence, changes: dict[str, Any]) -> im_pb2.Message:
    """The last message, as it is not stored."""
    made = message(BYE)
    made.MergeFrom(im_pb2.Message(**changes))
    return made


# ---------------------------------------------------------------- the mailbox


def test_screens_that_show_what_is_stored_are_silent(evidence: Evidence) -> None:
    assert views_equal_mailboxes(evidence) == []


@pytest.mark.parametrize("changes", OTHERS, ids=lambda changes: "".join(changes))
def test_a_screen_with_another_message_than_is_stored_is_found(
    evidence: Evidence, changes: dict[str, Any]
) -> None:
    evidence.people["ann"].view.messages[BYE.id] = another(evidence, changes)
    assert views_equal_mailboxes(evidence) == [f"ann shows another mailbox: 1 other ({BYE.id})"]


@pytest.mark.parametrize("changes", OTHERS, ids=lambda changes: "".join(changes))
def test_a_sync_with_another_message_than_is_stored_is_found(
    evidence: Evidence, changes: dict[str, Any]
) -> None:
    evidence.people["ann"].synced[-1] = another(evidence, changes)
    assert views_equal_mailboxes(evidence) == [f"a sync of ann reads another: 1 other ({BYE.id})"]


def test_a_screen_that_lacks_or_invents_a_message_is_found(evidence: Evidence) -> None:
    # Given: ann's screen lacks the last one, bob's has one that is not stored
    del evidence.people["ann"].view.messages[BYE.id]
    evidence.people["bob"].view.messages["ff"] = im_pb2.Message(id="ff")
    # When, then
    assert views_equal_mailboxes(evidence) == [
        f"ann shows another mailbox: 1 lacking ({BYE.id})",
        "bob shows another mailbox: 1 too many (ff)",
    ]


def test_a_sync_that_lacks_or_invents_a_message_is_found(evidence: Evidence) -> None:
    evidence.people["ann"].synced.pop()
    evidence.people["bob"].synced.append(im_pb2.Message(id="ff"))
    assert views_equal_mailboxes(evidence) == [
        f"a sync of ann reads another: 1 lacking ({BYE.id})",
        "a sync of bob reads another: 1 too many (ff)",
    ]


def test_a_sync_in_another_order_than_the_log_is_found(evidence: Evidence) -> None:
    evidence.people["bob"].synced.reverse()
    assert views_equal_mailboxes(evidence) == ["a sync of bob reads another: in another order"]


def test_a_sync_that_reads_a_message_twice_is_found(evidence: Evidence) -> None:
    evidence.people["bob"].synced.append(message(BYE))
    assert [problem[:13] for problem in views_equal_mailboxes(evidence)] == ["a sync of bob"]


def test_a_row_of_another_shard_is_not_in_the_mailbox(evidence: Evidence) -> None:
    # Given: ann's row lies where bob's mailbox does
    replace(evidence, BYE, shard=HOMES["bob"], version=4)
    # When, then: she shows one too many, and bob lacks one
    assert [problem.partition(":")[0] for problem in views_equal_mailboxes(evidence)] == [
        "ann shows another mailbox",
        "a sync of ann reads another",
        "bob shows another mailbox",
        "a sync of bob reads another",
    ]


# ---------------------------------------------------------------- once, and in order


def show(evidence: Evidence, *messages: im_pb2.Message) -> None:
    """All that bob was ever pushed, in this order."""
    view = evidence.people["bob"].view
    view.__init__()  # type: ignore[misc]
    for version, one in enumerate(messages, 1):
        one.version = version
        view.push(im_pb2.MessagesPush(messages=[one]))


def test_messages_shown_once_in_the_order_they_were_sent_are_silent(evidence: Evidence) -> None:
    # Given: the recall of a message and what bob said himself come in between
    recall = message(HELLO)
    recall.withdraw_time = 9
    show(evidence, message(HELLO), message(REPLY), recall, message(BYE))
    # When, then
    assert shown_once_and_in_order(evidence) == []


def test_a_message_that_came_twice_as_a_new_one_is_found(evidence: Evidence) -> None:
    show(evidence, message(HELLO), message(BYE), message(HELLO))
    assert shown_once_and_in_order(evidence) == [f"bob was shown {HELLO.id} twice"]


def test_a_message_that_came_under_two_ids_is_found(evidence: Evidence) -> None:
    again = message(BYE)
    again.id = "ff"
    show(evidence, message(HELLO), message(BYE), again)
    assert shown_once_and_in_order(evidence) == ["bob was shown 1 messages twice"]


def test_messages_of_one_sender_in_another_order_are_found(evidence: Evidence) -> None:
    # Given: between them one of another sender
    show(evidence, message(BYE), message(REPLY), message(HELLO))
    # When, then
    assert shown_once_and_in_order(evidence) == ["bob was shown ann/5 before ann/4"]


def test_what_its_sender_gave_up_may_be_shown_late(evidence: Evidence) -> None:
    # Given: ann did not wait for the ack of her first message
    first = next(op for op in evidence.people["ann"].record.ops if op.request.sequence == "ann/4")
    first.answer = None
    show(evidence, message(BYE), message(HELLO))
    # When, then
    assert shown_once_and_in_order(evidence) == []
