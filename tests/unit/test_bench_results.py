"""What was measured before stays until something else was; one benchmark at a time."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import bench.__main__ as bench_main
import bench.peer.__main__ as peer_main
from bench.__main__ import running_platform, taken
from bench.loader import RunFailed
from dev.services import ServiceError

MAINS = [(bench_main, "bench.json"), (peer_main, "bench-peer.json")]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """In the place of `var`; benchmarks leave limits and signals of this process alone."""
    for main, name in MAINS:
        monkeypatch.setattr(main, "VAR", tmp_path)
        monkeypatch.setattr(main, "prepare", lambda: None)
        (tmp_path / name).write_text("before")
    monkeypatch.setattr(sys, "argv", ["bench"])
    return tmp_path


def started(monkeypatch: pytest.MonkeyPatch, main: Any, error: BaseException | None) -> int:
    """The exit code of a benchmark whose platform starts, or fails to for this reason."""

    @contextmanager
    def running(folder: Path) -> Iterator[Any]:
        if error is not None:
            raise error
        yield SimpleNamespace(platform=SimpleNamespace(stop=lambda: None))

    monkeypatch.setattr(main, "running_platform", running)
    return int(main.main())


@pytest.mark.parametrize(("main", "name"), MAINS)
def test_a_platform_that_does_not_start_leaves_the_results_of_before(
    monkeypatch: pytest.MonkeyPatch, folder: Path, main: Any, name: str
) -> None:
    assert started(monkeypatch, main, ServiceError("it did not start")) == 1
    assert (folder / name).read_text() == "before"


@pytest.mark.parametrize(("main", "name"), MAINS)
def test_a_benchmark_beside_another_leaves_the_results_of_before(
    monkeypatch: pytest.MonkeyPatch, folder: Path, main: Any, name: str
) -> None:
    with pytest.raises(SystemExit):
        started(monkeypatch, main, SystemExit("another benchmark runs here"))
    assert (folder / name).read_text() == "before"


def test_a_comparison_without_figures_leaves_the_results_of_before(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    # Given rounds of which the first one fails
    def run(count: int) -> list[Any]:
        raise RunFailed("no rate")

    turns = SimpleNamespace(bench=SimpleNamespace(broken=[]), run=run, failed=False)
    monkeypatch.setattr(peer_main, "rounds", lambda target, wanted: turns)
    # When they run, then nothing is written
    assert started(monkeypatch, peer_main, None) == 1
    assert (folder / "bench-peer.json").read_text() == "before"

    # Given messages that were lost in it, then that is told
    turns.bench.broken.append("ours at 1,000 msg/s: lost")
    assert started(monkeypatch, peer_main, None) == 1
    assert "lost or wrong" in (folder / "bench-peer.json").read_text()


def never_started(*_: Any, **more: Any) -> None:
    raise ServiceError("it was about to start")


@pytest.mark.parametrize("other", ["bench", "bench-peer"])
def test_only_one_of_the_benchmarks_runs_at_a_time(
    monkeypatch: pytest.MonkeyPatch, folder: Path, other: str
) -> None:
    monkeypatch.setattr(bench_main, "MariaDB", never_started)
    # Given a benchmark that runs, when either is started, then it is refused
    with taken(folder / "bench.lock"), pytest.raises(SystemExit, match="another benchmark"):
        running_platform(folder / other).__enter__()
    # And when it has ended, or is one of a test, then not
    with taken(folder / "bench.lock"), pytest.raises(ServiceError, match="about to start"):
        running_platform(folder / "of a test" / "run").__enter__()
    with pytest.raises(ServiceError, match="about to start"):
        running_platform(folder / other).__enter__()
