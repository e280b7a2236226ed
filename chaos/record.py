"""What clients write down: every request with what became of it, in the order of one user."""

import time
from dataclasses import dataclass, field
from typing import Any

from proto import im_pb2

TEXT = "marzipan-potatoes-4711"
"""In every body sent, so that stores, caches and logs can be searched for it."""


def now_ms() -> int:
    """MySQL reads the same clock."""
    return time.time_ns() // 1_000_000


@dataclass
class Op:
    """A request, repeated or not; done, if at all, after the first time and before the second."""

    user: str
    request: Any
    begin_ms: int
    end_ms: int = 0
    answer: Any = None
    """The last one that is no "not now"; None while there is none."""
    in_doubt: bool = False
    """Some attempt was not answered, or with an error that leaves open whether it was done."""
    answers: list[tuple[int, str]] = field(default_factory=list)
    """Every answer: when, in milliseconds, and the name of its error; `NONE` for no answer."""

    @property
    def acked(self) -> bool:
        """Whether it was done, for certain."""
        return self.answer is not None and not self.answer.error.code

    @property
    def refused(self) -> bool:
        """Whether it was not done, for certain."""
        return self.answer is not None and bool(self.answer.error.code) and not self.in_doubt

    def is_a(self, *types: type[Any]) -> bool:
        """Whether the request is one of these."""
        return isinstance(self.request, types)


@dataclass
class Record:
    """All that one user did, was answered and was pushed."""

    user: str
    ops: list[Op] = field(default_factory=list)
    pushed: list[tuple[int, im_pb2.MessagesPush]] = field(default_factory=list)
    """When, in milliseconds, and what."""
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Answers to what changes nothing and is not in `ops`: type of the request, and error."""
    connections: int = 0
    complaints: list[str] = field(default_factory=list)
    """What no answer may be like."""

    def sends(self) -> list[Op]:
        """The sends, in the order they began; a resend is an op of its own."""
        return [op for op in self.ops if op.is_a(im_pb2.SendRequest)]


def body_of(sequence: str) -> str:
    """The text of what is sent under this sequence: found nowhere else."""
    return f"{TEXT} {sequence}."
