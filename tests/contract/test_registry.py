"""Who is connected: counted in and out, capped per class, and announced exactly when it changes."""

import secrets

import pytest

from models import keys
from models.clock import now_ms
from models.core import Core, open_core
from models.errors import Code, IMError
from models.registry import Registry
from models.settings import Settings
from tests.support.attending import HERE, THERE, listening, one, sessions

CAP = 2
LATER_MS = 60_000


@pytest.fixture
def user() -> str:
    return f"u{secrets.token_hex(6)}"


@pytest.fixture
def registry(core: Core) -> Registry:
    """The registry, with two processes that are alive."""
    core.registry.renew(HERE, 0)
    core.registry.renew(THERE, 0)
    return core.registry


def test_who_enters_is_connected_until_they_leave(registry: Registry, user: str) -> None:
    # Given
    phone, browser = one("phone", platform="ios", process=THERE), one("browser")
    for entry in (phone, browser):
        registry.enter(user, entry, CAP)
    assert registry.connections([user, "nobody"]) in (
        [[phone, browser], []],
        [[browser, phone], []],
    )

    # When
    removed = registry.leave(HERE, [(user, browser.session)])

    # Then
    assert [(name, entry.device) for name, entry in removed] == [(user, "browser")]
    assert registry.connections([user]) == [[phone]]


def test_entering_tells_the_latest_version_where_it_is_cached(
    core: Core, registry: Registry, user: str
) -> None:
    assert registry.enter(user, one("a"), CAP).version is None
    core.redis.set(keys.latest(user), 1 << 60)
    assert registry.enter(user, one("b"), CAP).version == 1 << 60


def test_presence_is_published_when_the_first_comes_and_the_last_goes(
    core: Core, registry: Registry, user: str
) -> None:
    with listening(core, user) as heard:
        first, second = one("phone", process=THERE), one("browser")
        registry.enter(user, first, CAP)
        assert heard() == ["online"]
        registry.enter(user, second, CAP)
        registry.leave(THERE, [(user, first.session)])
        assert heard() == []
        registry.leave(HERE, [(user, second.session)])
        assert heard() == ["offline"]


def test_the_longest_connected_of_the_class_makes_room(
    core: Core, registry: Registry, user: str
) -> None:
    # Given: as many browsers as may be, and a phone that has been there for longer
    phone = one("phone", platform="android", age_ms=9000)
    older, newer = one("b", age_ms=2000, process=THERE), one("a", age_ms=1000)
    for entry in (phone, newer, older):
        registry.enter(user, entry, CAP)

    # When
    third = one("c")
    with listening(core, user) as heard:
        registry.enter(user, third, CAP)

        # Then: told through its channel, and nobody came or went
        assert heard() == [f"kick {older.session}"]
    assert sessions(registry, user) == {phone.session, newer.session, third.session}


def test_a_cap_that_was_lowered_is_met_at_once(core: Core, registry: Registry, user: str) -> None:
    entries = [one(f"d{n}", age_ms=9000 - n) for n in range(4)]
    for entry in entries:
        registry.enter(user, entry, 10)
    with listening(core, user) as heard:
        registry.enter(user, last := one("last"), CAP)
        assert sorted(heard()) == [f"kick {entry.session}" for entry in entries[:3]]
    assert sessions(registry, user) == {entries[3].session, last.session}


def test_policy_refuse_turns_the_newcomer_away(
    settings: Settings, core: Core, registry: Registry, user: str
) -> None:
    stores = open_core(settings.model_copy(update={"devices_policy": "refuse"}))
    try:
        # Given
        strict = stores.registry
        there = [one(f"b{n}", age_ms=1000) for n in range(CAP)]
        for entry in there:
            strict.enter(user, entry, CAP)
        with listening(core, user) as heard:
            # When
            with pytest.raises(IMError) as caught:
                strict.enter(user, one("one too many"), CAP)

            # Then: nothing else happens; another class has room, and so has who is known already
            assert caught.value.code is Code.LIMIT_EXCEEDED
            assert heard() == []
            assert sessions(strict, user) == {entry.session for entry in there}
            strict.enter(user, one("phone", platform="ios"), CAP)
            strict.enter(user, again := one("b0"), CAP)
            assert heard() == [f"kick {there[0].session}"]
            assert again.session in sessions(strict, user)
    finally:
        stores.close()


