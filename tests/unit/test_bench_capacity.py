"""The search for the highest rate."""

from dataclasses import asdict
from typing import Any, cast

import pytest

from bench.capacity import CLOSE, capacity, highest
from bench.loader import GeneratorLimited, RunFailed
from bench.measure import summarise
from bench.sent import Sent
from bench.stores import Work
from bench.target import Target


def search(limit: float, *, start: float = 500, most: float = 16_000) -> tuple[float, list[float]]:
    """The result against a server that holds up to `limit`, and the rates that were tried."""
    tried: list[float] = []

    def holds(rate: float) -> bool:
        tried.append(rate)
        return rate <= limit

    return highest(holds, start, most), tried


@pytest.mark.parametrize("limit", [40, 499, 500, 501, 3000, 4321, 15_999])
def test_the_result_holds_and_little_more_does_not(limit: float) -> None:
    found, tried = search(limit)
    assert found <= limit
    assert limit < found * CLOSE
    assert len(tried) < 30


def test_nothing_is_tried_above_the_most() -> None:
    found, tried = search(1e9)
    assert max(tried) <= 16_000
    assert 16_000 / CLOSE < found <= 16_000


def test_a_server_that_holds_nothing_has_no_rate() -> None:
    found, tried = search(1)
    assert found == 0
    assert min(tried) >= 500 / 16


Given = dict[float, list[dict[str, Any]]]
"""By rate: what its tries report one after the other; the last of them ever after."""


def serve(monkeypatch: pytest.MonkeyPatch, given: Given) -> list[float]:
    """Let a search start at 1,000 and end at 2,000; returns the rates that it will have tried."""
    tried: list[float] = []

    def send(target: object, scenario: str, rate: float, *more: Any, **others: Any) -> Sent:
        tried.append(rate)
        reports = given.get(rate, [{}])
        report = reports[0] if len(reports) == 1 else reports.pop(0)
        if report.get("limited"):
            raise GeneratorLimited("it was busy")
        p99_ms = report.get("p99_ms", 10 if rate <= 1000 else 500)
        latency = asdict(summarise([p99_ms]))
        whole = {
            **dict.fromkeys(("offered_rate", "acked_rate", "delivered_rate"), rate),
            **dict.fromkeys(("lost", "own_lost", "unanswered"), 0),
            **{"refused": {}, "counts": {}, "acked_measured": 1, "bytes": 1},
            **{"ack": latency, "push": latency, "send": latency},
        }
        return Sent(scenario, 1, whole | report, {}, Work())

    monkeypatch.setattr("bench.capacity.send", send)
    monkeypatch.setattr("bench.capacity.RATE_MAX", 2000.0)
    monkeypatch.setenv("WAYS", "tcp")
    monkeypatch.setenv("RATE", "1000")
    return tried


def searched(monkeypatch: pytest.MonkeyPatch, given: Given) -> tuple[dict[str, float], list[float]]:
    """The figures of such a search, and the rates it tried."""
    tried = serve(monkeypatch, given)
    figures = list(capacity(cast(Target, None)))
    return {f.name: f.value for f in figures if " at " not in f.name}, tried


def test_each_rate_is_tried_twice_and_the_slower_try_is_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found, tried = searched(monkeypatch, {1000: [{"p99_ms": 50}, {"p99_ms": 20}]})
    assert found["tcp"] == 1000
    assert found["push p99"] == 50
    assert {tried.count(rate) for rate in tried} == {2}


def test_a_hiccup_is_forgiven_and_luck_does_not_help(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a rate that holds but for its first try, and one that holds in its first try only
    slow, quick = {"p99_ms": 500}, {"p99_ms": 20}
    # When the highest is searched, then two of three decide
    found, tried = searched(monkeypatch, {1000: [slow, quick], 1500: [quick, slow]})
    assert found["tcp"] == 1000
    assert (tried.count(1000), tried.count(1500)) == (3, 3)


@pytest.mark.parametrize("damage", [{"lost": 1}, {"counts": {"duplicate": 1}},
                                    {"counts": {"out of order": 1}}])  # fmt: skip
def test_what_is_lost_doubled_or_disordered_is_not_tried_again(
    monkeypatch: pytest.MonkeyPatch, damage: dict[str, Any]
) -> None:
    # Given a rate that would hold if it were tried again
    found, tried = searched(monkeypatch, {1000: [damage, {}]})
    # Then it does not count, and the damage is reported
    assert found["tcp"] < 1000
    assert tried.count(1000) == 1
    assert found["tcp: loss or disorder"] == 1


def test_a_search_that_the_generator_ended_has_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    limited: dict[str, Any] = {"limited": True}
    with pytest.raises(RunFailed, match="the generator ended the search at 1,062"):
        searched(monkeypatch, {rate: [limited] for rate in (1062.5, 1125, 1250, 1500)})
    # And where it was busy only once, the server is what was measured
    found, _ = searched(monkeypatch, {1000: [limited, {}]})
    assert found["tcp"] == 1000


def test_a_search_without_result_keeps_what_it_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a generator that ends the search over TCP, and damage before that
    limited: dict[str, Any] = {"limited": True}
    given: Given = {rate: [limited] for rate in (1062.5, 1125, 1250)}
    serve(monkeypatch, {**given, 1500: [{"lost": 1}]})
    found: dict[str, float] = {}
    # When it ends
    with pytest.raises(RunFailed, match="the generator ended the search"):
        for figure in capacity(cast(Target, None)):
            found[figure.name] = figure.value
    # Then there is no highest rate, but the points of the plot are there, and the damage
    assert "tcp" not in found
    assert found["tcp at 1000: push p99"] == 10
    assert found["tcp: loss or disorder"] == 1
