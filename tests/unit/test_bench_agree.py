"""Two tries that agree decide, of a rate as of anything else."""

from dataclasses import dataclass

import pytest

from bench.agree import agreed


@dataclass(frozen=True)
class Try:
    sustained: bool
    broken: bool = False
    limited: bool = False


HELD, SLOW, BROKEN = Try(True), Try(False), Try(False, broken=True)
LIMITED = Try(False, limited=True)


@pytest.mark.parametrize(
    ("tries", "sustained", "tried"),
    [
        ([HELD, HELD], True, 2),
        ([SLOW, SLOW], False, 2),
        ([SLOW, HELD, HELD], True, 3),  # a hiccup
        ([HELD, SLOW, SLOW], False, 3),  # a lucky moment: one that holds is tried again too
        ([SLOW, HELD, SLOW], False, 3),  # and the better of two does not decide
        ([HELD, LIMITED, SLOW, HELD], True, 4),  # the generator's limit is none of the server's
        ([BROKEN], False, 1),
        ([HELD, BROKEN], False, 2),  # what was lost is not forgiven
    ],
)
def test_two_that_agree_decide(tries: list[Try], sustained: bool, tried: int) -> None:
    left = iter(tries)
    deciding = agreed(lambda: next(left))
    assert {one.sustained for one in deciding} == {sustained}
    assert len(tries) - len(list(left)) == tried


def test_what_decided_is_returned() -> None:
    left = iter([SLOW, HELD, HELD])
    assert agreed(lambda: next(left)) == [HELD, HELD]
