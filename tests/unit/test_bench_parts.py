"""Scenarios of several parts: one that fails takes nothing from the others."""

from collections.abc import Callable, Iterable, Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
import requests

from bench.caller import CallFailed
from bench.capacity import capacity
from bench.groups import groups
from bench.holding import idle
from bench.loader import GeneratorLimited, RunFailed
from bench.measure import Figure
from bench.parts import in_parts
from bench.reading import history, sync
from bench.scenarios import closed, ways
from bench.sizes import sizes
from bench.target import Target


def failing(error: Exception) -> Iterator[Figure]:
    yield Figure("a", "before", 1, "")
    raise error


def kept(figures: Iterable[Figure]) -> tuple[list[str], str]:
    """The names of the figures there were, and why there were no more in the end."""
    names: list[str] = []
    try:
        names.extend(figure.name for figure in figures)
    except RunFailed as error:
        return names, str(error)
    return names, ""


@pytest.mark.parametrize(
    "error",
    [
        RunFailed("why"),
        GeneratorLimited("why"),
        CallFailed("why"),
        requests.ConnectionError("why"),
        TimeoutError("why"),
    ],
)
def test_a_part_that_fails_is_told_and_the_others_go_on(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    # Given a part that fails after its first figure, and one that does not
    parts = {"bad": lambda: failing(error), "good": lambda: [Figure("a", "after", 2, "")]}
    # When all are asked for, then all that was measured is there, and the scenario has failed
    assert kept(in_parts(parts)) == (["before", "after"], "bad: why")
    assert "bad: why" in capsys.readouterr().err


def test_parts_that_all_succeed_are_no_failure() -> None:
    assert kept(in_parts({"good": lambda: [Figure("a", "one", 1, "")]})) == (["one"], "")


def test_what_is_no_failure_of_a_part_ends_everything() -> None:
    with pytest.raises(KeyError):
        list(in_parts({"wrong": lambda: failing(KeyError())}))


@pytest.mark.parametrize(
    ("scenario", "part", "count"),
    [
        (ways, "bench.scenarios._way", 4),
        (closed, "bench.scenarios._closed", 3),
        (sizes, "bench.sizes._size", 3),
        (capacity, "bench.capacity._search", 4),
        (idle, "bench.holding._idle", 3),
        (sync, "bench.reading._absence", 2),
        (history, "bench.reading._page_through", 3),
    ],
)
def test_a_scenario_outlives_its_first_part(
    monkeypatch: pytest.MonkeyPatch,
    scenario: Callable[[Target], Iterable[Figure]],
    part: str,
    count: int,
) -> None:
    # Given a scenario whose first part is limited by the generator
    calls: list[object] = []

    def measured(*asked: Any) -> list[Figure]:
        calls.append(asked)
        if len(calls) == 1:
            raise GeneratorLimited("busy")
        return [Figure("a", "of the others", 1, "")]

    rows = SimpleNamespace(close=lambda: None)
    monkeypatch.setattr("bench.reading.Rows", lambda target: rows)
    monkeypatch.setattr(part, measured)
    # When it runs, then the others have figures, and it has failed
    names, why = kept(scenario(cast(Target, None)))
    assert len(names) == count - 1
    assert why.endswith("busy")


def test_groups_outlive_the_busy_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(target: Target) -> list[Figure]:
        raise GeneratorLimited("busy")

    def figures(target: Target, count: int) -> list[Figure]:
        return [Figure("groups", f"of {count}", 1, "")]

    monkeypatch.setattr("bench.groups._busy", busy)
    monkeypatch.setattr("bench.groups._large", figures)
    monkeypatch.setattr("bench.groups._member_of_many", figures)
    names, why = kept(groups(cast(Target, None)))
    assert (names, why) == (["of 100000", "of 500"], "busy: busy")
