"""Checks of what must be nowhere fail on evidence made up for it: recalled, or in logs."""

from typing import Any

import pytest

from chaos.checker.recalls import logs_hold_no_bodies, recalled_is_nowhere
from chaos.evidence import Evidence
from chaos.record import body_of
from models.errors import Code
from proto import im_pb2
from tests.support.chaosevidence import (
    HELLO,
    copy_of,
    done,
    message,
    replace,
    sound_letters,
)

COPY = copy_of(HELLO, 2)
WIPED: dict[str, Any] = {"version": 4, "withdraw_time": 9, "content": b""}


@pytest.fixture
def evidence() -> Evidence:
    return sound_letters()


# ---------------------------------------------------------------- recalls


def recall(evidence: Evidence, **changes: Any) -> None:
    """Ann recalls her first message, and it is wiped; `changes` is what became of bob's row."""
    evidence.people["ann"].record.ops.append(done("ann", im_pb2.RecallRequest(id=HELLO.id)))
    replace(evidence, HELLO, **WIPED)
    replace(evidence, COPY, **WIPED | changes)
    for person in evidence.people.values():
        person.view.messages[HELLO.id] = message(HELLO._replace(**WIPED))


def unanswered(evidence: Evidence) -> None:
    """Whether the recall was done, ann does not know."""
    evidence.people["ann"].record.ops[-1].answer = None


def test_what_was_recalled_and_is_wiped_is_silent(evidence: Evidence) -> None:
    # Given: the body of another message is in Redis
    recall(evidence)
    evidence.redis[1]["recent"] = body_of("ann/5").encode()
    # When, then
    assert recalled_is_nowhere(evidence) == []


@pytest.mark.parametrize("changes", [{"withdraw_time": 0}, {"content": HELLO.content}])
@pytest.mark.parametrize("answered", [True, False])
def test_a_row_that_is_not_withdrawn_everywhere_is_found(
    evidence: Evidence, changes: dict[str, Any], answered: bool
) -> None:
    recall(evidence, **changes)
    if not answered:
        unanswered(evidence)
    assert recalled_is_nowhere(evidence) == [f"{HELLO.id} is not withdrawn in shard 2"]


def test_an_acknowledged_recall_that_was_never_done_is_found(evidence: Evidence) -> None:
    evidence.people["ann"].record.ops.append(done("ann", im_pb2.RecallRequest(id=HELLO.id)))
    assert recalled_is_nowhere(evidence) == [
        f"{HELLO.id} is not withdrawn in shard 1",
        f"{HELLO.id} is not withdrawn in shard 2",
        f"ann still shows {HELLO.id}",
        f"bob still shows {HELLO.id}",
    ]


BODY = body_of("ann/4").encode()


@pytest.mark.parametrize(
    "value",
    [BODY, [b"one", b"m " + BODY], {b"field": BODY}, {BODY: 4}, {b"field": [BODY]}],
    ids=["string", "list", "hash", "sorted set", "nested"],
)
@pytest.mark.parametrize("when", [0, 1])
def test_the_body_in_a_key_of_redis_is_found(evidence: Evidence, when: int, value: Any) -> None:
    # Given
    recall(evidence)
    evidence.redis[when] = evidence.redis[when] | {"recent": value}
    # When, then
    assert recalled_is_nowhere(evidence) == [f"the body of {HELLO.id} is in Redis"]


def test_the_body_in_the_name_of_a_key_is_found(evidence: Evidence) -> None:
    recall(evidence)
    evidence.redis[0] = {BODY.decode(): b""}
    assert recalled_is_nowhere(evidence) == [f"the body of {HELLO.id} is in Redis"]


def test_the_body_of_an_unanswered_recall_that_was_done_is_found(evidence: Evidence) -> None:
    recall(evidence)
    unanswered(evidence)
    evidence.redis[0] = {"recent": BODY}
    assert recalled_is_nowhere(evidence) == [f"the body of {HELLO.id} is in Redis"]


def test_an_unanswered_recall_may_not_have_been_done(evidence: Evidence) -> None:
    evidence.people["ann"].record.ops.append(done("ann", im_pb2.RecallRequest(id=HELLO.id)))
    unanswered(evidence)
    assert recalled_is_nowhere(evidence) == []


def test_a_screen_that_still_shows_it_is_found(evidence: Evidence) -> None:
    recall(evidence)
    evidence.people["bob"].view.messages[HELLO.id] = message(HELLO)
    assert recalled_is_nowhere(evidence) == [f"bob still shows {HELLO.id}"]


def test_a_screen_on_which_it_never_was_is_no_violation(evidence: Evidence) -> None:
    recall(evidence)
    del evidence.people["bob"].view.messages[HELLO.id]
    assert recalled_is_nowhere(evidence) == []


@pytest.mark.parametrize("refused", [True, False])
def test_what_nobody_recalled_and_is_withdrawn_is_found(evidence: Evidence, refused: bool) -> None:
    # Given: nobody asked, or who asked was refused
    recall(evidence)
    evidence.people["ann"].record.ops.pop()
    if refused:
        request = im_pb2.RecallRequest(id=HELLO.id)
        refusal = done("bob", request, error=int(Code.FORBIDDEN))
        evidence.people["bob"].record.ops.append(refusal)
    # When, then
    assert recalled_is_nowhere(evidence) == [f"{HELLO.id} is withdrawn, and nobody did it"]


# ---------------------------------------------------------------- logs of processes


def test_logs_without_bodies_are_silent(evidence: Evidence) -> None:
    evidence.logs = {"web": f"sent {HELLO.id} sequence=ann/4", "beat": ""}
    assert logs_hold_no_bodies(evidence) == []


def test_a_process_that_logs_a_body_is_found(evidence: Evidence) -> None:
    evidence.logs = {"web": "", "worker": f"delivered\nlost {body_of('ann/4')!r}\n", "beat": ""}
    assert logs_hold_no_bodies(evidence) == ["worker logs bodies"]
