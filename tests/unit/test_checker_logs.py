"""Checks of the logs fail on evidence made up for it: what was refused, what is out of order."""

from typing import Any, cast

import pytest

from chaos.checker import check
from chaos.checker.logs import versions_and_ids_ascend
from chaos.checker.stored import refused_is_absent
from chaos.evidence import Evidence
from models.errors import Code
from models.ids import message_id
from proto import im_pb2
from tests.support.chaosevidence import (
    BYE,
    HELLO,
    HOMES,
    LOG,
    MAILBOXES,
    ROWS,
    Known,
    copy_of,
    letter,
    replace,
    sent,
    sound_letters,
    store,
)


@pytest.fixture
def evidence() -> Evidence:
    return sound_letters()


def test_sound_mailboxes_pass_every_check(evidence: Evidence) -> None:
    assert check(evidence) == []


# ---------------------------------------------------------------- what was refused


def refuse(evidence: Evidence, sequence: str, in_doubt: bool = False) -> None:
    error = im_pb2.Error(code=int(Code.MUTED), name="MUTED")
    op = sent(sequence, im_pb2.SendResponse(error=error))
    op.in_doubt = in_doubt
    evidence.people["ann"].record.ops.append(op)


def test_what_was_refused_and_is_not_stored_is_no_violation(evidence: Evidence) -> None:
    refuse(evidence, "ann/8")
    assert refused_is_absent(evidence) == []


def test_what_was_refused_and_is_stored_is_found(evidence: Evidence) -> None:
    # Given: what is stored as ann/3 was refused every time
    evidence.people["ann"].record.ops.pop(2)
    refuse(evidence, "ann/3")
    refuse(evidence, "ann/3")
    # When, then
    assert refused_is_absent(evidence) == ["ann/3 was refused (MUTED) and is stored"]


def test_one_answer_that_was_no_refusal_lets_it_be_stored(evidence: Evidence) -> None:
    # Given: ann/3 was acknowledged first, and what is stored as ann/2 was refused in doubt
    refuse(evidence, "ann/3")
    evidence.people["ann"].record.ops.pop(1)
    refuse(evidence, "ann/2")
    refuse(evidence, "ann/2", in_doubt=True)
    # When, then
    assert refused_is_absent(evidence) == []


# ---------------------------------------------------------------- ids, times and versions


def test_a_recall_moves_its_row_and_a_copy_has_any_version(evidence: Evidence) -> None:
    # Given: the first message is recalled in both mailboxes, behind all others
    replace(evidence, HELLO, version=4, withdraw_time=9, content=b"")
    replace(evidence, copy_of(HELLO, 2), version=4, withdraw_time=9, content=b"")
    # When, then
    assert versions_and_ids_ascend(evidence) == []


def test_ids_that_do_not_ascend_like_places_are_found(evidence: Evidence) -> None:
    # Given: the later of two places has the earlier time in its id
    early = message_id(1000, HOMES["ann"].number, 3)
    replace(evidence, BYE, id=early, send_time=1000)
    # When, then
    assert versions_and_ids_ascend(evidence) == [
        f"shard 1: {early} and {HELLO.id} out of order",
    ]


def test_a_place_with_two_rows_is_found(evidence: Evidence) -> None:
    # Given: two rows of the log were stored with one version
    twin = letter(3, "ann/6", "ann", "bob")
    store(evidence, *MAILBOXES["ann"], twin._replace(id=message_id(1004, 1, 3), send_time=1004))
    # When, then
    (problem,) = versions_and_ids_ascend(evidence)
    assert problem.startswith(f"shard 1: {BYE.id} and ")
    assert problem.endswith("out of order")


def test_times_that_run_backwards_are_found(evidence: Evidence) -> None:
    replace(evidence, BYE, send_time=HELLO.send_time - 1)
    assert versions_and_ids_ascend(evidence) == [
        f"shard 1: {HELLO.id} and {BYE.id} out of order",
    ]


def test_rows_of_one_millisecond_are_in_order(evidence: Evidence) -> None:
    replace(evidence, BYE, send_time=HELLO.send_time, id=message_id(1001, 1, 3))
    assert versions_and_ids_ascend(evidence) == []


def test_a_row_that_moved_without_a_recall_is_found(evidence: Evidence) -> None:
    replace(evidence, ROWS[2], version=7)
    assert versions_and_ids_ascend(evidence) == [f"shard {LOG.number}: {ROWS[2].id} has moved to 7"]


@pytest.mark.parametrize(
    ("end", "problems"), [(6, []), (5, [f"shard {LOG.number}: a row beyond the counter"])]
)
def test_a_row_beyond_the_counter_of_its_log_is_found(
    evidence: Evidence, end: int, problems: list[Any]
) -> None:
    cast(Known, evidence.store).end = end
    assert versions_and_ids_ascend(evidence) == problems
