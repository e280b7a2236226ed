"""Rows of many owners in few calls of a script: each owner's are applied for themselves."""

from collections.abc import Callable, Iterator

import pytest

from models import effects, keys
from models.append import Stored
from models.core import Core
from models.mailbox import sync
from proto.views_pb2 import MessagesView
from tests.contract.conftest import Chat

OWNERS = 5


@pytest.fixture
def owners(core: Core, user_in: Callable[[int], str]) -> list[str]:
    """Users of one shard, one behind the other in its log."""
    return [user_in(min(core.shards.shards)) for _ in range(OWNERS)]


@pytest.fixture
def published(core: Core, owners: list[str]) -> Iterator[Callable[[], dict[str, list[str]]]]:
    """What was published for each owner since: ids, in order."""
    listener = core.redis.pubsub(ignore_subscribe_messages=True)
    channels = {keys.channel(owner).encode(): owner for owner in owners}
    listener.subscribe(*channels)
    for _ in channels:
        listener.get_message(timeout=5)

    def read() -> dict[str, list[str]]:
        ids: dict[str, list[str]] = {owner: [] for owner in owners}
        core.redis.publish(keys.channel(owners[0]), "end")
        while (message := listener.get_message(timeout=5)) is None or message["data"] != b"end":
            if message is not None:
                _, _, body = message["data"].partition(b"\n")
                seen = MessagesView.FromString(body).messages
                ids[channels[message["channel"]]] += [one.id for one in seen]
        return ids

    yield read
    listener.close()


@pytest.mark.parametrize("call_rows", [1, 2, 3, 32])
@pytest.mark.parametrize("piece_rows", [1, 2, 100])
def test_each_owner_gets_their_rows_once_and_in_order(
    core: Core,
    chat: Chat,
    monkeypatch: pytest.MonkeyPatch,
    owners: list[str],
    published: Callable[[], dict[str, list[str]]],
    call_rows: int,
    piece_rows: int,
) -> None:
    # Given: calls and pieces of every size, and an owner in the middle whom Redis has forgotten
    monkeypatch.setattr(effects, "CALL_ROWS", call_rows)
    monkeypatch.setattr(effects, "ROWS_MAX", piece_rows)
    first = owners[0]
    for owner in owners:
        core.contacts.entries(owner)  # now there are caches to be kept up to date
    chat.send_batch([chat.draft(first, other, "early") for other in owners[1:]])
    chat.deliver_all()
    published()
    core.redis.delete(keys.latest(owners[2]))

    # When: several for each, in one pass
    drafts = [chat.draft(first, other, f"{n}") for n in range(3) for other in owners[1:]]
    stored = [one for one in chat.send_batch(drafts) if isinstance(one, Stored)]
    chat.deliver_all()

    # Then
    got = published()
    for other in owners[1:]:
        own = [one.id for one, d in zip(stored, drafts, strict=True) if d.receiver == other]
        assert got[other] == own
    assert got[first] == [one.id for one in stored]
    # Then: the caches say what MySQL does
    for owner in owners:
        kept = core.contacts.entries(owner)
        core.redis.delete(keys.contacts(owner), keys.unread(owner), keys.marks(owner))
        assert kept == core.contacts.entries(owner)
        rows = sync(core.shards.of_user(owner), owner, 0, 1000)
        assert core.redis.get(keys.latest(owner)) == b"%d" % rows[-1].version
