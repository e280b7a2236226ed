"""What the comparison makes of the tries of a rate, with a generator whose reports are known."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bench import procs
from bench.peer import workloads
from bench.peer.comparison import OURS
from bench.peer.sides import Ours, Side
from bench.peer.workloads import Bench
from bench.target import Target
from dev.services import MariaDB
from tests.support.peersides import GOOD, Named

START = 1000.0


class Reports:
    """A generator that hears everything in time below 1,500 a second, but for its first try."""

    def __init__(self, **wrong: Any) -> None:
        self.tried: list[float] = []
        self._wrong = wrong

    def do(self, what: str, told: dict[str, Any]) -> dict[str, Any]:
        rate = told["rate"]
        if told["warmup_s"]:  # the first messages count for nothing
            self.tried.append(rate)
        p99_ms = 20.0 if rate < 1500 and len(self.tried) > 1 else 200.0
        report = GOOD | {"sent": 100, "heard_rate": rate, **self._wrong}
        return report | {"push": {"p50_ms": 1.0, "p99_ms": p99_ms}}


class Counting(Bench):
    """Every message is one row; between two looks there were a hundred of them."""

    looks = count()

    def __init__(self) -> None:
        super().__init__(cast("MariaDB", SimpleNamespace(pid=1)))

    def _counted(self) -> dict[str, int]:
        return dict.fromkeys(("statements", "rows", "log syncs"), 100 * next(self.looks))


@pytest.fixture
def side(monkeypatch: pytest.MonkeyPatch) -> Side:
    side = Named(OURS, [])
    side.rows = {"one": 1}
    usage = SimpleNamespace(cpu_s=0.0)
    monkeypatch.setattr(procs, "by_name", lambda roots: dict.fromkeys(roots, usage))
    return side


def search(
    monkeypatch: pytest.MonkeyPatch, bench: Bench, side: Side, reports: Reports
) -> workloads.Try:
    @contextmanager
    def connected(_: object) -> Iterator[Reports]:
        yield reports

    monkeypatch.setattr(workloads, "connected", connected)
    return bench.one_to_one(side, START, 1.4)


def test_a_spoiled_try_is_made_good(monkeypatch: pytest.MonkeyPatch, side: Side) -> None:
    # Given a server that holds 1,500 a second, and a machine that spoils its first try
    bench, reports = Counting(), Reports()

    # When its highest rate is searched
    best = search(monkeypatch, bench, side, reports)

    # Then it is found, by two tries or more of every rate
    assert 1500 / 1.05 <= best.rate < 1500
    assert reports.tried[:3] == [START] * 3
    assert min(reports.tried.count(rate) for rate in reports.tried) == 2
    assert not bench.broken


def test_what_was_heard_wrongly_ends_a_rate_and_is_told(
    monkeypatch: pytest.MonkeyPatch, side: Side
) -> None:
    bench, reports = Counting(), Reports(doubled=1)
    with pytest.raises(workloads.RunFailed):
        search(monkeypatch, bench, side, reports)
    assert max(reports.tried.count(rate) for rate in reports.tried) == 1
    assert len(bench.broken) == len(reports.tried)
    assert "doubled" in bench.broken[0]


def test_a_message_that_is_not_stored_is_told_however_many_rows_were_written(
    monkeypatch: pytest.MonkeyPatch, side: Side
) -> None:
    # Given a server that writes rows enough, and stores all messages of a try but one
    asked: list[tuple[str, int]] = []

    def stored(party: object, prefix: str, written: int) -> int:
        asked.append((prefix, written))
        return 199

    side.rows = {"one": 2}
    monkeypatch.setattr(side, "stored", stored)

    # When its highest rate is searched
    bench = Counting()
    with pytest.raises(workloads.RunFailed):
        search(monkeypatch, bench, side, Reports())

    # Then none counts, and each try says why
    assert {prefix for prefix, _ in asked} == {GOOD["prefix"]}
    assert {written for _, written in asked} == {100}
    assert all("not archived" in what for what in bench.broken)
    assert len(bench.broken) == len(asked)


def test_the_platforms_messages_are_looked_for_where_they_lie(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Given tables that hold fewer messages than rows were written
    closed: list[bool] = []
    rows = SimpleNamespace(close=lambda: closed.append(True))
    monkeypatch.setattr("bench.peer.sides.Rows", lambda target: rows)
    monkeypatch.setattr("bench.peer.sides.places_held", lambda rows, senders, prefix: 7)
    ours = Ours(cast(Target, None), "tcp")
    # When it is asked what is stored, then the rows do not count
    assert ours.stored({"users": ["ann"]}, "p1-", 1000) == 7
    assert closed
