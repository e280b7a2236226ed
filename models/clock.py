"""The wall clock as the protocol and the registry show it."""

import time


def now_ms() -> int:
    """Milliseconds since the epoch, UTC."""
    return int(time.time() * 1000)
