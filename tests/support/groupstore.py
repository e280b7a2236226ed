"""Groups on real stores, without the processes: what happens to a log, one step at a time."""

import secrets
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from models import keys
from models.append import Draft, Outcome, Stored, append
from models.core import Core
from models.deliver import Deliverer
from models.errors import IMError
from models.fanout import Fanout
from models.fence import LockLost
from models.groupcache import GroupCache
from models.groupeffects import GroupEffects
from models.groups import Membership, membership
from models.groupsend import speech_of
from models.log import COLUMNS, Row
from models.shards import Shard, bucket_of
from models.usecases.groups import Groups
from models.usecases.recall import recall
from models.wake import Waker
from proto import im_pb2
from tests.contract.conftest import Chat


class Asleep(Waker):
    """Wakes nobody: these tests say when a delivery runs."""

    def __init__(self) -> None:
        pass

    def wake(self, shards: Iterable[int]) -> None:
        """Do nothing."""


@dataclass
class GroupStore:
    """Makes groups, sends to them and delivers, as the processes do."""

    core: Core
    repeat: int = 1  # how often each delivery is run
    groups: Groups = field(init=False)
    chat: Chat = field(init=False)
    fanout: Fanout = field(init=False)
    effects: GroupEffects = field(init=False)

    def __post_init__(self) -> None:
        core = self.core
        self.groups = Groups(core, Asleep())
        self.chat = Chat(core, repeat=self.repeat)
        self.chat.deliverer = Deliverer(
            core.settings,
            core.shards,
            core.redis,
            core.scripts,
            core.metrics,
            fan_out=lambda: None,
        )
        self.fanout = Fanout(core.shards, core.redis, core.scripts)
        self.effects = GroupEffects(
            core.settings, core.shards, core.redis, core.scripts, core.memberships
        )

    # ------------------------------------------------------------ groups

    def make(self, owner: str, *users: str, shard: Shard | None = None) -> str:
        """A new group; in this shard when one is given."""
        while True:
            sequence = secrets.token_hex(8)
            request = im_pb2.GroupCreateRequest(sequence=sequence, name="group", users=users)
            group = self.groups.create(owner, request).group.group
            if shard is None or self.shard(group) is shard:
                return group

    def shard(self, group: str) -> Shard:
        return self.core.shards.of_group(group)

    def member(self, user: str, group: str) -> Membership:
        return membership(self.core.shards, user, group)

    def invite(self, owner: str, group: str, *users: str) -> None:
        self.groups.invite(owner, im_pb2.GroupInviteRequest(group=group, users=users))

    def remove(self, owner: str, group: str, *users: str) -> None:
        self.groups.remove(owner, im_pb2.GroupRemoveRequest(group=group, users=users))

    # ------------------------------------------------------------ messages

    def draft(
        self,
        group: str,
        sender: str,
        body: str = "hi",
        sequence: str = "",
        mentions: Sequence[str] = (),
        everybody: bool = False,
    ) -> Draft:
        content = im_pb2.Content(
            text=im_pb2.Text(text=body), mentions=mentions, mention_all=everybody
        )
        return Draft(
            self.shard(group),
            bucket_of(group),
            sender,
            group,
            sequence or secrets.token_hex(8),
            content.SerializeToString(),
            speech_of(content, self.core.settings.group_mention_all),
        )

    def send(self, *drafts: Draft) -> list[Outcome]:
        """One append for all of them."""
        return append(drafts[0].shard.database, drafts)

    def say(self, group: str, sender: str, body: str = "hi", **more: object) -> Stored:
        """Store one message; the error if it was refused."""
        (outcome,) = self.send(self.draft(group, sender, body, **more))  # type: ignore[arg-type]
        if isinstance(outcome, IMError):
            raise outcome
        return outcome

    def recall(self, user: str, identifier: str) -> None:
        recall(self.core, Asleep(), user, im_pb2.RecallRequest(id=identifier))

    def log(self, group: str) -> list[Row]:
        """Every row of the group, in the order of its log."""
        shard = self.shard(group)
        rows = shard.database.query(
            f"SELECT {COLUMNS} FROM {shard.table} WHERE receiver = %s ORDER BY version", (group,)
        )
        return [Row._make(row) for row in rows]

    # ------------------------------------------------------------ delivery

    def deliver(self) -> None:
        """Deliver everything, `repeat` times."""
        self.chat.deliver_all()

    def apply(self, shard: Shard, rows: Sequence[Row]) -> None:
        """Apply rows that may be old, past whatever delivery has the lock."""
        lock, token = keys.shard_lock(shard.number), secrets.token_hex(8)
        self.core.redis.set(lock, token, px=5000)
        with suppress(LockLost):
            self.effects.apply({shard: rows}, token)
        self.core.redis.delete(lock)

    def deliver_from(self, group: str, version: int) -> None:
        """Deliver the group's log again, as if `delivered` had not been moved behind a version."""
        self.chat.rewind({self.shard(group): version})
        self.chat.deliver_all()


def configured(core: Core, **settings: object) -> Core:
    """The same stores under other settings."""
    changed = core.settings.model_copy(update=settings)
    cache = GroupCache(core.redis, core.scripts, changed.group_cache_messages)
    return replace(core, settings=changed, group_cache=cache)


def someone() -> str:
    """A user nobody has heard of."""
    return f"u{secrets.token_hex(6)}"


def system(row: Row) -> im_pb2.System | None:
    """What a row of a group's log records; None for what a member said."""
    return None if row.sender else im_pb2.Content.FromString(row.content).system
