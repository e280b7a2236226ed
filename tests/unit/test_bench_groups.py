"""Figures of groups: what went wrong in the large one, and times that are not our own."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bench import groups
from bench.loader import GeneratorLimited
from bench.measure import Figure
from bench.target import Target
from proto import im_pb2

TARGET = cast(Target, None)
CALL_MS = 4.0


class Caller:
    """Every call takes as long, of which this process has a share; answers have one group."""

    def __init__(self, clock: SimpleNamespace, cpu_share: float) -> None:
        self._clock, self._cpu_share = clock, cpu_share

    def call(self, request: Any) -> Any:
        self._clock.now_s += CALL_MS / 1000
        self._clock.cpu_s += self._cpu_share * CALL_MS / 1000
        changed = [im_pb2.GroupCursor(group="g", cursor=1)] * groups.CHANGED
        listed = [SimpleNamespace(group="g", version=1)]
        is_sync = isinstance(request, im_pb2.GroupSyncRequest)
        return SimpleNamespace(groups=changed if is_sync else listed, more=False)


@pytest.fixture
def busy(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A clock that only calls move; `cpu_share` is what calls take of this process."""
    clock = SimpleNamespace(now_s=0.0, cpu_s=0.0, cpu_share=0.25)

    @contextmanager
    def open_caller(target: Target, user: str) -> Iterator[Caller]:
        clock.now_s, clock.cpu_s = clock.now_s + 1, clock.cpu_s + 1  # to connect counts for nothing
        yield Caller(clock, clock.cpu_share)

    times = SimpleNamespace(perf_counter=lambda: clock.now_s, process_time=lambda: clock.cpu_s)
    monkeypatch.setattr("bench.caller.time", times)
    monkeypatch.setattr(groups, "open_caller", open_caller)
    monkeypatch.setattr(groups, "make_group", lambda *of: "g")
    return clock


def values(figures: list[Figure]) -> dict[str, float]:
    return {figure.name: figure.value for figure in figures}


def test_joins_tell_what_the_generator_took(busy: SimpleNamespace) -> None:
    found = values(groups._joins(TARGET, "small", "large"))
    assert found["join the large one"] == pytest.approx(CALL_MS)
    assert found["joins: generator busy"] == pytest.approx(25)


def test_syncs_tell_what_the_generator_took(busy: SimpleNamespace) -> None:
    found = values(groups._member_of_many(TARGET, 50))
    assert found["sync of 50 groups: median"] == pytest.approx(CALL_MS)
    assert found["sync of 50 groups: changed"] == groups.CHANGED
    assert found["sync: generator busy"] == pytest.approx(25)


def test_times_that_are_our_own_are_withheld(busy: SimpleNamespace) -> None:
    busy.cpu_share = 0.9
    with pytest.raises(GeneratorLimited, match=r"0\.90 of a core"):
        groups._joins(TARGET, "small", "large")
    with pytest.raises(GeneratorLimited, match=r"0\.90 of a core"):
        groups._member_of_many(TARGET, 50)


def test_disorder_in_a_large_group_misses_its_target(
    busy: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a group in whose every round two messages were heard too late
    report = {
        "messages": 10,
        "push": {"p99_ms": 5.0},
        "counts": {"out of order": 2},
        "refused": {},
        **dict.fromkeys(("lost", "duplicates", "unanswered"), 0),
    }
    monkeypatch.setattr(groups, "_talk", lambda *of, **more: (report, {"web": 0.1, "worker": 0.1}))
    # When its figures are made
    figures = {figure.name: figure for figure in groups._large(TARGET, 1000)}
    # Then they are not lost, and not forgiven
    assert figures["1,000 members: lost"].met
    assert figures["1,000 members: out of order"].value == 2 * groups.ROUNDS
    assert figures["1,000 members: out of order"].met is False
