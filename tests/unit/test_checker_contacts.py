"""The check of contact lists of people fails on evidence made up for it."""

from collections.abc import Callable

import pytest

from chaos.checker.counts import contact_lists
from chaos.evidence import Evidence, Person
from proto import im_pb2
from tests.support.chaosevidence import HELLO, sound_letters


@pytest.fixture
def evidence() -> Evidence:
    return sound_letters()


def with_ann(bob: Person) -> im_pb2.Contact:
    return next(one for one in bob.contacts if one.peer == "ann")


def forget(bob: Person) -> None:
    bob.contacts.remove(with_ann(bob))


def repeat(bob: Person) -> None:
    bob.contacts.append(with_ann(bob))


def invent(bob: Person) -> None:
    bob.contacts.append(im_pb2.Contact(peer="nobody"))


def show_an_older(bob: Person) -> None:
    with_ann(bob).last.id = HELLO.id


def count_one_more(bob: Person) -> None:
    with_ann(bob).unread += 1


def test_a_sound_list_passes(evidence: Evidence) -> None:
    assert contact_lists(evidence) == []


@pytest.mark.parametrize(
    ("spoil", "violation"),
    [
        (forget, "bob has 0 contacts, not 1"),
        (repeat, "bob has somebody twice: ['ann', 'ann']"),
        (invent, "bob has 2 contacts, not 1"),
        (show_an_older, f"bob with ann: newest is {HELLO.id}"),
        (count_one_more, "bob with ann: 3 unread, not 2"),
    ],
)
def test_a_wrong_list_is_found(
    evidence: Evidence, spoil: Callable[[Person], None], violation: str
) -> None:
    spoil(evidence.people["bob"])
    (found,) = contact_lists(evidence)
    assert found.startswith(violation)
