"""The comparison's search for the highest rate, its verdict on one rate, and its ratios."""

from dataclasses import replace
from typing import Any

import pytest

from bench.loader import GeneratorLimited
from bench.peer.comparison import OURS, PEER, Round, compare
from bench.peer.ejabberd import statements
from bench.peer.search import (
    Terms,
    Try,
    decided,
    faults,
    highest,
    is_broken,
    limited_by,
    settled,
)
from tests.support.peersides import GOOD


@pytest.mark.parametrize("start", [100.0, 900.0, 1000.0, 1001.0, 20_000.0])
@pytest.mark.parametrize("step", [1.12, 1.4])
def test_a_search_ends_close_below_what_is_sustained(start: float, step: float) -> None:
    # Given a server that sustains 1,000 a second
    tried = []

    def probe(rate: float) -> Try:
        tried.append(rate)
        return Try(rate, sustained=rate <= 1000)

    # When the search starts anywhere within a dozen steps
    best = highest(probe, start if step > 1.2 else 1000 + (start - 1000) / 100, step, 1.05)

    # Then it finds the rate to five percent, and never tries what it knows
    assert best is not None
    assert 1000 / 1.05 <= best.rate <= 1000
    assert len(set(tried)) == len(tried)


@pytest.mark.parametrize("start", [20.0, 50_000.0])
def test_a_search_that_begins_far_away_gets_there(start: float) -> None:
    best = highest(lambda rate: Try(rate, sustained=rate <= 1000), start, 1.12, 1.05)
    assert best is not None
    assert not best.limited
    assert 1000 / 1.05 <= best.rate <= 1000


def test_a_search_that_runs_out_of_tries_says_so() -> None:
    best = highest(lambda rate: Try(rate, sustained=True), 1000, 1.4, 1.05)
    assert best is not None
    assert "tries" in best.limited


def test_a_search_that_nothing_satisfies_gives_up() -> None:
    assert highest(lambda rate: Try(rate, sustained=False), 100, 1.4, 1.05) is None


HELD, SLOW = Try(1000, sustained=True), Try(1000, sustained=False)
LIMITED = replace(SLOW, limited="the generator was late")


def decide(*tries: Try) -> Try:
    """The verdict, for which all of them were needed."""
    attempts = iter(tries)
    verdict = decided(lambda: next(attempts))
    assert not list(attempts)
    return verdict


@pytest.mark.parametrize(
    ("tries", "sustained"),
    [
        ([HELD, HELD], True),
        ([SLOW, SLOW], False),
        ([SLOW, HELD, HELD], True),
        ([HELD, SLOW, SLOW], False),
        ([HELD, LIMITED, SLOW, HELD], True),
    ],
)
def test_two_tries_of_a_rate_decide(tries: list[Try], sustained: bool) -> None:
    assert decide(*tries).sustained is sustained


def test_what_the_generator_ended_says_nothing_of_the_server() -> None:
    assert not decide(LIMITED, SLOW, SLOW).limited
    assert decide(LIMITED, SLOW, LIMITED).limited


def test_what_is_broken_is_not_tried_again() -> None:
    assert decide(HELD, replace(SLOW, broken=True)).broken


def test_of_tries_that_agree_the_slower_counts() -> None:
    quick, slow = replace(HELD, push_p99_ms=20), replace(HELD, push_p99_ms=30)
    assert decide(quick, slow) is decide(slow, quick) is slow


@pytest.mark.parametrize("wrong", ["doubled", "disordered", "strayed"])
def test_what_was_heard_wrongly_is_broken_however_slow_it_was(wrong: str) -> None:
    slow = {**GOOD, "cut_short": True, "heard_rate": 1.0, "push": {"p99_ms": 900.0}, "lost": 9}
    assert not is_broken(faults({**slow, "refused": {"OVERLOADED": 1}}, 1000, 1.0, Terms(2)))
    assert is_broken(faults({**slow, wrong: 1}, 1000, 2.0, Terms(2)))


def test_what_is_missing_is_broken_where_the_server_kept_up() -> None:
    assert is_broken(faults({**GOOD, "lost": 1}, 1000, 2.0, Terms(2)))
    assert is_broken(faults(GOOD, 1000, 1.0, Terms(2)))
    assert not is_broken(faults({**GOOD, "heard_rate": 1.0}, 1000, 1.0, Terms(2)))


def test_a_good_run_has_no_faults() -> None:
    assert faults(GOOD, 1000, 2.0, Terms(2)) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"cut_short": True}, "gave up"),
        ({"heard_rate": 985.0}, "fell behind"),
        ({"audience": 99}, "fell behind"),
        ({"lost": 1}, "lost"),
        ({"doubled": 1}, "doubled"),
        ({"disordered": 1}, "in another order"),
        ({"strayed": 1}, "heard by others"),
        ({"refused": {"BUSY": 1}}, "refused"),
        ({"push": {"p99_ms": 100.1}}, "too slow"),
        ({"push": {"p99_ms": float("nan")}}, "too slow"),
        ({"cpu_share": 0.9}, "the generator ended it"),
        ({"send": {"p99_ms": 21.0}}, "the generator ended it"),
    ],
)
def test_each_fault_is_found(change: dict[str, Any], fault: str) -> None:
    assert faults(GOOD | change, 1000, 2.0, Terms(2)) == [fault]


def test_sends_may_be_late_where_the_server_has_the_processors() -> None:
    assert limited_by(GOOD | {"send": {"p99_ms": 21.0}})
    assert not limited_by(GOOD | {"send": {"p99_ms": 21.0}, "machine_share": 0.95})


