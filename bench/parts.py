"""Scenarios of several parts: one that fails leaves the others."""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping

import requests

from bench.caller import CallFailed
from bench.loader import RunFailed
from bench.measure import Figure

FAILURES = (RunFailed, CallFailed, requests.RequestException, TimeoutError)
"""What ends a scenario or one of its parts, and nothing else."""

Part = Callable[[], Iterable[Figure]]


def in_parts(parts: Mapping[str, Part]) -> Iterator[Figure]:
    """The figures of all parts, by name; raises `RunFailed` in the end where any of them failed.

    What a part gave before it failed is kept.
    """
    failed = []
    for name, part in parts.items():
        try:
            yield from part()
        except FAILURES as error:
            failed.append(f"{name}: {error}")
            print(f"  {failed[-1]}", file=sys.stderr, flush=True)
    if failed:
        raise RunFailed("; ".join(failed))
