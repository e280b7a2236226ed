"""What the comparison's load generator books: loss and doubling do not cancel out."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from bench.client import Client, Clients
from bench.peer.letters import DIGITS, Letter
from bench.peer.offer import Offer, Plan

USERS = ["ann", "bob", "cat"]
PREFIX = b"p1-"
CLIENTS = [cast(Client, SimpleNamespace(index=index)) for index in range(len(USERS))]
HEARD_RIGHT = {
    "room": [("bob", 0), ("cat", 0), ("ann", 1), ("cat", 1), ("ann", 2), ("bob", 2)],
    "": [("bob", 0), ("cat", 1), ("bob", 2)],
}


class Sent:
    """A letter that is sent to nobody; `ann` and `bob` are the senders."""

    def __init__(self, sender: str, to: str) -> None:
        self.client = CLIENTS[USERS.index(sender)]
        self.to = to


def heard(room: str, events: list[tuple[str, int]], *, total: int = 3) -> dict[str, Any]:
    """What is reported when three messages were sent and these were heard: by whom, and which."""
    senders = USERS if room else ["ann", "bob", "ann"]
    letters = [Sent(sender, to) for sender, to in zip(senders, ["bob", "cat", "bob"], strict=True)]
    left = list(events)
    offer = Offer(cast(Clients, None), Plan(1000, 0, total / 1000), PREFIX, USERS, room)

    def run_once(wait_s: float) -> None:
        for who, index in left:
            data = b"<%b%0*d>" % (PREFIX, DIGITS, index)
            offer.pushed(CLIENTS[USERS.index(who)], 0, data, 0, len(data))
        left.clear()

    offer._clients = cast(Clients, SimpleNamespace(run_once=run_once, failures=[], handler=None))
    for letter in letters:
        letter.encode = lambda index: b""  # type: ignore[attr-defined]
    for client in CLIENTS:
        client.send = lambda data: None  # type: ignore[method-assign, assignment]
    return offer.run(cast(list[Letter], letters))


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not come at once does not come."""
    monkeypatch.setattr("bench.peer.offer.SILENCE_S", 0.0)
    monkeypatch.setattr("bench.peer.offer.LATE_S", 0.0)


def booked(report: dict[str, Any]) -> dict[str, int]:
    names = ("lost", "doubled", "disordered", "strayed")
    return {name: report[name] for name in names if report[name]}


@pytest.mark.parametrize("room", ["room", ""])
def test_what_everybody_heard_once_is_right(room: str) -> None:
    report = heard(room, HEARD_RIGHT[room])
    assert booked(report) == {}
    assert report["push"]["count"] == len(HEARD_RIGHT[room])
    assert report["send"]["count"] == 3


@pytest.mark.parametrize("room", ["room", ""])
def test_own_copies_do_not_count(room: str) -> None:
    assert booked(heard(room, [("ann", 0), *HEARD_RIGHT[room]])) == {}


def test_one_who_hears_twice_makes_up_for_nobody() -> None:
    # Given: cat hears the first message twice, and bob not at all
    events = [("cat", 0), ("cat", 0), *HEARD_RIGHT["room"][2:]]
    # When, then
    assert booked(heard("room", events)) == {"lost": 1, "doubled": 1}


def test_one_to_one_only_the_receiver_counts() -> None:
    events = [("cat", 0), *HEARD_RIGHT[""][1:]]
    assert booked(heard("", events)) == {"lost": 1, "strayed": 1}


def test_the_order_of_each_sender_counts() -> None:
    # Given: bob hears ann's second message first
    first, between, second = HEARD_RIGHT[""]
    assert booked(heard("", [second, between, first])) == {"disordered": 1}
    # And: among senders there is no order
    assert booked(heard("", [between, first, second])) == {}
