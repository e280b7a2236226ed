"""Percentiles, merged reports, and figures that are withheld."""

import random
from array import array
from typing import Any

import pytest

from bench.measure import Figure, pack, summarise, table, unpack
from bench.merge import CPU_SHARE_MAX, LATE_P99_MS_MAX, bottleneck, merge
from bench.tables import tables_of_runs


def report(send_ms: list[float], push_ms: list[float], **more: Any) -> dict[str, Any]:
    samples = {"send": pack(send_ms), "ack": pack(push_ms), "push": pack(push_ms)}
    return {
        "cpu_share": 0.2,
        "send": {"p99_ms": summarise(send_ms).p99_ms},
        "ack": {},
        "push": {},
        "samples": samples,
        **more,
    }


def test_percentiles_are_those_of_the_nearest_rank() -> None:
    # Given the numbers 1 to 1000 in disorder
    values = [float(n) for n in range(1, 1001)]
    random.Random(1).shuffle(values)
    # When they are summarised
    found = summarise(values)
    # Then each percentile is a value that was measured
    assert (found.count, found.p50_ms, found.p90_ms) == (1000, 500, 900)
    assert (found.p99_ms, found.p999_ms, found.max_ms) == (990, 999, 1000)


def test_packed_measurements_survive_the_trip() -> None:
    values = array("f", (0.25, 3.5, 1e6))
    assert unpack(pack(values)) == values


def test_merged_percentiles_are_of_all_measurements_together() -> None:
    # Given two generators, one of which saw 99 quick messages and the other a single slow one
    quick = report([0.0], [1.0] * 99, lost=0, acked_rate=99.0, counts={"pushed": 99})
    slow = report([0.0], [1000.0], lost=1, acked_rate=1.0, counts={"pushed": 1, "holes": 2})
    # When their reports become one
    merged = merge([quick, slow])
    # Then the slow one is a hundredth of all, not a half
    assert (merged["push"]["p50_ms"], merged["push"]["p99_ms"]) == (1.0, 1.0)
    assert merged["push"]["max_ms"] == 1000.0
    assert (merged["lost"], merged["acked_rate"]) == (1, 100.0)
    assert merged["counts"] == {"pushed": 100, "holes": 2}


def test_the_busiest_generator_speaks_for_all() -> None:
    merged = merge([report([], [1.0], cpu_share=0.3), report([], [1.0], cpu_share=0.9)])
    assert merged["cpu_share"] == 0.9


@pytest.mark.parametrize(
    ("cpu_share", "late_ms", "machine_share", "withheld"),
    [
        (0.5, 1.0, 0.5, False),
        (CPU_SHARE_MAX + 0.01, 1.0, 0.5, True),
        (0.5, LATE_P99_MS_MAX + 1, 0.5, True),
        (0.5, LATE_P99_MS_MAX + 1, 0.99, False),  # the server has the processors
    ],
)
def test_figures_are_withheld_where_the_generator_was_the_bottleneck(
    cpu_share: float, late_ms: float, machine_share: float, withheld: bool
) -> None:
    one = {"cpu_share": cpu_share, "send": {"p99_ms": late_ms}}
    assert (bottleneck(one, machine_share) is not None) is withheld


def test_tables_stay_within_80_columns_and_hold_minor_figures_once() -> None:
    # Given a run with figures for every table, one of them minor
    figures = [
        Figure("group/1000", "delivered", 123456.7, "per s"),
        Figure("group/1000", "push p99.9", 12345.6, "ms", minor=True),
        Figure("group/1000", "MySQL statements per message", 0.0012, "", minor=True),
        Figure("group/1000", "bytes of clients per message", 243213, "B", minor=True),
        Figure("group/1000", "CPU of everything else", 101.5, "% core", minor=True),
        Figure("group/1000", "lost", 3, "messages", most=0),
    ]
    # When the tables are made
    lines, runs = table(figures).splitlines(), tables_of_runs(figures)
    # Then minor figures have no line of their own, but are in the tables of runs
    assert len(lines) == 3
    assert lines[2].endswith("NO")
    assert "12,346" in runs
    assert "0.0012" in runs
    assert max(map(len, [*lines, *runs.splitlines()])) <= 80
