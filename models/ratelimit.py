"""How many messages a user may send: a token bucket in Redis, the same for all processes."""

from collections import Counter
from collections.abc import Sequence

from models import keys
from models.errors import Code, IMError
from models.redisclient import RedisError, Scripts


class SendRate:
    """Buckets of `burst` tokens that fill at `rate_per_s`; a rate of 0 limits nobody."""

    def __init__(self, scripts: Scripts, rate_per_s: float, burst: int) -> None:
        self._take = scripts.rate
        self._rate_per_s = rate_per_s
        self._burst = burst

    def refused(self, senders: Sequence[str]) -> tuple[list[int], bytes | None]:
        """For each send, in order: 0 when it may go on, else after how many ms to try again.

        And the epoch of block lists, which rides along (models/blacklist.py); None when it is not
        known. One round trip for all. Without Redis nobody is held back: messages matter more.
        """
        free = [0] * len(senders)
        if not self._rate_per_s or not senders:
            return free, None
        wanted = Counter(senders)
        try:
            epoch, *answers = self._take(
                keys=[keys.BLACKLIST_EPOCH, *map(keys.rate, wanted)],
                args=[self._rate_per_s, self._burst, *wanted.values()],
            )
        except RedisError:
            return free, None
        left = dict(zip(wanted, answers[::2], strict=True))
        again = dict(zip(wanted, answers[1::2], strict=True))
        waits = []
        for user in senders:
            left[user] -= 1
            ahead = -left[user] - 1  # refused before this one, and first in line
            wait_ms = int(again[user] + ahead * 1000 / self._rate_per_s)
            waits.append(0 if left[user] >= 0 else max(1, wait_ms))
        return waits, epoch or None


def too_fast(wait_ms: int) -> IMError:
    """The refusal of what goes beyond the user's rate."""
    return IMError(Code.RATE_LIMITED, "too many messages; send again later", wait_ms)
