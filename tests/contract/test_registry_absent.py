"""Connections that ended without saying so: of dead processes, and polls that do not come back."""

import secrets
from typing import Any

import pytest

from models import keys
from models.clock import now_ms
from models.core import Core
from models.errors import Code, IMError
from models.registry import ALIVE_MS, Presence, Registry
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


def die(core: Core, process: str) -> None:
    """The process was killed, and its key is over."""
    core.redis.delete(keys.process(process))


def poll(device: str, *, left_ms: int = LATER_MS, **more: Any) -> Presence:
    """A poll of a device that counts for so much longer; the same session every time."""
    return one(device, session=f"poll-{device}", until_ms=now_ms() + left_ms, **more)


def test_a_process_lives_as_long_as_it_renews(core: Core, registry: Registry) -> None:
    assert registry.renew(HERE, 1)
    assert registry.renew(HERE, 2)
    assert 0 < core.redis.pttl(keys.process(HERE)) <= ALIVE_MS
    die(core, HERE)
    assert not registry.renew(HERE, 3), "it must count its connections in again"


def test_a_process_notices_that_redis_went_back_in_time(core: Core, registry: Registry) -> None:
    # Given: a snapshot
    registry.renew(HERE, 1)
    snapshot = core.redis.dump(keys.process(HERE))
    registry.renew(HERE, 2)

    # When
    core.redis.restore(keys.process(HERE), ALIVE_MS, snapshot, replace=True)

    # Then
    assert not registry.renew(HERE, 3)


def test_nobody_counts_the_connections_of_a_dead_process(
    core: Core, registry: Registry, user: str
) -> None:
    # Given: a class that is full
    for n in range(CAP):
        registry.enter(user, one(f"b{n}", process=THERE), CAP)

    # When
    die(core, THERE)

    # Then: nobody is connected; who comes pushes nobody out and is the first again
    assert registry.connections([user]) == [[]]
    with listening(core, user) as heard:
        registry.enter(user, alive := one("c"), CAP)
        assert heard() == ["online"]
        assert sessions(registry, user) == {alive.session}
        # Then: when they go nobody is left, and the dead are reported to be remembered as seen
        removed = registry.leave(HERE, [(user, alive.session)])
        assert sorted(entry.device for _, entry in removed) == ["b0", "b1", "c"]
        assert heard() == ["offline"]


def test_the_dead_are_buried_once_by_whoever_comes_first(
    core: Core, registry: Registry, user: str
) -> None:
    # Given: one user died altogether, another lives on elsewhere
    alive = f"{user}-alive"
    registry.enter(user, dead := one("phone", process=THERE), CAP)
    registry.enter(alive, also := one("phone", process=THERE), CAP)
    registry.enter(alive, here := one("browser"), CAP)
    assert registry.bury(HERE) == []
    die(core, THERE)

    # When
    with listening(core, user) as heard, listening(core, alive) as heard_alive:
        buried = {(name, entry.device) for name, entry in registry.bury(HERE)}

        # Then
        assert buried == {(user, dead.device), (alive, also.device)}
        assert heard() == ["offline"]
        assert heard_alive() == []
        assert registry.bury(HERE) == []
        assert heard() == []
    assert registry.connections([user, alive]) == [[], [here]]
    assert not core.redis.exists(keys.attended(THERE))
    assert core.redis.smembers(keys.PROCESSES) == {HERE.encode()}


def test_who_leaves_with_one_device_may_die_with_the_other(
    core: Core, registry: Registry, user: str
) -> None:
    first, second = one("phone", process=THERE), one("browser", process=THERE)
    for entry in (first, second):
        registry.enter(user, entry, CAP)
    registry.leave(THERE, [(user, first.session)])
    die(core, THERE)
    assert [entry.device for _, entry in registry.bury(HERE)] == ["browser"]


def test_a_burial_that_was_cut_short_is_repeated(core: Core, registry: Registry, user: str) -> None:
    # Given: the gravedigger died after the first of two users
    other = f"{user}-other"
    for name in (user, other):
        registry.enter(name, one("phone", process=THERE), CAP)
    die(core, THERE)
    registry.leave("process-of-the-first", [(user, "")])

    # Then
    assert [name for name, _ in registry.bury(HERE)] == [other]


def test_who_was_taken_for_dead_is_counted_in_again(
    core: Core, registry: Registry, user: str
) -> None:
    entry = one("phone", process=THERE)
    registry.enter(user, entry, CAP)
    die(core, THERE)
    registry.bury(HERE)
    with listening(core, user) as heard:
        assert not registry.renew(THERE, 1)
        registry.enter_again([(user, entry)])
        assert heard() == ["online"]
    assert registry.connections([user]) == [[entry]]
    die(core, THERE)
    assert len(registry.bury(HERE)) == 1, "whoever counts in is known to be buried"


