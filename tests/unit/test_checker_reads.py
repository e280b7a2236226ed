"""What readers acknowledged is stored, and contact lists are the same without caches."""

import pytest

from chaos.checker.reads import reads_are_stored
from chaos.checker.rebuilt import rebuilt_lists
from chaos.evidence import Evidence
from chaos.record import Op
from proto import im_pb2
from tests.support.chaosevidence import ROWS, done, row, sound


@pytest.fixture
def evidence() -> Evidence:
    return sound()


# ---------------------------------------------------------------- reads


def read(peer: str, identifier: str, user: str = "bob") -> Op:
    type_ = im_pb2.GROUP if peer == "g" else im_pb2.PERSON
    request = im_pb2.ReadRequest(type=type_, peer=peer, id=identifier)
    return done(user, request)


@pytest.mark.parametrize("peer", ["ann", "g"])
def test_a_read_that_is_not_stored_is_found(evidence: Evidence, peer: str) -> None:
    # Given: a read that was acknowledged, and stored
    evidence.people["bob"].record.ops.append(read(peer, ROWS[2].id))
    evidence.reads["bob", peer] = ROWS[2].id
    assert reads_are_stored(evidence) == []
    # When it is stored further, or less far, or not at all
    evidence.reads["bob", peer] = ROWS[3].id
    assert reads_are_stored(evidence) == []
    evidence.reads["bob", peer] = ROWS[1].id
    assert reads_are_stored(evidence) == [
        f"bob read {peer} up to {ROWS[2].id}, stored is {ROWS[1].id}"
    ]
    del evidence.reads["bob", peer]
    assert len(reads_are_stored(evidence)) == 1


def test_a_read_that_was_not_acknowledged_promises_nothing(evidence: Evidence) -> None:
    op = read("ann", ROWS[2].id)
    op.answer = None
    evidence.people["bob"].record.ops.append(op)
    assert reads_are_stored(evidence) == []


def test_a_read_of_an_earlier_stay_goes_with_it(evidence: Evidence) -> None:
    # Given: what bob read lies before the row by which he came
    before = row(0, "ann/0").id
    evidence.people["bob"].record.ops.append(read("g", before))
    assert reads_are_stored(evidence) == []


# ---------------------------------------------------------------- contact lists without caches


def test_a_list_that_is_rebuilt_to_another_is_found(evidence: Evidence) -> None:
    # Given: without caches, the same
    person = evidence.people["bob"]
    (contact,) = person.contacts
    again = im_pb2.Contact()
    again.CopyFrom(contact)
    person.rebuilt = [again]
    assert rebuilt_lists(evidence) == []
    # When a message fewer is counted
    again.unread -= 1
    # Then it is neither what was answered, nor what a recount gives
    one, other = rebuilt_lists(evidence)
    assert one.startswith("bob with g")
    assert other.startswith("without caches: bob has")


def test_a_list_that_is_rebuilt_without_a_conversation_is_found(evidence: Evidence) -> None:
    evidence.people["bob"].rebuilt = []
    assert len(rebuilt_lists(evidence)) == 2
