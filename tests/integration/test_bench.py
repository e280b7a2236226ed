"""Every scenario of the load tool in small: it runs, and loses nothing. Times are not looked at."""

import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import merge
from bench.__main__ import running_platform
from bench.capacity import capacity
from bench.measure import Figure
from bench.mixed import mixed
from bench.plots import draw
from bench.reading import history, sync
from bench.scenarios import closed, ways
from bench.sizes import sizes
from bench.target import Target

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    with running_platform(tmp_path_factory.mktemp("bench") / "run") as started:
        yield started


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Little of everything, and no refusal: other tests may keep this machine busy."""
    knobs = {
        "QUIET_S": 0.01,
        "WARMUP_S": 0.2,
        "DURATION_S": 0.5,
        "RATE": 30,
        "USERS": 20,
        "ROWS": 3000,
        "SCALE": 0.1,
    }
    for name, value in knobs.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setattr(merge, "LATE_P99_MS_MAX", math.inf)
    monkeypatch.setattr(merge, "CPU_SHARE_MAX", math.inf)


def values(figures: list[Figure], name: str) -> dict[str, float]:
    """The figure of that name by scenario."""
    return {figure.scenario: figure.value for figure in figures if figure.name == name}


def all_arrived(figures: list[Figure]) -> bool:
    wrong = ("lost", "duplicates", "out of order", "refused", "unanswered", "rows missing")
    return all(figure.value == 0 for figure in figures if figure.name in wrong)


def test_messages_arrive_on_every_way(target: Target) -> None:
    figures = list(ways(target))
    assert all_arrived(figures)
    assert set(values(figures, "push p99")) == {"ways/ws", "ways/tcp", "ways/comet", "ways/http"}
    # Both mailboxes got their row, and Redis was asked for each message.
    assert all(count >= 1 for count in values(figures, "MySQL rows written per message").values())
    assert all(count >= 1 for count in values(figures, "Redis commands per message").values())


def test_who_waits_for_acks_gets_them(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.scenarios.CLOSED_CLIENTS", (2, 10))
    figures = list(closed(target))
    assert all_arrived(figures)
    assert all(rate > 0 for rate in values(figures, "in lockstep").values())


def test_two_generators_share_the_members_of_a_group(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given groups whose members are those of two load generators
    monkeypatch.setenv("LOADERS", "2")
    monkeypatch.setattr("bench.sizes.RATES", {10: 20, 100: 20})
    monkeypatch.setattr("bench.sizes.REST_S", 0.2)
    # When some of them speak
    figures = list(sizes(target))
    # Then all others hear it, whosever members they are
    assert all_arrived(figures)
    delivered, offered = values(figures, "delivered"), values(figures, "offered")
    assert delivered["group/10"] > 4 * offered["group/10"]


def test_all_kinds_of_load_run_at_once(target: Target) -> None:
    figures = mixed(target)
    assert all_arrived(figures)
    assert values(figures, "other commands")["mixed"] > 0


def test_rows_made_by_sql_are_read_like_any(target: Target, tmp_path: Path) -> None:
    # Given mailboxes and tables filled by SQL, when they are read page by page
    figures = [*sync(target), *history(target)]
    # Then everything is there, and what pages cost can be drawn against rows
    assert all_arrived(figures)
    assert values(figures, "rows")["history/3k"] == 3000
    assert all(rate > 0 for rate in values(figures, "rows read").values())
    assert [path.name for path in draw(figures, tmp_path)] == ["bench-page-by-rows.png"]


def test_a_search_finds_a_rate(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAYS", "tcp")
    monkeypatch.setattr("bench.capacity.RATE_MAX", 30.0)
    monkeypatch.setattr("bench.capacity.PUSH_P99_MS_MAX", math.inf)
    figures = list(capacity(target))
    assert values(figures, "tcp")["capacity"] == 30
