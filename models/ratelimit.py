"""How many messages a user may send: a token bucket in Redis, the same for all processes."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from models import keys
from models.errors import Code, IMError
from models.redisclient import RedisError, Scripts, call_all, evalsha


class SendRate:
    """Buckets of `burst` tokens that fill at `rate_per_s`; a rate of 0 limits nobody."""

    def __init__(self, scripts: Scripts, rate_per_s: float, burst: int) -> None:
        self.script = scripts.rate
        self._scripts = scripts
        self._rate_per_s = rate_per_s
        self._burst = burst

    def refused(self, senders: Sequence[str]) -> list[int]:
        """For each send, in order: 0 when it may go on, else after how many ms to try again.

        One round trip for all. Without Redis nobody is held back: messages matter more.
        """
        try:
            replies = call_all(
                self._scripts.client, self.script, lambda pipe: self.queue(pipe, senders)
            )
        except RedisError:
            return [0] * len(senders)
        return self.waits(senders, replies)

    def queue(self, pipe: Any, senders: Sequence[str]) -> int:
        """Add the taking of tokens to a pipeline; returns how many calls that are: 1, or none."""
        if not self._rate_per_s or not senders:
            return 0
        wanted = Counter(senders)
        evalsha(
            pipe,
            self.script,
            [*map(keys.rate, wanted)],
            [self._rate_per_s, self._burst, *wanted.values()],
        )
        return 1

    def waits(self, senders: Sequence[str], replies: Sequence[list[int]]) -> list[int]:
        """What `refused` returns, of the replies to what was queued for the same senders."""
        if not replies:
            return [0] * len(senders)
        (answers,) = replies
        wanted = dict.fromkeys(senders)
        left = dict(zip(wanted, answers[::2], strict=True))
        again = dict(zip(wanted, answers[1::2], strict=True))
        waits = []
        for user in senders:
            left[user] -= 1
            ahead = -left[user] - 1  # refused before this one, and first in line
            wait_ms = int(again[user] + ahead * 1000 / self._rate_per_s)
            waits.append(0 if left[user] >= 0 else max(1, wait_ms))
        return waits


def too_fast(wait_ms: int) -> IMError:
    """The refusal of what goes beyond the user's rate."""
    return IMError(Code.RATE_LIMITED, "too many messages; send again later", wait_ms)
