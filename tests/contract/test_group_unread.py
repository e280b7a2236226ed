"""What members have not read: counted on demand and kept up by a task, always the same numbers."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from models import groupunread, keys
from models.core import Core
from models.fanout import Fanout
from models.groupunread import Unread
from models.usecases.groupconversations import clear_groups, read_group
from proto import im_pb2
from tests.support.groupstore import GroupStore, configured, someone

STEPS = 70
DERIVED, KEPT = 0, 500


@dataclass
class Said:
    """A message as the model knows it."""

    id: str
    sender: str
    names: list[str] = field(default_factory=list)
    everybody: bool = False
    is_recalled: bool = False


class Model:
    """What every member should see, from the rule alone."""

    def __init__(self, members: Sequence[str], born: str) -> None:
        self.said: list[Said] = []
        self.bounds = dict.fromkeys(members, born)

    def unread(self, user: str) -> Unread:
        counted = [
            one
            for one in self.said
            if one.id > self.bounds[user] and one.sender != user and not one.is_recalled
        ]
        return Unread(len(counted), sum(one.everybody or user in one.names for one in counted))

    def see(self, user: str, identifier: str) -> None:
        self.bounds[user] = max(self.bounds[user], identifier)


class Dying(Fanout):
    """A task that dies behind so many steps of one member."""

    left = 0

    def _call(self, group: str, users: Sequence[str]) -> None:
        for user in users:
            if not self.left:
                raise InterruptedError
            self.left -= 1
            super()._call(group, [user])


def unread(store: GroupStore, user: str, group: str) -> Unread:
    return store.core.group_unread.of(user, [store.member(user, group)])[group]


def kept_version(store: GroupStore, user: str, group: str) -> int:
    """The version for which a count is cached; 0 for none."""
    value = store.core.redis.hget(keys.group_unread(user), group)
    return int(value.split(b":")[0]) if value else 0


class Scene:
    """One group, its model, and what may happen to both."""

    def __init__(self, core: Core, seed: int, threshold: int, repeat: int) -> None:
        self.random = random.Random(seed)
        stores = configured(
            core, group_fanout_max=threshold, group_cache_messages=6, group_mention_all="members"
        )
        self.store = GroupStore(stores, repeat=repeat)
        self.users = [someone() for _ in range(5)]
        self.owner = self.users[0]
        self.group = self.store.make(*self.users)
        self.model = Model(self.users, self.store.log(self.group)[0].id.hex())

    def say(self) -> None:
        dice, sender = self.random, self.random.choice(list(self.model.bounds))
        names = dice.sample(self.users, dice.choice([0, 0, 1, 2]))
        everybody = dice.random() < 0.15
        stored = self.store.say(self.group, sender, mentions=names, everybody=everybody)
        self.model.said.append(Said(stored.id, sender, names, everybody))

    def recall(self) -> None:
        if self.model.said:
            one = self.random.choice(self.model.said)
            self.store.recall(self.owner, one.id) if not self._unseen(one) else None
            one.is_recalled = one.is_recalled or not self._unseen(one)

    def _unseen(self, one: Said) -> bool:
        """Whether the owner has cleared it, and so may not recall it."""
        return not self.store.member(self.owner, self.group).own.sees(bytes.fromhex(one.id))

    def read(self) -> None:
        user = self.random.choice(list(self.model.bounds))
        own = self.store.member(user, self.group).own
        seen = [one for one in self.model.said if own.sees(bytes.fromhex(one.id))]
        if seen:
            one = self.random.choice(seen)
            request = im_pb2.ReadRequest(type=im_pb2.GROUP, peer=self.group, id=one.id)
            answer = read_group(self.store.core, user, request)
            self.model.see(user, one.id)
            assert answer.unread == self.model.unread(user).messages

    def clear(self) -> None:
        user = self.random.choice(list(self.model.bounds))
        member = self.store.member(user, self.group)
        clear_groups(self.store.core, user, [member])
        self.model.see(user, member.group.last_id.hex())

    def change(self) -> None:
        """A system message: it counts for nobody."""
        name = str(self.random.random())
        self.store.groups.edit(self.owner, im_pb2.GroupEditRequest(group=self.group, name=name))

    def come_and_go(self) -> None:
        user = self.random.choice(self.users[1:])
        if user in self.model.bounds:
            self.store.remove(self.owner, self.group, user)
            del self.model.bounds[user]
        else:
            self.store.invite(self.owner, self.group, user)
            self.model.bounds[user] = self.store.log(self.group)[-1].id.hex()

    def deliver(self) -> None:
        self.store.deliver()

    def deliver_again(self) -> None:
        self.store.deliver_from(self.group, self.random.choice(self.store.log(self.group)).version)

    def fan_out(self) -> None:
        self.store.fanout.run()

    def fan_out_again(self) -> None:
        self.store.core.redis.sadd(keys.BEHIND, self.group)
        self.store.fanout.run()

    def fan_out_and_die(self) -> None:
        core = self.store.core
        task = Dying(core.shards, core.redis, core.scripts)
        task.left = self.random.randrange(5)
        with pytest.raises(InterruptedError):
            while True:
                core.redis.sadd(keys.BEHIND, self.group)
                task.run()

    def evict(self) -> None:
        user = self.random.choice(self.users)
        names = [keys.group_window(self.group), keys.group_rows(self.group)]
        self.store.core.redis.delete(self.random.choice([*names, keys.group_unread(user)]))

    def ask(self) -> None:
        """Somebody looks, and what they find is cached."""
        user = self.random.choice(list(self.model.bounds))
        assert unread(self.store, user, self.group) == self.model.unread(user)

    def step(self) -> None:
        many = [self.say, self.deliver, self.ask] * 3
        some = [self.recall, self.read, self.fan_out, self.come_and_go] * 2
        few = [self.clear, self.change, self.deliver_again, self.evict]
        self.random.choice([*many, *some, *few, self.fan_out_again, self.fan_out_and_die])()

    def check(self) -> None:
        for user in self.model.bounds:
            assert unread(self.store, user, self.group) == self.model.unread(user), user


@pytest.mark.parametrize("repeat", [1, 2], ids=["once", "twice"])
@pytest.mark.parametrize("threshold", [DERIVED, KEPT], ids=["derived", "kept"])
@pytest.mark.parametrize("seed", range(3))
def test_counts_are_those_of_the_rule_whoever_keeps_them(
    core: Core, seed: int, threshold: int, repeat: int
) -> None:
    # Given a group whose counts are made on demand, or kept by a task
    scene = Scene(core, seed, threshold, repeat)
    # When everything that changes a count, or loses one, happens at random
    for index in range(STEPS):
        scene.step()
        # Then every member has the same numbers, the ones the rule gives
        if index % 10 == 9:
            scene.check()
    scene.check()


@pytest.mark.parametrize("repeat", [1, 2], ids=["once", "twice"])
def test_the_task_keeps_counts_of_small_groups_only(core: Core, repeat: int) -> None:
    for threshold in (DERIVED, KEPT):
        # Given members with counts
        scene = Scene(core, 0, threshold, repeat)
        scene.say()
        scene.deliver()
        scene.check()
        before = {user: kept_version(scene.store, user, scene.group) for user in scene.users}
        # When more is said and the task runs
        scene.store.say(scene.group, scene.owner, mentions=[scene.users[1]])
        latest = scene.store.member(scene.owner, scene.group).group.latest
        scene.deliver()
        behind = core.redis.sismember(keys.BEHIND, scene.group)
        scene.fan_out()
        # Then counts have followed where the group is small, and only there
        assert bool(behind) == (threshold == KEPT)
        after = {user: kept_version(scene.store, user, scene.group) for user in scene.users}
        counted = {user for user, version in before.items() if version}
        assert counted
        assert {after[user] for user in counted} == (
            {latest} if threshold == KEPT else {before[user] for user in counted}
        )


def test_a_count_is_believed_for_its_version_and_its_bound_only(core: Core) -> None:
    # Given a cached count, and a wrong number in its place
    scene = Scene(core, 0, KEPT, 1)
    first = scene.store.say(scene.group, scene.owner)
    scene.store.say(scene.group, scene.owner)
    store, user, group = scene.store, scene.users[1], scene.group
    assert unread(store, user, group) == Unread(2, 0)
    version, _, _, bound = store.core.redis.hget(keys.group_unread(user), group).split(b":")
    store.core.redis.hset(keys.group_unread(user), group, b"%b:77:7:%b" % (version, bound))
    # Then it is believed while nothing has changed
    assert unread(store, user, group) == Unread(77, 7)
    # And not behind a read, whether or not anybody told the cache
    store.shard(group).database.execute(
        "UPDATE member SET read_id = %s WHERE group_id = %s AND user = %s",
        (bytes.fromhex(first.id), group, user),
    )
    assert unread(store, user, group) == Unread(1, 0)
    # And not behind a later message
    store.core.redis.hset(keys.group_unread(user), group, b"%b:77:7:%b" % (version, bound))
    store.say(group, scene.owner)
    assert unread(store, user, group) == Unread(2, 0)


@pytest.mark.parametrize("threshold", [DERIVED, KEPT], ids=["derived", "kept"])
def test_no_more_than_a_bound_is_counted(
    core: Core, threshold: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a member with nearly as much unread as is counted
    monkeypatch.setattr(groupunread, "COUNT_MAX", 20)
    scene = Scene(core, 0, threshold, 1)
    store, user, group = scene.store, scene.users[1], scene.group
    said = [store.say(group, scene.owner) for _ in range(18)]
    assert unread(store, user, group) == Unread(18, 0)
    # When more comes than that
    said += [store.say(group, scene.owner) for _ in range(4)]
    store.deliver()
    store.fanout.run()
    # Then the bound is shown, however the count was made
    assert unread(store, user, group) == Unread(20, 0)
    # And the true number again when enough was recalled
    for one in said[:5]:
        store.recall(scene.owner, one.id)
    store.deliver()
    store.fanout.run()
    assert unread(store, user, group) == Unread(17, 0)


def test_a_count_from_before_the_window_is_not_carried_on(core: Core) -> None:
    # Given a count, and more messages behind it than the window holds
    scene = Scene(core, 0, KEPT, 1)
    store, user, group = scene.store, scene.users[1], scene.group
    store.say(group, scene.owner)
    assert unread(store, user, group) == Unread(1, 0)
    for _ in range(9):
        store.say(group, scene.owner)
    # When the task brings it up to date
    store.deliver()
    store.fanout.run()
    # Then none is missing
    assert unread(store, user, group) == Unread(10, 0)


def test_a_count_that_is_behind_is_brought_forward_unless_something_was_recalled(
    core: Core,
) -> None:
    # Given a cached count that could not come from the log
    scene = Scene(core, 0, DERIVED, 1)
    store, user, group = scene.store, scene.users[1], scene.group
    first = store.say(group, scene.owner)
    assert unread(store, user, group) == Unread(1, 0)
    version, _, _, bound = store.core.redis.hget(keys.group_unread(user), group).split(b":")
    store.core.redis.hset(keys.group_unread(user), group, b"%b:77:0:%b" % (version, bound))
    # When others, the member and the server say something
    store.say(group, scene.owner, mentions=[user])
    store.say(group, user)
    scene.change()
    # Then only what came since was counted
    assert unread(store, user, group) == Unread(78, 1)
    # And all of it when that does not tell
    store.recall(scene.owner, first.id)
    assert unread(store, user, group) == Unread(1, 1)
