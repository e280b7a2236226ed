"""The check of blocks fails on evidence made up for it."""

from typing import Any

import pytest

from chaos.checker.entitled import blocked_reach_nobody
from chaos.evidence import Evidence
from models.errors import Code
from proto import im_pb2
from tests.support.chaosevidence import HELLO, done, replace, sound_letters

BLOCK, UNBLOCK = im_pb2.BlockRequest(user="ann"), im_pb2.UnblockRequest(user="ann")
REACHED = ["ann/4 reached bob, who blocks the sender"]


@pytest.fixture
def evidence() -> Evidence:
    return sound_letters()


def send(evidence: Evidence, *times_ms: tuple[int, int], stored_ms: int = 0) -> None:
    """Ann sends to bob what is stored as ann/4, and repeats it: when each began and ended.

    It is stored at the end of the last, or later.
    """
    for one in [row for row in evidence.rows if row.id == HELLO.id]:
        replace(evidence, one, send_time=stored_ms or times_ms[-1][1])
    ops = evidence.people["ann"].record.ops
    first = next(op for op in ops if op.request.sequence == "ann/4")
    ops.remove(first)
    for begin_ms, end_ms in times_ms:
        op = done("ann", first.request, begin_ms, end_ms)
        op.answer = first.answer
        ops.append(op)


def bob_does(evidence: Evidence, request: Any, begin_ms: int, end_ms: int, error: int = 0) -> None:
    evidence.people["bob"].record.ops.append(done("bob", request, begin_ms, end_ms, error))


@pytest.mark.parametrize("unblocks", [True, False])
def test_what_was_sent_while_its_sender_was_blocked_is_found(
    evidence: Evidence, unblocks: bool
) -> None:
    # Given: a block was answered before ann began, and taken back after she was answered, or never
    bob_does(evidence, BLOCK, 100, 110)
    if unblocks:
        bob_does(evidence, UNBLOCK, 300, 310)
    send(evidence, (200, 210), (220, 230))
    # When, then
    assert blocked_reach_nobody(evidence) == REACHED


@pytest.mark.parametrize("times_ms", [(200, 210), (500, 510)], ids=["first", "second"])
def test_each_of_two_blocks_holds(evidence: Evidence, times_ms: tuple[int, int]) -> None:
    # Given: bob blocks ann twice, and takes it back each time
    for begin_ms in (100, 400):
        bob_does(evidence, BLOCK, begin_ms, begin_ms + 10)
        bob_does(evidence, UNBLOCK, begin_ms + 200, begin_ms + 210)
    send(evidence, times_ms)
    # When, then
    assert blocked_reach_nobody(evidence) == REACHED


def test_to_block_again_begins_nothing_anew(evidence: Evidence) -> None:
    bob_does(evidence, BLOCK, 10, 20)
    bob_does(evidence, BLOCK, 300, 310)
    send(evidence, (200, 210))
    assert blocked_reach_nobody(evidence) == REACHED


def test_what_is_not_stored_reached_nobody(evidence: Evidence) -> None:
    bob_does(evidence, BLOCK, 100, 110)
    send(evidence, (200, 210))
    evidence.rows = [one for one in evidence.rows if one.id != HELLO.id]
    assert blocked_reach_nobody(evidence) == []


@pytest.mark.parametrize(
    "times_ms",
    [
        [(50, 60)],  # before
        [(50, 60), (200, 210)],  # before, and repeated meanwhile
        [(105, 210)],  # begun before the block was answered
        [(115, 210)],  # by clocks that need not agree
        [(200, 305)],  # not answered when it was taken back
        [(200, 296)],  # by clocks that need not agree
        [(200, 210), (320, 330)],  # repeated after that
        [(400, 410)],  # after
    ],
    ids=str,
)
def test_what_was_not_sent_wholly_within_a_block_may_reach(
    evidence: Evidence, times_ms: list[tuple[int, int]]
) -> None:
    bob_does(evidence, BLOCK, 100, 110)
    bob_does(evidence, UNBLOCK, 300, 310)
    send(evidence, *times_ms)
    assert blocked_reach_nobody(evidence) == []


def test_what_was_given_up_within_a_block_may_be_stored_behind_it(evidence: Evidence) -> None:
    # Given: ann gives up while she is blocked, and what she asked for is under way still
    bob_does(evidence, BLOCK, 100, 110)
    bob_does(evidence, UNBLOCK, 300, 310)
    send(evidence, (200, 210), stored_ms=296)
    # When, then
    assert blocked_reach_nobody(evidence) == []


def test_what_is_stored_within_a_block_reached_however_late_the_answer(evidence: Evidence) -> None:
    bob_does(evidence, BLOCK, 100, 110)
    bob_does(evidence, UNBLOCK, 300, 310)
    send(evidence, (200, 500), stored_ms=290)
    assert blocked_reach_nobody(evidence) == REACHED


def test_the_block_of_somebody_else_or_one_that_was_refused_blocks_nobody(
    evidence: Evidence,
) -> None:
    # Given: bob is refused, ann blocks bob, and bob takes back what was no block
    bob_does(evidence, BLOCK, 100, 110, error=int(Code.BAD_REQUEST))
    ops = evidence.people["ann"].record.ops
    ops.append(done("ann", im_pb2.BlockRequest(user="bob"), 100, 110))
    bob_does(evidence, UNBLOCK, 300, 310)
    send(evidence, (200, 210))
    # When, then
    assert blocked_reach_nobody(evidence) == []
