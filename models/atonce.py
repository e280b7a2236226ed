"""Work for several databases at the same time."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, wait
from functools import partial
from typing import TypeVar

from models.errors import IMError

T = TypeVar("T")


def at_once(threads: Executor, jobs: Sequence[Callable[[], T]]) -> list[T | IMError]:
    """The results of all jobs, or how they failed, in order: the first is done here, others beside.

    None of them runs any more when this returns or raises, which it does for what is no `IMError`.
    """
    started = [threads.submit(partial(_outcome, job)) for job in jobs[1:]]
    try:
        results = [_outcome(job) for job in jobs[:1]]
    finally:
        wait(started)
    return [*results, *(one.result() for one in started)]


def _outcome(job: Callable[[], T]) -> T | IMError:
    try:
        return job()
    except IMError as error:
        return error
