"""What the load generator of a group books: by member and message, and in the speaker's order."""

import gc
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bench.client import Client, Clients
from bench.groupload import DIGITS, GroupPlan, Talk
from proto import im_pb2, views_pb2

MEMBERS, TOTAL = 10, 30
RIGHT = [(who, index) for index in range(TOTAL) for who in range(MEMBERS)]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What does not come at once does not come; a generator of load switches the collector off."""
    monkeypatch.setattr("bench.groupload.DRAIN_S", 0.0)
    monkeypatch.setattr(Talk, "_idle", lambda talk, duration_s: None)
    yield
    gc.unfreeze()
    gc.enable()


def heard(events: list[tuple[int, int]], *, members: int = MEMBERS, **plan: Any) -> dict[str, Any]:
    """What is reported when these were heard, by whom and which; all messages were sent."""
    order = GroupPlan("", 0, [""] * members, "g1", 10_000.0, 0.0, TOTAL / 10_000.0, 1, **plan)
    talk = Talk(order, lambda **event: None)
    talk._clients._epoll.close()
    left = list(events)

    def run_once(wait_s: float) -> None:
        for who, index in left:
            push = views_pb2.MessagesView()
            push.messages.add(sequence=f"g1-{index:0{DIGITS}d}")
            body = push.SerializeToString()
            talk.pushed(clients[who], im_pb2.CMD_PUSH_MESSAGES, body, 0, len(body))
        left.clear()

    clients = [cast(Client, SimpleNamespace(index=index)) for index in range(members)]
    for client in clients:
        client.encode = lambda cmd, seq, body: b""  # type: ignore[method-assign]
        client.send = lambda data: None  # type: ignore[method-assign, assignment]
    still = SimpleNamespace(clients=clients, failures=[], sent_bytes=0, received_bytes=0)
    still.run_once, still.open_until = run_once, lambda count, timeout_s: None
    talk._clients = cast(Clients, still)
    if not order.speaks:
        run_once(0)
    return talk.run()


def booked(report: dict[str, Any]) -> dict[str, int]:
    wrong = {name: report[name] for name in ("lost", "duplicates")}
    wrong["out of order"] = report["counts"].get("out of order", 0)
    return {name: count for name, count in wrong.items() if count}


def test_what_everybody_heard_once_is_right() -> None:
    report = heard(RIGHT)
    assert booked(report) == {}
    assert report["push"]["count"] == TOTAL * (MEMBERS - 1)  # all but the speaker


def test_one_who_hears_twice_makes_up_for_nobody() -> None:
    # Given: member 3 hears the last message twice, and member 4 not at all
    events = [*RIGHT, (3, TOTAL - 1)]
    events.remove((4, TOTAL - 1))
    # When, then
    assert booked(heard(events)) == {"lost": 1, "duplicates": 1}


def test_the_order_of_each_speaker_counts_in_a_small_group() -> None:
    # Given: member 3 hears message 12 before message 2 of the same speaker
    events = [event for event in RIGHT if event != (3, 2)]
    events.insert(events.index((3, 12)) + 1, (3, 2))
    # When, then: it is late, and neither lost nor doubled
    assert booked(heard(events)) == {"out of order": 1}


def test_speakers_may_pass_each_other() -> None:
    # Given: member 3 hears each speaker's messages in order, the speakers one after the other
    events = [event for event in RIGHT if event[0] != 3]
    events += [(3, index) for index in sorted(range(TOTAL), key=lambda index: index % MEMBERS)]
    # When, then
    assert booked(heard(events)) == {}


def test_a_generator_that_only_listens_knows_the_speakers() -> None:
    # Given: two members hear ten speakers of another generator, one of them out of order
    events = [(who, index) for index in range(TOTAL) for who in range(2)]
    events.remove((1, 5))
    events.insert(events.index((1, 15)) + 1, (1, 5))
    # When they are booked, then nobody is its own listener
    report = heard(events, members=2, speaks=False, speakers=10, together=False)
    assert booked(report) == {"out of order": 1}
    assert report["push"]["count"] == 2 * TOTAL
