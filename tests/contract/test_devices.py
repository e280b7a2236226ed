"""Devices as they were last seen, and tokens taken back, in MariaDB."""

import hashlib
import itertools
import secrets
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from models import devices as module
from models.core import Core
from models.devices import KEPT_DAYS, LISTED_MAX, NEVER, Devices, Seen, expiry, token_digest
from models.usercentre.tokens import Identity

DAY_MS = 24 * 3600 * 1000


@pytest.fixture
def user() -> str:
    return f"u{secrets.token_hex(6)}"


@pytest.fixture
def devices(core: Core) -> Iterator[Devices]:
    """The store; tokens taken back are forgotten afterwards."""
    yield core.devices
    core.shards.databases[0].execute("DELETE FROM logout")


def seen(user: str, device: str, last_seen: int, **more: Any) -> Seen:
    """A device as of some time; everything about it differs with the time."""
    fields = {
        "platform": f"p{last_seen % 1000}",
        "class_": last_seen % 3,
        "token_digest": hashlib.sha256(f"{last_seen}".encode()).hexdigest(),
        "token_expires": 2_000_000_000 + last_seen % 1000,
        **more,
    }
    return Seen(user=user, device=device, last_seen=last_seen, **fields)


def now_ms() -> int:
    return int(time.time() * 1000)


def digest() -> str:
    return secrets.token_hex(32)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_the_newest_wins_whatever_the_order_of_writes(
    devices: Devices, user: str, order: tuple[int, ...]
) -> None:
    now = now_ms()
    news = [seen(user, "phone", now - age) for age in (2000, 1000, 0)]
    for index in order:
        devices.write([news[index]])
    assert devices.of_user(user) == [news[2]]


@pytest.mark.parametrize("order", [1, -1])
def test_the_newest_of_one_write_wins(devices: Devices, user: str, order: int) -> None:
    now = now_ms()
    news = [seen(user, "phone", now - age) for age in (2000, 1000, 0)]
    devices.write(news[::order])
    assert devices.of_user(user) == [news[2]]


def test_writing_again_changes_nothing(devices: Devices, user: str) -> None:
    news = [seen(user, name, now_ms()) for name in ("phone", "browser")]
    for _ in range(2):
        devices.write(news)
        assert sorted(devices.of_user(user)) == sorted(news)


def test_devices_are_listed_the_last_seen_first(devices: Devices, user: str) -> None:
    now = now_ms()
    news = [seen(user, f"d{n}", now - 1000 * n) for n in range(LISTED_MAX + 3)]
    devices.write([*news, seen(f"{user}-other", "d0", now)])
    assert devices.of_user(user) == news[:LISTED_MAX]


def test_last_seen_of_users_of_both_databases(
    devices: Devices, user_in: Callable[[int], str]
) -> None:
    # Given: users in every shard, each with two devices, and one who never was here
    now = now_ms()
    users = [user_in(shard) for shard in range(4)]
    devices.write(
        seen(name, device, now - 1000 * n - age)
        for n, name in enumerate(users)
        for device, age in (("phone", 0), ("browser", 10_000_000))
    )

    # Then: asked for together
    expected = {name: now - 1000 * n for n, name in enumerate(users)}
    assert devices.last_seen([*users, "never-here"]) == expected
    assert devices.last_seen([]) == {}


def test_more_devices_than_one_statement_takes(
    devices: Devices, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ROWS_PER_STATEMENT", 3)
    news = [seen(user, f"d{n}", now_ms() - n) for n in range(7)]
    devices.write(news)
    assert devices.of_user(user) == news


def test_devices_unseen_for_long_are_forgotten(
    devices: Devices, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given
    edge = now_ms() - KEPT_DAYS * DAY_MS
    news = [seen(user, "kept", edge + DAY_MS), seen(user, "forgotten", edge - DAY_MS)]
    monkeypatch.setattr(module, "PURGED_SHARE", 0.0)
    devices.write(news)
    assert len(devices.of_user(user)) == 2

    # When: any write that cleans up
    monkeypatch.setattr(module, "PURGED_SHARE", 1.1)
    devices.write([seen(user, "today", now_ms())])

    # Then
    assert [item.device for item in devices.of_user(user)] == ["today", "kept"]


def test_tokens_taken_back_are_listed_until_they_expire(core: Core, devices: Devices) -> None:
    # Given
    later = int(time.time()) + 1000
    good, forever, expired = (digest(), later), (digest(), NEVER), (digest(), later - 2000)

    # When
    devices.take_back([good, forever])
    core.shards.databases[0].execute(
        "INSERT INTO logout (token, expires) VALUES (UNHEX(%s), %s)", expired
    )

    # Then
    assert set(devices.taken_back(None)) == {good, forever}
    assert set(devices.taken_back(60)) == {good, forever}
    devices.take_back([])
    assert len(devices.taken_back(None)) == 2


def test_taking_back_again_never_shortens(core: Core, devices: Devices) -> None:
    later = int(time.time()) + 1000
    token = digest()
    for until in (later, later + 500, later + 100):
        devices.take_back([(token, until)])
    assert devices.taken_back(None) == [(token, later + 500)]


def test_only_what_is_recent_where_that_is_asked(core: Core, devices: Devices) -> None:
    # Given
    later = int(time.time()) + 1000
    early, late = (digest(), later), (digest(), later)
    devices.take_back([early])
    core.shards.databases[0].execute("UPDATE logout SET since = NOW() - INTERVAL 1 HOUR")
    devices.take_back([late])

    # Then
    assert devices.taken_back(60) == [late]
    assert set(devices.taken_back(None)) == {early, late}
    # Then: one that is taken back with a later end is news, for who knew the earlier one
    devices.take_back([(early[0], later + 1)])
    assert set(devices.taken_back(60)) == {late, (early[0], later + 1)}


def test_expired_tokens_are_purged(core: Core, devices: Devices) -> None:
    catalog = core.shards.databases[0]
    devices.take_back((digest(), 1000 + n) for n in range(5))
    devices.take_back([(digest(), NEVER)])
    assert catalog.query("SELECT COUNT(*) FROM logout", ()) == ((1,),)


def test_what_is_kept_of_a_token_is_no_token() -> None:
    identity = Identity(user="u", token_id="secret", issued_at=0.0, expires_at=1.5)
    assert token_digest(identity) == hashlib.sha256(b"secret").hexdigest()
    assert [expiry(end) for end in (1.5, float("inf"), 1e300)] == [2, NEVER, NEVER]
