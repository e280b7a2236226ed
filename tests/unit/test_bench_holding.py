"""Held connections: memory whoever was busy, rates only where the server made them."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from bench import holding, procs
from bench.loader import GeneratorLimited
from bench.target import Target

COUNT, MEMORY_BYTES = 1050, 1000 * 8 * 1024


def held(
    monkeypatch: pytest.MonkeyPatch, cpu_share: float, transport: str = "websocket"
) -> tuple[dict[str, float], bool]:
    """Figures of connections that a generator opened so busily; whether others were withheld."""

    class Loader:
        def __init__(self, order: dict[str, Any], timeout_s: float) -> None: ...

        def __enter__(self) -> "Loader":
            return self

        def __exit__(self, *_: object) -> None: ...

        def tell(self, count: int) -> None: ...

        def wait_for(self, event: str) -> dict[str, Any]:
            return {"event": event, "cpu_share": cpu_share}

    memory = iter((0, MEMORY_BYTES))
    monkeypatch.setattr(holding, "Loader", Loader)
    monkeypatch.setattr(procs, "settled_rss_bytes", lambda pids, timeout_s: next(memory))
    found: dict[str, float] = {}
    try:
        for figure in holding._hold({}, [], transport, COUNT, 22):
            found[figure.name] = figure.value
    except GeneratorLimited:
        return found, True
    return found, False


def test_how_fast_connections_open_is_shown_beside_the_generators_share(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found, withheld = held(monkeypatch, 0.3)
    assert not withheld
    assert found["websocket opened"] > 0
    assert found["websocket generator busy"] == pytest.approx(30)


def test_the_generators_own_rate_is_withheld_and_memory_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found, withheld = held(monkeypatch, 0.95)
    assert withheld
    assert "websocket opened" not in found
    assert found["websocket memory for each"] == pytest.approx(8)


def test_polls_have_no_rate_that_could_be_the_generators(monkeypatch: pytest.MonkeyPatch) -> None:
    found, withheld = held(monkeypatch, 0.95, "comet")
    assert (set(found), withheld) == ({"comet connections", "comet memory for each"}, False)


def test_transports_tell_the_busiest_generators_share(monkeypatch: pytest.MonkeyPatch) -> None:
    def send(target: Target, transport: str, *of: object) -> Any:
        report = {
            "cpu_share": 0.4 if transport == "websocket" else 0.6,
            "counts": {"pushed": 4000},
            "delivered_in_s": 1.0,
            **dict.fromkeys(("lost", "unanswered"), 0),
        }
        return SimpleNamespace(report=report)

    monkeypatch.setattr(holding, "send", send)
    found = {figure.name: figure.value for figure in holding.transports(cast(Target, None))}
    assert found["CPU of the generator"] == pytest.approx(60)
