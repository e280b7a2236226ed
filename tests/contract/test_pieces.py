"""Rows that need several calls of a script: later ones are never published without the first."""

import secrets
from collections.abc import Sequence

import pytest

from models import keys
from models.core import Core
from models.fence import LOST
from models.redisclient import call_all, evalsha

LOCK, TOKEN = keys.shard_lock(0), "mine"


def user_call(core: Core, name: str, before: str) -> tuple[object, Sequence[str], Sequence[object]]:
    """One row with version 9 for a mailbox, which may be one of several."""
    of = (keys.latest, keys.contacts, keys.unread, keys.marks, keys.lease)
    names = [*(key(name) for key in of), LOCK]
    row = (9, "0:peer", "a" * 32, "r", "", b"blob")
    return core.scripts.effects, names, [TOKEN, 60, "down", before, 0, 1, *row]


def group_call(
    core: Core, name: str, before: str
) -> tuple[object, Sequence[str], Sequence[object]]:
    """One row with version 9 for a group."""
    of = (keys.group_version, keys.group_window, keys.group_rows)
    names = [*(key(name) for key in of), LOCK]
    row = (9, "a" * 32, "m sender ", b"blob")
    return core.scripts.group_apply, names, ["down", before, 200, 60, "", TOKEN, *row]


@pytest.mark.parametrize("make", [user_call, group_call])
@pytest.mark.parametrize(
    ("version", "before", "answer"),
    [
        (None, "", -1),  # to be looked up
        (None, "5", 5),  # looked up
        ("5", "", 5),
        (None, ">8", -1),  # the piece before was not published
        ("5", ">8", -1),  # nor here: a reader has cached what was delivered until then
        ("8", ">8", 8),
        ("9", ">8", 9),  # a repetition
    ],
)
def test_a_piece_waits_for_the_one_before_it(
    core: Core, make: object, version: str | None, before: str, answer: int
) -> None:
    # Given
    script, names, args = make(core, f"n{secrets.token_hex(6)}", before)  # type: ignore[operator]
    core.redis.set(LOCK, TOKEN, px=5000)
    if version is not None:
        core.redis.set(names[0], version)

    # When
    (given,) = call_all(core.redis, script, lambda pipe: evalsha(pipe, script, names, args))

    # Then
    assert given == ([answer] if make is user_call else answer)
    published = core.redis.get(names[0])
    assert published == (b"9" if answer != -1 else version.encode() if version else None)


@pytest.mark.parametrize("make", [user_call, group_call])
@pytest.mark.parametrize("holder", [None, "somebody else"])
def test_without_the_lock_nothing_is_changed(core: Core, make: object, holder: str | None) -> None:
    # Given
    script, names, args = make(core, f"n{secrets.token_hex(6)}", "5")  # type: ignore[operator]
    core.redis.delete(LOCK)
    if holder is not None:
        core.redis.set(LOCK, holder, px=5000)

    # When
    (given,) = call_all(core.redis, script, lambda pipe: evalsha(pipe, script, names, args))

    # Then
    assert given == ([LOST] if make is user_call else LOST)
    assert core.redis.exists(*names[:-1]) == 0
    core.redis.delete(LOCK)
