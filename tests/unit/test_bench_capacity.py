"""The search for the highest rate."""

import pytest

from bench.capacity import CLOSE, highest


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


def test_a_hiccup_is_tried_again() -> None:
    # Given a server that holds 1,000 and fails the first time it is asked for anything
    failed: set[float] = set()

    def holds(rate: float) -> bool:
        if rate not in failed:
            failed.add(rate)
            return False
        return rate <= 1000

    # When the highest rate is searched, then the hiccups do not count
    assert 1000 / CLOSE < highest(holds, 500, 16_000) <= 1000