@pytest.mark.parametrize("generator", [1030.0, 1100.0, 5000.0])
def test_a_rate_that_the_generator_ended_is_a_lower_bound(generator: float) -> None:
    # Given a server that sustains 1,000 a second, and a generator that reaches so much
    tries = []

    def probe(rate: float) -> Try:
        limited = "busy" if rate > generator else ""
        tries.append(Try(rate, sustained=not limited and rate <= 1000, limited=limited))
        return tries[-1]

    # When the search begins low enough for the server to end it, then so it did
    best = highest(probe, 900, 1.03, 1.05)
    assert best is not None
    assert settled(best, tries, 1.05) == best

    # When the generator gets in before the server, then it is a lower bound, or nothing at all
    tries.append(Try(1010, sustained=False, limited="busy"))
    bound = settled(best, tries, 1.05)
    assert bound == replace(best, limited="at 1,010 msg/s busy")
    with pytest.raises(GeneratorLimited, match="withheld at 1,010"):
        settled(None, tries, 1.05)


def test_terms_may_ask_for_quicker_pushes() -> None:
    assert faults(GOOD, 1000, 2.0, Terms(2, push_p99_ms=19)) == ["too slow"]


def test_messages_missing_in_the_archive_are_a_fault() -> None:
    assert faults(GOOD, 1000, 1.99, Terms(2)) == ["not archived"]
    one_of_many = 2 - 1 / 48_000
    assert faults(GOOD, 1000, one_of_many, Terms(2)) == ["not archived"]


def test_ratios_are_those_of_the_medians_of_all_rounds() -> None:
    # Given three rounds of both
    rounds = [
        Round(
            side,
            serial_ms=ms,
            one=Try(rate, sustained=True),
            one_as_quick=Try(quick, sustained=True) if quick else None,
        )
        for side, ms, rate, quick in [
            (PEER, 1.0, 1000, 0),
            (OURS, 2.0, 2500, 1500),
            (PEER, 9.0, 1200, 0),
            (OURS, 4.0, 2000, 1700),
            (PEER, 1.1, 900, 0),
            (OURS, 2.2, 100, 9000),
        ]
    ]

    # When they are compared
    figures = {(each.scenario, each.name): each for each in compare(rounds)}

    # Then the medians make the ratios, and what was not measured is absent
    assert figures["one-to-one", "highest rate: ratio"].value == pytest.approx(2.0)

    # And the target is for pushes as quick as theirs
    assert figures["one-to-one", "highest rate: ratio"].met is None
    assert figures["one-to-one", "at its p99: ratio"].value == pytest.approx(1.7)
    assert figures["one-to-one", "at its p99: ratio"].met is False
    assert figures["serial", "push p50: ratio"].value == pytest.approx(2.0)
    assert not [each for each in figures if each[0] in ("idle", "group")]

    # And each round can be seen
    assert figures["one-to-one", "round 2, ejabberd"].value == 1200
    assert figures["one-to-one", "round 3, ours"].value == 100
    assert figures["one-to-one", "round 3, ours at its p99"].value == 9000


@pytest.mark.parametrize("missing", [OURS, PEER])
def test_ratios_are_of_rounds_that_both_have(missing: str) -> None:
    # Given a second round in which one of two was not measured
    second = [
        Round(PEER, serial_ms=50.0, one=HELD),
        Round(OURS, serial_ms=50.0, one_as_quick=HELD),
    ]
    rounds = [
        Round(PEER, serial_ms=1.0, one=Try(1000, sustained=True)),
        Round(OURS, serial_ms=2.0, one_as_quick=Try(1500, sustained=True)),
        *(Round(missing) if each.side == missing else each for each in second),
    ]

    # When they are compared, then it is the first round alone
    figures = {each.name: each.value for each in compare(rounds)}
    assert figures["push p50: ratio"] == pytest.approx(2.0)
    assert figures["at its p99: ratio"] == pytest.approx(1.5)


def test_one_side_alone_has_figures_and_no_ratio() -> None:
    figures = {each.name: each.value for each in compare([Round(OURS, serial_ms=2.0)])}
    assert figures == {"push p50, ours": 2.0}


def test_a_schema_is_cut_into_statements() -> None:
    script = "-- a; comment\nCREATE TABLE a (\n  b int\n);\n\nCREATE INDEX i ON a(b);\n-- end\n"
    assert statements(script) == ["CREATE TABLE a (\n  b int\n)", "CREATE INDEX i ON a(b)"]


def test_lower_bounds_of_ours_are_called_so() -> None:
    rounds = [
        Round(PEER, group=Try(400, sustained=True, heard_rate=40_000)),
        Round(OURS, group=Try(4000, sustained=True, heard_rate=400_000, limited="busy")),
    ]
    figures = {each.name: each for each in compare(rounds)}
    assert figures["deliveries: ratio, at least"].value == pytest.approx(10)
    assert figures["deliveries, ours, at least"].value == 400_000
    assert figures["deliveries, ejabberd"].value == 40_000


def test_a_lower_bound_at_the_peers_p99_is_called_so() -> None:
    # Given a second round in which the generator ended our search for pushes as quick as theirs
    best, bound = Try(3000, sustained=True), Try(2500, sustained=True, limited="busy")
    rounds = [
        Round(PEER, one=HELD),
        Round(OURS, one=best, one_as_quick=best),
        Round(PEER, one=HELD),
        Round(OURS, one=best, one_as_quick=bound),
    ]
    figures = {each.name: each.value for each in compare(rounds)}
    # Then the median is a bound as well, and so is its ratio
    assert figures["at its p99, ours, at least"] == pytest.approx(2750)
    assert figures["at its p99: ratio, at least"] == pytest.approx(2.75)
    # And of the rounds that one
    assert figures["round 1, ours at its p99"] == 3000
    assert figures["round 2, ours at its p99, at least"] == 2500
    # And what the server ended is none
    assert figures["highest rate: ratio"] == pytest.approx(3)
