"""Checks of what groups answer and push fail on evidence made up for it."""

from typing import Any, cast

import pytest

from chaos.checker.counts import group_counts
from chaos.checker.entitled import groups_reach_members_only
from chaos.evidence import Evidence
from proto import im_pb2
from tests.support.chaosevidence import (
    GROUP,
    ROWS,
    Known,
    event,
    message,
    replace,
    row,
    sound,
    store,
)


@pytest.fixture
def evidence() -> Evidence:
    return sound()


def contact_of(evidence: Evidence, user: str) -> im_pb2.Contact:
    (contact,) = evidence.people[user].contacts
    return contact


def mention(text: str, **mentions: Any) -> bytes:
    content = im_pb2.Content(text=im_pb2.Text(text=text), **mentions)
    return content.SerializeToString()


# ---------------------------------------------------------------- counts


def test_counts_as_a_recount_gives_them_are_silent(evidence: Evidence) -> None:
    # Given: bob is mentioned twice, ann says so herself, and one message is recalled
    replace(evidence, ROWS[1], content=mention("ann/1", mentions=["bob"]))
    replace(evidence, ROWS[2], content=mention("ann/2", mention_all=True))
    replace(evidence, ROWS[3], version=7, withdraw_time=9, content=b"")
    contact_of(evidence, "bob").MergeFrom(im_pb2.Contact(unread=2, mentions=2))
    # When, then
    assert group_counts(evidence) == []


@pytest.mark.parametrize(
    ("changes", "got"),
    [
        ({"last": im_pb2.Message(id=ROWS[2].id)}, (ROWS[2].id, 3, 0)),
        ({"unread": 2}, (ROWS[3].id, 2, 0)),
        ({"mentions": 1}, (ROWS[3].id, 3, 1)),
    ],
)
def test_what_is_answered_wrongly_of_a_group_is_found(
    evidence: Evidence, changes: dict[str, Any], got: tuple[str, int, int]
) -> None:
    contact_of(evidence, "bob").MergeFrom(im_pb2.Contact(**changes))
    assert group_counts(evidence) == [f"bob has {got} of g, not {(ROWS[3].id, 3, 0)}"]


def test_a_mention_that_is_not_answered_is_found(evidence: Evidence) -> None:
    replace(evidence, ROWS[2], content=mention("ann/2", mentions=["bob"]))
    assert group_counts(evidence) == [
        f"bob has {(ROWS[3].id, 3, 0)} of g, not {(ROWS[3].id, 3, 1)}"
    ]


@pytest.mark.parametrize(("unread", "found"), [(1, 0), (3, 1)])
def test_what_is_read_counts_no_more(evidence: Evidence, unread: int, found: int) -> None:
    # Given: bob has read all but the last message
    cast(Known, evidence.store).bounds["bob"] = ROWS[2].id
    contact_of(evidence, "bob").unread = unread
    # When, then
    assert len(group_counts(evidence)) == found


def test_a_member_who_lacks_the_group_is_found(evidence: Evidence) -> None:
    evidence.people["bob"].contacts.clear()
    assert group_counts(evidence) == ["bob has g 0 times in the list"]


def test_a_group_that_is_listed_twice_is_found(evidence: Evidence) -> None:
    evidence.people["bob"].contacts *= 2
    assert group_counts(evidence) == ["bob has g 2 times in the list"]


@pytest.mark.parametrize("listed", [True, False])
def test_who_is_not_in_it_has_it_not_in_the_list(evidence: Evidence, listed: bool) -> None:
    # Given: bob was removed
    gone = event(7, im_pb2.REMOVED, "bob")
    store(evidence, *ROWS, gone)
    contact_of(evidence, "ann").last.id = gone.id
    if not listed:
        evidence.people["bob"].contacts.clear()
    # When, then
    assert group_counts(evidence) == listed * ["bob has g 1 times in the list"]


# ---------------------------------------------------------------- pushes

JOINED, GONE = event(3, im_pb2.JOINED, "bob", actor="bob"), event(5, im_pb2.REMOVED, "bob")
ALONE = event(1, im_pb2.CREATED, "ann")
BEFORE, WITHIN, AFTER = row(2, "ann/1"), row(4, "ann/2"), row(6, "ann/3")
RECALL: dict[str, Any] = {"version": 4, "withdraw_time": 9, "content": b""}


def push_to_bob(evidence: Evidence, *messages: im_pb2.Message, group: str = GROUP) -> None:
    """Bob was in the group for a while; that is all he was pushed."""
    store(evidence, ALONE, BEFORE, JOINED, WITHIN, GONE, AFTER)
    push = im_pb2.MessagesPush(group=group, messages=messages)
    evidence.people["bob"].record.pushed = [(3, push)]


def test_pushes_of_the_time_a_user_was_in_the_group_are_silent(evidence: Evidence) -> None:
    push_to_bob(evidence, *map(message, (JOINED, WITHIN, GONE)))
    assert groups_reach_members_only(evidence) == []


@pytest.mark.parametrize("one", [BEFORE, AFTER], ids=["before", "after"])
def test_a_push_of_a_time_the_user_was_not_in_it_is_found(evidence: Evidence, one: Any) -> None:
    push_to_bob(evidence, message(WITHIN), message(one))
    assert groups_reach_members_only(evidence) == [
        f"bob was pushed {one.id} of g, stays {[(JOINED.id, 5)]}"
    ]


def test_a_push_to_who_was_never_in_it_is_found(evidence: Evidence) -> None:
    push_to_bob(evidence, message(BEFORE))
    store(evidence, ALONE, BEFORE)
    assert groups_reach_members_only(evidence) == [f"bob was pushed {BEFORE.id} of g, stays []"]


def test_the_recall_of_an_earlier_message_may_be_pushed_but_not_its_body(
    evidence: Evidence,
) -> None:
    # Given: what was said before bob came is recalled while he is in it
    recall, leak = message(BEFORE._replace(**RECALL)), message(BEFORE._replace(**RECALL))
    leak.content.text.text = "ann/1"
    # When
    push_to_bob(evidence, recall, leak)
    # Then
    assert len(groups_reach_members_only(evidence)) == 1


def test_the_recall_after_a_user_went_is_not_theirs(evidence: Evidence) -> None:
    push_to_bob(evidence, message(WITHIN._replace(**RECALL | {"version": 7})))
    assert len(groups_reach_members_only(evidence)) == 1


@pytest.mark.parametrize("group", ["", GROUP], ids=["mailbox", "group"])
def test_what_cannot_be_judged_is_left_to_other_checks(evidence: Evidence, group: str) -> None:
    # Given: a push of a mailbox, or of a group whose log says what nobody may have done
    push_to_bob(evidence, message(BEFORE), group=group)
    store(evidence, event(1, im_pb2.REMOVED, "bob"), BEFORE)
    # When, then
    assert groups_reach_members_only(evidence) == []
    assert group_counts(evidence) == []
