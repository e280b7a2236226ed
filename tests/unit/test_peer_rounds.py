"""The comparison's rounds: in turns, each search begun where the last one ended."""

from bench.loader import RunFailed
from bench.peer.comparison import OURS, PEER
from bench.peer.rounds import FIRST_STEP, NEXT_STEP, ONE, START, Rounds
from bench.peer.search import PUSH_P99_MS_MAX, Try
from bench.peer.sides import Side
from bench.peer.workloads import Bench
from tests.support.peersides import Named

HIGHEST = {OURS: 5000.0, PEER: 3000.0}
P99_MS = {OURS: 90.0, PEER: 20.0}


class Known(Bench):
    """Searches whose ends are known; remembers how they were begun."""

    asked: list[tuple[str, float, float, float]]

    def one_to_one(
        self, side: Side, start: float, step: float, push_p99_ms: float = PUSH_P99_MS_MAX
    ) -> Try:
        self.asked.append((side.name, start, step, push_p99_ms))
        quick = push_p99_ms < PUSH_P99_MS_MAX
        rate = 700.0 if quick else HIGHEST[side.name]
        return Try(rate, sustained=True, push_p99_ms=P99_MS[side.name])


def test_rounds_take_turns_and_searches_go_on_where_they_were() -> None:
    # Given two sides and a bench whose results are known
    events: list[str] = []
    bench = Known.__new__(Known)
    object.__setattr__(bench, "asked", [])
    rounds = Rounds(bench, [Named(PEER, events), Named(OURS, events)], [ONE])

    # When there are two rounds
    done = list(rounds.run(2))

    # Then only one side runs at a time
    once = [f"{side} {does}" for side in (PEER, OURS) for does in ("starts", "stops")]
    assert events == once * 2

    # And ours is asked a second time, for pushes as quick as the peer's; searches begin where the
    # last ones ended, with smaller steps
    assert bench.asked[:3] == [
        (PEER, START[ONE, PEER], FIRST_STEP, PUSH_P99_MS_MAX),
        (OURS, START[ONE, OURS], FIRST_STEP, PUSH_P99_MS_MAX),
        (OURS, 500.0, FIRST_STEP, 20.0),
    ]
    assert bench.asked[3:] == [
        (PEER, 3000.0, NEXT_STEP, PUSH_P99_MS_MAX),
        (OURS, 5000.0, NEXT_STEP, PUSH_P99_MS_MAX),
        (OURS, 700.0, NEXT_STEP, 20.0),
    ]

    # And each round tells both
    assert [(each.side, each.one_as_quick is not None) for each in done] == [
        (PEER, False),
        (OURS, True),
    ] * 2


class Failing(Known):
    """The peer sustains nothing in the first round."""

    def one_to_one(
        self, side: Side, start: float, step: float, push_p99_ms: float = PUSH_P99_MS_MAX
    ) -> Try:
        best = super().one_to_one(side, start, step, push_p99_ms)
        if len(self.asked) == 1:
            raise RunFailed("sustained no rate")
        return best


def test_what_cannot_be_measured_leaves_the_other_rounds() -> None:
    # Given
    bench = Failing.__new__(Failing)
    object.__setattr__(bench, "asked", [])
    rounds = Rounds(bench, [Named(PEER, []), Named(OURS, [])], [ONE])

    # When
    done = list(rounds.run(2))

    # Then: it is said, and without the peer's p99 ours is not asked for it
    assert rounds.failed
    assert [each.one is not None for each in done] == [False, True, True, True]
    assert [each.one_as_quick is not None for each in done] == [False, False, False, True]
