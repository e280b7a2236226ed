"""Waiting for conditions: never a sleep as an assertion, always a generous deadline."""

import time
from collections.abc import Callable
from typing import TypeVar

DEADLINE_S = 30.0
"""How long anything may take on a busy machine before a test fails."""

T = TypeVar("T")


class Unanswered(AssertionError):
    """Something did not come in time. Any other AssertionError says that what came was wrong."""


def wait_until(
    condition: Callable[[], T], timeout_s: float = DEADLINE_S, *, what: str = "the condition"
) -> T:
    """The first truthy value of `condition`; Unanswered with its last value otherwise."""
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        if time.monotonic() >= deadline:
            raise Unanswered(f"{what} never came true, last: {value!r}")
        time.sleep(0.02)
    return value