def test_a_process_that_ends_leaves_nothing(core: Core, registry: Registry, user: str) -> None:
    registry.enter(user, entry := one("phone"), CAP)
    registry.leave(HERE, [(user, entry.session)])
    registry.resign(HERE)
    die(core, THERE)
    registry.bury("somebody")
    assert core.redis.keys("*") == [keys.SERVER.encode()]


def test_a_device_between_two_polls_is_connected(core: Core, registry: Registry, user: str) -> None:
    with listening(core, user) as heard:
        for _ in range(3):
            registry.enter(user, poll("tab"), CAP)
            # Then: that one poll is over ends nothing while there may be another
            assert registry.leave(HERE, [(user, "poll-tab")]) == []
            assert sessions(registry, user) == {"poll-tab"}
        assert heard() == ["online"]


def test_a_device_that_polls_no_more_is_gone_when_its_time_is_over(
    core: Core, registry: Registry, user: str
) -> None:
    registry.enter(user, gone := poll("tab", left_ms=-1), CAP)
    assert registry.connections([user]) == [[]]
    with listening(core, user) as heard:
        assert registry.leave(HERE, [(user, gone.session)]) == [(user, _nameless(gone))]
        assert heard() == ["offline"]


def test_a_device_that_polls_elsewhere_moves_there(
    core: Core, registry: Registry, user: str
) -> None:
    # Given
    registry.enter(user, poll("tab", process=THERE, age_ms=5000), CAP)
    with listening(core, user) as heard:
        # When
        registry.enter(user, moved := poll("tab"), CAP)
        die(core, THERE)

        # Then: the other process takes nothing along when it dies
        assert registry.bury(HERE) == []
        assert heard() == []
    ((kept,),) = registry.connections([user])
    assert kept.process == HERE
    assert kept.since_ms <= moved.since_ms - 4000, "it has been connected since its first poll"


def test_a_poll_that_was_pushed_out_hears_of_it_once(
    core: Core, registry: Registry, user: str
) -> None:
    # Given: a device between two polls, and as many others as may be
    registry.enter(user, poll("tab", age_ms=5000), CAP)
    registry.enter(user, stays := one("b", age_ms=2000), CAP)
    with listening(core, user) as heard:
        # When
        registry.enter(user, last := one("c"), CAP)
        assert heard() == ["kick poll-tab"]

        # Then: its next poll is told, and does not count meanwhile
        assert sessions(registry, user) == {stays.session, last.session}
        with pytest.raises(IMError) as caught:
            registry.enter(user, poll("tab"), CAP)
        assert caught.value.code is Code.KICKED
        assert heard() == []
        # Then: whoever comes back after that means it, and another makes room
        registry.enter(user, poll("tab"), CAP)
        assert heard() == [f"kick {stays.session}"]


def test_what_was_told_at_once_is_not_told_again(core: Core, registry: Registry, user: str) -> None:
    registry.enter(user, poll("tab", age_ms=5000), 1)
    registry.enter(user, last := one("c"), 1)
    registry.forget(HERE, user, "poll-tab")
    with listening(core, user) as heard:
        registry.enter(user, poll("tab"), 1)
        assert heard() == [f"kick {last.session}"]


def test_a_poll_that_is_ended_is_gone_at_once(core: Core, registry: Registry, user: str) -> None:
    registry.enter(user, poll("tab"), CAP)
    registry.enter(user, poll("other"), CAP)
    with listening(core, user) as heard:
        ((_, removed),) = registry.forget(HERE, user, "poll-tab")
        assert removed.device == "tab"
        assert heard() == []
        registry.forget(HERE, user, "poll-other")
        assert heard() == ["offline"]


def test_a_pushed_out_poll_keeps_nobody_online(core: Core, registry: Registry, user: str) -> None:
    registry.enter(user, poll("tab", age_ms=5000), 1)
    registry.enter(user, last := one("c"), 1)
    with listening(core, user) as heard:
        registry.leave(HERE, [(user, last.session)])
        assert heard() == ["offline"]
        # Then: its own end is reported, to be remembered as seen, and is no news of the user
        assert [entry.device for _, entry in registry.forget(HERE, user, "poll-tab")] == ["tab"]
        assert heard() == []
        registry.enter(user, one("d"), 1)
        assert heard() == ["online"]


def _nameless(entry: Presence) -> Presence:
    """As it is reported when it has left: its session means nothing any more."""
    fields = {name: getattr(entry, name) for name in Presence.__slots__}
    return Presence(**{**fields, "session": ""})
