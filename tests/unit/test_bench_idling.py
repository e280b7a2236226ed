"""How busy the load generator was while a herd came back."""

from types import SimpleNamespace
from typing import Any

import pytest

from bench.idling import Idler
from bench.loader import GeneratorLimited
from bench.merge import check_share


def come_back(monkeypatch: pytest.MonkeyPatch, cpu_share: float) -> dict[str, Any]:
    """What is told of ten clients: cut after 1 s, the server is there after 5, all are after 7."""
    clock = SimpleNamespace(now_s=0.0)
    told: list[dict[str, Any]] = []

    def cpu_s() -> float:
        return float(max(0.0, clock.now_s - 5) * cpu_share)

    def run_once(timeout_s: float) -> None:
        clock.now_s = round(clock.now_s + 0.1, 1)
        if clock.now_s >= 1:
            clients.opened = int(max(0, clock.now_s - 5) * 5)

    clients = SimpleNamespace(opened=10, returns=False, greets=True, run_once=run_once)
    times = SimpleNamespace(monotonic=lambda: clock.now_s, process_time=cpu_s)
    monkeypatch.setattr("bench.idling.time", times)
    monkeypatch.setattr("bench.idling.tell", lambda **event: told.append(event))
    idler = object.__new__(Idler)  # one that was made would listen to stdin
    idler._clients = clients  # type: ignore[assignment]
    idler._come_back()
    return told[-1]


def test_waiting_for_the_server_does_not_make_a_generator_less_busy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Given a generator that is busy from the moment the server is there
    told = come_back(monkeypatch, cpu_share=0.95)
    # Then the time before does not count for it, and its figures are withheld
    assert (told["half_s"], told["all_s"]) == pytest.approx((5, 6))
    assert told["cpu_share"] == pytest.approx(0.95)
    with pytest.raises(GeneratorLimited):
        check_share(told["cpu_share"])


def test_what_an_idle_generator_saw_is_the_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    check_share(come_back(monkeypatch, cpu_share=0.3)["cpu_share"])
