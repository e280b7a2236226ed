"""A delivery that was frozen past its locks, and goes on when others have done its work."""

from collections.abc import Callable
from typing import Any

import pytest

from models import keys
from models.core import Core
from models.deliver import Deliverer
from models.effects import Effects
from models.fence import LockLost
from models.groupeffects import GroupEffects
from models.log import newest_versions
from models.run import Run
from models.wake import call
from tests.contract.conftest import Chat
from tests.support.groupstore import GroupStore, someone


class Frozen:
    """The next delivery stops before it changes caches; `meanwhile` happens; it goes on."""

    def __init__(
        self, patch: pytest.MonkeyPatch, effects: type[Any], meanwhile: Callable[[], None]
    ) -> None:
        self.happened = False
        original = effects.apply

        def apply(own: Any, rows: Any, token: str) -> Any:
            if rows and not self.happened:
                self.happened = True
                meanwhile()
            return original(own, rows, token)

        patch.setattr(effects, "apply", apply)


def test_its_rows_are_not_taken_for_the_newest_of_a_mailbox(
    core: Core, monkeypatch: pytest.MonkeyPatch, pair: tuple[str, str]
) -> None:
    # Given
    sender, receiver = pair
    chat = Chat(core)
    shard = core.shards.of_user(sender)
    chat.send(sender, receiver, "early")

    def meanwhile() -> None:
        core.redis.flushdb()
        chat.send(sender, receiver, "late")
        Chat(core).deliver_all()
        core.redis.delete(keys.latest(sender), keys.latest(receiver))

    frozen = Frozen(monkeypatch, Effects, meanwhile)

    # When
    left = chat.deliverer.deliver([shard.number])

    # Then: it has changed nothing, and asks for another try
    assert frozen.happened
    assert shard.number in left
    assert core.redis.exists(keys.latest(sender), keys.latest(receiver)) == 0
    assert chat.deliverer.deliver(left) == []
    assert chat.deliverer.sweep() == []


def test_its_rows_do_not_fill_the_window_of_a_group(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given
    store, owner = GroupStore(core), someone()
    group = store.make(owner)
    store.deliver()
    store.say(group, owner, "early")

    def meanwhile() -> None:
        core.redis.flushdb()
        store.say(group, owner, "late")
        GroupStore(core).deliver()
        core.redis.flushdb()

    frozen = Frozen(monkeypatch, GroupEffects, meanwhile)

    # When: it goes on, and then one more message is delivered as usual
    store.chat.deliverer.deliver([store.shard(group).number])
    assert frozen.happened
    assert core.redis.exists(keys.group_version(group), keys.group_rows(group)) == 0
    store.say(group, owner, "last")
    store.deliver()

    # Then: the window lacks nothing of what it claims to hold
    low = int(core.redis.hget(keys.group_rows(group), "_low") or 0)
    inside = {row.id.hex().encode() for row in store.log(group) if row.version > low}
    assert set(core.redis.zrange(keys.group_window(group), 0, -1)) == inside
    assert int(core.redis.get(keys.group_version(group)) or 0) == store.log(group)[-1].version


def test_locks_last_longer_without_hiding_who_called(core: Core, pair: tuple[str, str]) -> None:
    """Who marks a shard relies on its holder: the mark stays until the holder looks at it."""
    # Given a delivery that has read a shard to its end, when somebody calls for it
    sender, _ = pair
    shard = core.shards.of_user(sender).number
    run = new_run(core)
    run.take([shard])
    while run.work():
        pass
    assert call(core.scripts, [shard]) == []

    # When its locks are made to last longer
    run._advanced_at = float("-inf")
    run.advance_when_due()

    # Then
    assert run.marked() == {shard}
    assert run.release() == []


def test_what_a_delivery_lost_it_does_not_take_back(core: Core, pair: tuple[str, str]) -> None:
    # Given
    chat = Chat(core)
    shard = core.shards.of_user(pair[0])
    chat.send(*pair)
    deliverer = deliverer_of(core)
    run = new_run(core)
    run.take([shard.number])
    core.redis.delete(keys.shard_lock(shard.number))

    # When
    run._kept_at = float("-inf")
    with pytest.raises(LockLost):
        run.work()

    # Then
    assert core.redis.exists(keys.shard_lock(shard.number)) == 0
    run.release()
    deliverer.deliver([shard.number])
    assert newest_versions([shard])[shard.number] > 0
    assert shard.number not in deliverer.sweep()


def deliverer_of(core: Core) -> Deliverer:
    return Deliverer(core.settings, core.shards, core.redis, core.scripts, core.metrics)


def new_run(core: Core) -> Run:
    return deliverer_of(core)._run()
