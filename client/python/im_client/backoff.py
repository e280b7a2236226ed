"""How long to wait before the next attempt. No clock: it is told what happened."""

from dataclasses import dataclass, field
from random import Random


@dataclass(slots=True)
class Backoff:
    """Waits that double from `least_s` to `most_s`, each spread over its upper half.

    Mars waits 15, 30, 240 seconds and all of its clients at the same moment; the spread keeps a
    server that comes back from meeting everybody at once.
    """

    least_s: float = 0.5
    most_s: float = 60.0
    random: Random = field(default_factory=Random)
    _failures: int = 0

    def next_s(self, advice_s: float = 0.0) -> float:
        """The wait after one more failure; never shorter than the server's advice."""
        grown: float = min(self.most_s, self.least_s * 2.0 ** min(self._failures, 30))
        self._failures += 1
        wait_s = grown * self.random.uniform(0.5, 1.0)
        return max(wait_s, advice_s * self.random.uniform(1.0, 1.2))

    def reset(self) -> None:
        """An attempt succeeded: the next wait is a short one again."""
        self._failures = 0
