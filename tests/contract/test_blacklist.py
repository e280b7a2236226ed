"""Block lists: in force everywhere at once, and never lost with Redis."""

import secrets
from collections.abc import Iterator

import pytest

from models import keys
from models.core import Core, open_core
from models.errors import Code, IMError
from models.settings import Settings
from models.usecases import blocking
from proto import im_pb2


@pytest.fixture
def names() -> tuple[str, str]:
    return f"a{secrets.token_hex(6)}", f"b{secrets.token_hex(6)}"


@pytest.fixture
def elsewhere(settings: Settings, core: Core) -> Iterator[Core]:
    """The stores of another process."""
    stores = open_core(settings)
    yield stores
    stores.close()


def test_a_change_is_in_force_in_every_process_at_once(
    core: Core, elsewhere: Core, names: tuple[str, str]
) -> None:
    alice, bob = names
    pair = [(bob, alice)]
    for _ in range(3):
        assert elsewhere.blacklist.blocked(pair) == [False]
        core.blacklist.block(bob, alice)
        assert elsewhere.blacklist.blocked(pair) == [True]
        assert elsewhere.blacklist.blocked([(alice, bob)]) == [False]
        core.blacklist.unblock(bob, alice)


@pytest.mark.parametrize("epoch_lost", [False, True])
def test_a_change_behind_a_reply_is_not_forgotten(
    core: Core, elsewhere: Core, names: tuple[str, str], epoch_lost: bool
) -> None:
    """Replies that ride with other calls are taken in later than they were made."""
    # Given: a reply that was read before a change
    alice, bob = names
    pair = [(bob, alice)]
    elsewhere.blacklist.blocked([(bob, bob)])  # his set is cached
    if epoch_lost:
        core.redis.delete(keys.BLACKLIST_EPOCH)
    pipe = core.redis.pipeline(transaction=False)
    asked = elsewhere.blacklist.queue(pipe, pair)
    replies = pipe.execute()
    core.blacklist.block(bob, alice)

    # When
    answers = elsewhere.blacklist.answers(pair, asked, replies)

    # Then: it counts for what was asked then, and for nothing later
    assert asked == pair
    assert answers == [epoch_lost]
    assert elsewhere.blacklist.blocked(pair) == [True]


@pytest.mark.parametrize("lost", ["set", "epoch", "both", "everything"])
def test_a_lost_key_unblocks_nobody(core: Core, names: tuple[str, str], lost: str) -> None:
    alice, bob = names
    core.blacklist.block(bob, alice)
    assert core.blacklist.blocked([(bob, alice)]) == [True]
    gone = {
        "set": [keys.blacklist(bob)],
        "epoch": [keys.BLACKLIST_EPOCH],
        "both": [keys.blacklist(bob), keys.BLACKLIST_EPOCH],
    }
    if lost == "everything":
        core.redis.flushdb()
    else:
        core.redis.delete(*gone[lost])
    assert core.blacklist.blocked([(bob, alice), (bob, "somebody")]) == [True, False]


def test_without_redis_the_answer_comes_from_mysql(
    core: Core, settings: Settings, names: tuple[str, str]
) -> None:
    alice, bob = names
    core.blacklist.block(bob, alice)
    deaf = open_core(settings.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"}))
    try:
        assert deaf.blacklist.blocked([(bob, alice), (alice, bob)]) == [True, False]
        with pytest.raises(IMError) as caught:
            deaf.blacklist.unblock(bob, alice)
        assert caught.value.code is Code.UNAVAILABLE
        assert caught.value.retryable
    finally:
        deaf.close()
    assert core.blacklist.blocked([(bob, alice)]) == [True]


def test_the_list_is_paged_and_limited(settings: Settings, names: tuple[str, str]) -> None:
    alice, _ = names
    core = open_core(settings.model_copy(update={"blocked_users_max": 5}))
    try:
        others = [f"{alice}-{n}" for n in range(5)]
        for other in [*others, others[0]]:
            blocking.block(core, alice, im_pb2.BlockRequest(user=other))
        with pytest.raises(IMError) as caught:
            blocking.block(core, alice, im_pb2.BlockRequest(user="one-more"))
        assert caught.value.code is Code.LIMIT_EXCEEDED
        with pytest.raises(IMError):
            blocking.block(core, alice, im_pb2.BlockRequest(user=alice))
        first = blocking.blocked(core, alice, im_pb2.BlockedRequest(limit=3))
        second = blocking.blocked(
            core, alice, im_pb2.BlockedRequest(limit=3, after=first.users[-1])
        )
        assert [*first.users, *second.users] == others
        assert (first.more, second.more) == (True, False)
    finally:
        core.close()


def test_every_user_id_is_one_that_may_be_blocked_or_not(core: Core, elsewhere: Core) -> None:
    """Nor is any of them taken for the mark of a cached set."""
    bob = f"bob-{secrets.token_hex(4)}"
    for _ in range(2):
        assert core.blacklist.blocked([(bob, "_"), (bob, "-")]) == [False, False]
        assert elsewhere.blacklist.blocked([(bob, "_"), (bob, "-")]) == [False, False]
