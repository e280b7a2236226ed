"""Only who holds a shard's lock changes caches with its rows; the scripts look at the same moment.

A delivery that was frozen past its lock may still have rows in hand that others delivered long ago.
Versions make applying them again harmless, as long as the keys that say so are there; when those
were lost meanwhile, old rows would be taken for the newest ones.
"""

from collections.abc import Iterable

LOST = -2
"""What a script answers when the lock is somebody else's, or gone; it has changed nothing."""


class LockLost(Exception):
    """The delivery must start over from the durable position."""


def check_held(answers: Iterable[int]) -> None:
    """Raise `LockLost` when a script refused."""
    if LOST in answers:
        raise LockLost