def test_the_same_device_replaces_itself_and_nobody_else(
    core: Core, registry: Registry, user: str
) -> None:
    other, half_open = one("other", age_ms=5000), one("phone", process=THERE)
    for entry in (other, half_open):
        registry.enter(user, entry, CAP)
    with listening(core, user) as heard:
        registry.enter(user, again := one("phone"), CAP)
        assert heard() == [f"kick {half_open.session}"]
        assert sessions(registry, user) == {other.session, again.session}
        # Then: that the old one leaves at last changes nothing
        assert registry.leave(THERE, [(user, half_open.session)]) == []
        assert heard() == []
    assert sessions(registry, user) == {other.session, again.session}


def test_a_late_log_in_does_not_push_out_the_one_behind_it(
    core: Core, registry: Registry, user: str
) -> None:
    # Given a device that logged in, gave up, and is connected anew in the same process
    slow, now = one("phone", age_ms=20), one("phone")
    registry.enter(user, now, CAP)

    # When its first log-in comes through at last
    with listening(core, user) as heard:
        registry.enter(user, slow, CAP)
        assert heard() == [f"kick {slow.session}"]

    # Then
    assert sessions(registry, user) == {now.session}


def test_clocks_of_two_processes_do_not_keep_a_device_out(
    core: Core, registry: Registry, user: str
) -> None:
    # Given a device whose connection was made where the clock is ahead
    ahead, now = one("phone", age_ms=-5000, process=THERE), one("phone")
    registry.enter(user, ahead, CAP)

    # When
    with listening(core, user) as heard:
        registry.enter(user, now, CAP)
        assert heard() == [f"kick {ahead.session}"]

    # Then
    assert sessions(registry, user) == {now.session}


def test_a_newer_token_of_an_open_session_changes_its_entry_alone(
    core: Core, registry: Registry, user: str
) -> None:
    entry = one("phone", age_ms=1000)
    registry.enter(user, entry, 1)
    with listening(core, user) as heard:
        newer = one("phone", session=entry.session)
        registry.enter(user, newer, 1)
        assert heard() == []
    assert registry.connections([user]) == [[newer]]


def test_repeating_a_script_changes_nothing_more(core: Core, registry: Registry, user: str) -> None:
    # Given: one that pushes another out and replaces a third
    poll = one("poll", age_ms=3000, until_ms=now_ms() + LATER_MS)
    for entry in (poll, one("old", age_ms=2000), one("same", age_ms=1000)):
        registry.enter(user, entry, 3)
    last = one("same")
    with listening(core, user) as heard:
        registry.enter(user, last, 1)
        assert len(heard()) == 3
        before = core.redis.hgetall(keys.devices(user))

        # When
        registry.enter(user, last, 1)
        registry.enter_again([(user, last)])

        # Then
        assert core.redis.hgetall(keys.devices(user)) == before
        assert heard() == []
        assert len(registry.leave(HERE, [(user, last.session)])) == 1
        assert registry.leave(HERE, [(user, last.session)]) == []
        assert heard() == ["offline"]


def test_counting_in_again_pushes_nobody_out(core: Core, registry: Registry, user: str) -> None:
    # Given: Redis lost everything; a device had moved to another process meanwhile
    entries = [one(f"b{n}", age_ms=5000) for n in range(4)]
    moved_from, moved_to = one("phone", age_ms=2000), one("phone", process=THERE)
    with listening(core, user) as heard:
        # When: both processes count in what they hold, in either order
        registry.enter_again([(user, moved_to)])
        registry.enter_again((user, entry) for entry in (*entries, moved_from))

        # Then: all stay but the connection whose device is connected anew
        assert heard() == ["online", f"kick {moved_from.session}"]
        assert sessions(registry, user) == {e.session for e in (*entries, moved_to)}
        core.redis.delete(keys.devices(user))
        registry.enter_again([(user, moved_from)])
        registry.enter_again([(user, moved_to)])
        assert heard() == ["online", f"kick {moved_from.session}"]
        assert sessions(registry, user) == {moved_to.session}
