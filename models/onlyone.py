"""A task of which one runs at a time, as far as Redis remembers; never needed for correctness."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from models.redisclient import Scripts


@contextmanager
def only_one(scripts: Scripts, name: str, lasts_ms: int) -> Iterator[bool]:
    """Whether this is the one; where it died, there is none for as long as `lasts_ms`."""
    token = uuid.uuid4().hex
    taken = bool(scripts.client.set(name, token, nx=True, px=lasts_ms))
    try:
        yield taken
    finally:
        if taken:
            scripts.unlock(keys=[name], args=[token])
