"""Work for several databases at the same time."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, wait
from typing import TypeVar

T = TypeVar("T")


def at_once(threads: Executor, jobs: Sequence[Callable[[], T]]) -> list[T]:
    """The results of all jobs, in order: the first is done here, the others beside it.

    None of them runs any more when this returns or raises, which it does when one of them does.
    """
    started = [threads.submit(job) for job in jobs[1:]]
    try:
        results = [job() for job in jobs[:1]]
    finally:
        wait(started)
    return [*results, *(one.result() for one in started)]
