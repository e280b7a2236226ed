"""When a machine that is shared has tried often enough: two tries that agree decide."""

from collections.abc import Callable
from typing import Protocol, TypeVar

AGREEING = 2


class Verdict(Protocol):
    """What a try says of what was tried."""

    @property
    def sustained(self) -> bool:
        """Whether it held."""
        ...

    @property
    def limited(self) -> object:
        """Whether it was the load generator that ended it, which says nothing of the server."""
        ...

    @property
    def broken(self) -> bool:
        """Whether something went wrong that no busy machine excuses."""
        ...


V = TypeVar("V", bound=Verdict)


def agreed(attempt: Callable[[], V]) -> list[V]:
    """The tries that decided: the first two that agree, or the one that broke something.

    They held, or the server did not hold, or the generator did not. A neighbour may spoil a try, or
    spare one, so neither the first nor the best decides.
    """
    verdicts: dict[tuple[bool, bool], list[V]] = {}
    while True:
        tried = attempt()
        if tried.broken:
            return [tried]
        agreeing = verdicts.setdefault((tried.sustained, bool(tried.limited)), [])
        agreeing.append(tried)
        if len(agreeing) == AGREEING:
            return agreeing
