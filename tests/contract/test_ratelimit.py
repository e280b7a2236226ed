"""How many messages a user may send: one bucket for all processes, filled by the server's clock."""

import secrets
from collections.abc import Iterator

import pytest

from dev.services import Redis
from models import keys
from models.core import Core
from models.ratelimit import SendRate
from models.redisclient import Scripts, open_redis
from models.settings import Settings

RATE, BURST = 0.002, 5
TOKEN_MS = 500_000
"""Time for one token: so long that what the test itself takes does not count."""


@pytest.fixture
def user() -> str:
    return f"u{secrets.token_hex(6)}"


@pytest.fixture
def rate(core: Core) -> SendRate:
    return SendRate(core.scripts, RATE, BURST)


def pass_time(core: Core, user: str, ms: int) -> None:
    """As if the bucket had last been looked at so much earlier."""
    core.redis.hincrby(keys.rate(user), "at", -ms)


def granted(waits: list[int]) -> int:
    return waits.count(0)


def test_a_burst_then_no_more(rate: SendRate, user: str) -> None:
    assert rate.refused([user] * BURST) == [0] * BURST
    assert granted(rate.refused([user])) == 0


def test_the_first_of_a_batch_are_let_through(rate: SendRate, user: str) -> None:
    waits = rate.refused([user] * (BURST + 3))
    assert waits[:BURST] == [0] * BURST
    assert all(waits[BURST:])


def test_the_bucket_fills_with_the_servers_time(core: Core, rate: SendRate, user: str) -> None:
    # Given
    rate.refused([user] * BURST)

    # When: time for two tokens passes
    pass_time(core, user, 2 * TOKEN_MS)

    # Then: those two, once
    assert granted(rate.refused([user] * BURST)) == 2
    assert granted(rate.refused([user] * BURST)) == 0


def test_parts_of_a_token_add_up(core: Core, rate: SendRate, user: str) -> None:
    rate.refused([user] * BURST)
    waits = []
    for _ in range(7):
        pass_time(core, user, 7 * TOKEN_MS // 10)
        waits.append(rate.refused([user]))
    assert list(map(granted, waits)) == [0, 1, 1, 0, 1, 1, 0]


def test_it_never_holds_more_than_a_burst(core: Core, rate: SendRate, user: str) -> None:
    rate.refused([user])
    pass_time(core, user, 100 * TOKEN_MS)
    assert granted(rate.refused([user] * 3 * BURST)) == BURST


def test_a_clock_that_goes_back_takes_nothing(core: Core, rate: SendRate, user: str) -> None:
    rate.refused([user] * (BURST - 1))
    pass_time(core, user, -100 * TOKEN_MS)
    assert granted(rate.refused([user] * 2)) == 1
    pass_time(core, user, TOKEN_MS)
    assert granted(rate.refused([user])) == 1, "nor for longer than it was back"


def test_an_idle_bucket_goes_when_it_is_full_again(core: Core, rate: SendRate, user: str) -> None:
    rate.refused([user] * BURST)
    left_ms = core.redis.pttl(keys.rate(user))
    assert (BURST - 1) * TOKEN_MS < left_ms <= BURST * TOKEN_MS + 1000


def test_users_of_one_call_do_not_share(rate: SendRate, user: str) -> None:
    # Given: one with an empty bucket
    other, third = f"{user}-2", f"{user}-3"
    rate.refused([user] * BURST)

    # When: sends of three, mixed
    senders = [user, other, third, user, other] * 3
    waits = rate.refused(senders)

    # Then: answered in order, each by their own
    by_user = {
        name: [wait for sender, wait in zip(senders, waits, strict=True) if sender == name]
        for name in (user, other, third)
    }
    assert granted(by_user[user]) == 0
    assert by_user[third] == [0, 0, 0]
    assert by_user[other][:BURST] == [0] * BURST
    assert by_user[other][BURST] > 0


def test_each_refused_is_told_when_its_turn_may_come(core: Core, rate: SendRate, user: str) -> None:
    # Given
    rate.refused([user] * BURST)
    core.redis.hset(keys.rate(user), "t", "0")

    # When
    waits = rate.refused([user] * 3)

    # Then: one after the other
    assert [later - waits[0] for later in waits] == [0, TOKEN_MS, 2 * TOKEN_MS]
    assert 0 < waits[0] <= TOKEN_MS
    # Then: who waits so long gets in
    pass_time(core, user, waits[2])
    assert granted(rate.refused([user] * 3)) == 3


def test_zero_is_no_limit(core: Core, user: str) -> None:
    unlimited = SendRate(core.scripts, 0, 1)
    assert unlimited.refused([user] * 1000) == [0] * 1000
    assert not core.redis.exists(keys.rate(user))
    assert unlimited.refused([]) == SendRate(core.scripts, RATE, BURST).refused([]) == []


@pytest.fixture
def lost(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scripts]:
    """Scripts of a Redis that has died."""
    server = Redis(tmp_path_factory.mktemp("lost"))
    server.start()
    client = open_redis(settings.model_copy(update={"redis_url": server.url()}))
    client.ping()
    server.kill()
    yield Scripts(client)
    client.close()


def test_without_redis_nobody_is_held_back(lost: Scripts, user: str) -> None:
    rate = SendRate(lost, RATE, BURST)
    for _ in range(2):
        assert rate.refused([user] * 20) == [0] * 20
