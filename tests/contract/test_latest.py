"""The latest version of a mailbox: from Redis, and put there when it had to be looked up."""

from models import keys
from models.core import Core
from models.usecases.reading import latest_version
from tests.contract.conftest import Chat


def cached(core: Core, user: str) -> bytes | None:
    value: bytes | None = core.redis.get(keys.latest(user))
    return value


def test_what_was_looked_up_is_cached(core: Core, chat: Chat, pair: tuple[str, str]) -> None:
    # Given: something delivered, then forgotten by Redis
    alice, bob = pair
    chat.send(alice, bob)
    chat.deliver_all()
    version = latest_version(core, bob)
    core.redis.delete(keys.latest(bob))

    # When
    assert latest_version(core, bob) == version > 0
    # Then
    assert cached(core, bob) == b"%d" % version


def test_what_is_not_delivered_yet_is_not_hidden(
    core: Core, chat: Chat, pair: tuple[str, str]
) -> None:
    """A cached version says that everything up to it was published: it must not run ahead."""
    # Given: one delivered, one still on its way, nothing cached
    alice, bob = pair
    chat.send(alice, bob)
    chat.deliver_all()
    before = latest_version(core, alice)
    chat.send(alice, bob)
    core.redis.delete(keys.latest(alice))
    listener = core.redis.pubsub(ignore_subscribe_messages=True)
    listener.subscribe(keys.channel(alice))
    listener.get_message(timeout=5)

    # When: it is looked up, then delivered
    assert latest_version(core, alice) == before
    chat.deliver_all()

    # Then: the second was published, behind the first
    message = listener.get_message(timeout=5)
    listener.close()
    assert message is not None
    assert message["data"].startswith(b"m%d\n" % before)
    assert latest_version(core, alice) > before


def test_nobody_wrote_yet(core: Core, pair: tuple[str, str]) -> None:
    alice, _ = pair
    assert latest_version(core, alice) == 0
    assert cached(core, alice) == b"0"
