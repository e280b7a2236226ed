"""What a fault is: a context that breaks something when it is entered and heals it at its end."""

import random
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from chaos.bed import Bed
from chaos.load import Load


class Skipped(Exception):
    """It cannot be injected, here or just now; the message says why."""


@dataclass(frozen=True)
class Scene:
    """What a fault works on; everything random comes from `pick`."""

    bed: Bed
    load: Load
    pick: random.Random
    outcome: list[str] = field(default_factory=list)
    """What is known only when it is over; added to the note."""
    wrong: list[str] = field(default_factory=list)
    """What the platform must not do and did: violations."""


Inject = Callable[[Scene], AbstractContextManager[str]]
"""Enters with a note of what was done, for the report.

Raises `Skipped` before anything is done, or in the end, when it turns out to have done nothing.
"""


@dataclass(frozen=True)
class Fault:
    """`seconds`: how long it is kept up, from and to; `empties`: Redis loses everything.

    `stores`: a process that starts meanwhile may end, as it cannot reach its stores.
    """

    name: str
    inject: Inject
    seconds: tuple[float, float] = (3.0, 6.0)
    empties: bool = False
    stores: bool = False
