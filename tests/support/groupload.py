"""Users who do in groups whatever comes to their minds, and remember every answer.

Each repeats what was not answered, or refused for a moment, until it knows; so it may be run while
processes die.
"""

import random
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

from google.protobuf.message import Message

from dev.clients.device import Device
from dev.clients.wait import DEADLINE_S, wait_until
from dev.clients.wire import ok
from dev.clients.ws import LOST
from proto import im_pb2
from tests.support.cluster import Cluster
from tests.support.groups import Reader, say

PATIENCE_S = 2 * DEADLINE_S
"""How long one request may be repeated."""
PAUSE_S = 0.1


def now_ms() -> int:
    """MySQL reads the same clock."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True)
class Op:
    """A request and its answer; between the two times it was done, or refused."""

    user: str
    group: str
    request: Any
    answer: Any
    begin_ms: int
    end_ms: int

    @property
    def error(self) -> str:
        return str(self.answer.error.name)


class User(threading.Thread):
    """Somebody with one connection at a time, and a client behind it that keeps cursors."""

    def __init__(
        self, cluster: Cluster, name: str, load: "GroupLoad", seed: str, count: int
    ) -> None:
        super().__init__(daemon=True, name=name)
        self.user = name
        self.ops: list[Op] = []
        self.pushed: list[list[im_pb2.MessagesPush]] = []
        """What was pushed of groups, by connection."""
        self.reader = Reader(self)
        self.failure: BaseException | None = None
        self._cluster = cluster
        self._load = load
        self._random = random.Random(seed)
        self._left = count
        self._webs = cycle(self._random.sample(load.webs, len(load.webs)))
        self._device: Device | None = None

    def call(self, request: Message) -> Any:
        """The answer, once there is one that is not "not now"."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            assert time.monotonic() < deadline, f"{type(request).__name__} is not answered"
            try:
                if self._device is None:
                    self._device = self._cluster.connect(self.user, next(self._webs))
                answer = self._device.call(request)
            except LOST:
                self.hang_up()
            except AssertionError:  # the login was refused for a moment
                if self._device is not None:
                    raise
            else:
                if not answer.error.retryable:
                    return answer
            time.sleep(PAUSE_S)

    def hang_up(self) -> None:
        """Leave the connection; what it was pushed is kept."""
        if self._device is not None:
            self.pushed.append(
                [
                    push.body
                    for push in self._device.pushes
                    if push.cmd == im_pb2.CMD_PUSH_MESSAGES and push.body.group
                ]
            )
            self._device.close()
            self._device = None

    def settle(self) -> None:
        """Take in what was pushed, sync, and hang up."""
        ok(self.call(im_pb2.PingRequest()))
        self.reader.sync()
        self.hang_up()

    # ------------------------------------------------------------ the thread

    def run(self) -> None:
        try:
            self.reader.sync()
            while self._left and not self._load.over.is_set():
                self._left -= 1
                self._step()
            self.reader.sync()
        except BaseException as error:
            self.failure = error

    def _step(self) -> None:
        pick = self._random
        group = pick.choice(groups := self._load.groups)
        if self.user == self._load.names[len(groups) - 1] and self._left == 10:
            self._do(groups[-1], im_pb2.GroupDisbandRequest(group=groups[-1]))
            return
        steps = {
            self._say: 40,
            self._sync: 15,
            self._read: 10,
            self._recall: 6,
            self._clear: 2,
            self._join: 8,
            self._leave: 3,
            self._invite: 6,
            self._remove: 5,
            self._role: 4,
            self._mute: 5,
            self._mute_all: 4,
            self._transfer: 2,
            self._come_back: 2,
        }
        (step,) = pick.choices([*steps], [*steps.values()])
        step(group)

    def _do(self, group: str, request: Message) -> Any:
        begin_ms = now_ms()
        answer = self.call(request)
        self.ops.append(Op(self.user, group, request, answer, begin_ms, now_ms()))
        return answer

    def _say(self, group: str) -> None:
        mentions = self._others() if self._random.random() < 0.2 else []
        request = say(group, f"{self.user} {len(self.ops)}", mentions=mentions)
        request.content.mention_all = self._random.random() < 0.1
        answer = self._do(group, request)
        if not answer.error.code:
            self._load.said[group].append(answer.id)

    def _sync(self, _: str) -> None:
        self.reader.sync(self._random.choice([0, 0, 1, 3, 20]))

    def _some_message(self, group: str) -> str:
        """Mostly one that was said lately, by anybody."""
        said = self._load.said[group]
        mine = [op.answer.id for op in self.ops if op.group == group and is_said(op)]
        known = (mine if self._random.random() < 0.5 else []) or said[-20:]
        return self._random.choice(known) if known else ""

    def _read(self, group: str) -> None:
        if message := self._some_message(group):
            self._do(group, im_pb2.ReadRequest(type=im_pb2.GROUP, peer=group, id=message))

    def _recall(self, group: str) -> None:
        if message := self._some_message(group):
            self._do(group, im_pb2.RecallRequest(id=message))

    def _clear(self, group: str) -> None:
        self._do(group, im_pb2.DeleteConversationRequest(type=im_pb2.GROUP, peer=group))

    def _join(self, group: str) -> None:
        self._do(group, im_pb2.GroupJoinRequest(group=group))

    def _leave(self, group: str) -> None:
        self._do(group, im_pb2.GroupLeaveRequest(group=group))

    def _others(self) -> list[str]:
        others = [name for name in self._load.names if name != self.user]
        return self._random.sample(others, self._random.choice([1, 1, 1, 3]))

    def _invite(self, group: str) -> None:
        self._do(group, im_pb2.GroupInviteRequest(group=group, users=self._others()))

    def _remove(self, group: str) -> None:
        self._do(group, im_pb2.GroupRemoveRequest(group=group, users=self._others()))

    def _role(self, group: str) -> None:
        role: Any = self._random.choice([im_pb2.ADMIN, im_pb2.ADMIN, im_pb2.MEMBER])
        user = self._others()[0]
        self._do(group, im_pb2.GroupSetRoleRequest(group=group, user=user, role=role))

    def _mute(self, group: str) -> None:
        seconds = self._random.choice([0, 1, 60])
        user = self._others()[0]
        self._do(group, im_pb2.GroupMuteRequest(group=group, user=user, duration_s=seconds))

    def _mute_all(self, group: str) -> None:
        mute_all = self._random.random() < 0.4
        self._do(group, im_pb2.GroupEditRequest(group=group, mute_all=mute_all))

    def _transfer(self, group: str) -> None:
        self._do(group, im_pb2.GroupTransferRequest(group=group, user=self._others()[0]))

    def _come_back(self, _: str) -> None:
        """Through another process."""
        self.hang_up()


def is_said(op: Op) -> bool:
    """Whether it was a send that was acknowledged."""
    return isinstance(op.request, im_pb2.SendRequest) and not op.error


class GroupLoad:
    """Many users in a few groups, each a thread; everything they decide comes from the seed."""

    def __init__(
        self,
        cluster: Cluster,
        *,
        users: int = 50,
        groups: int = 6,
        count: int = 40,
        seed: str = "1",
        webs: tuple[str, ...] = ("web",),
    ) -> None:
        self.cluster = cluster
        self.webs = webs
        self.over = threading.Event()
        self.names = [cluster.person(f"u{n}") for n in range(users)]
        for name in self.names:
            cluster.token(name)  # the user centre is not part of what breaks
        self.users = [
            User(cluster, name, self, f"{seed} {n}", count) for n, name in enumerate(self.names)
        ]
        self.groups: list[str] = []
        pick = random.Random(seed)
        for n in range(groups):
            owner = self.users[n]
            members = pick.sample(self.names, users // 2)
            request = im_pb2.GroupCreateRequest(sequence=f"{n}", name="a group", users=members)
            self.groups.append(group := ok(owner.call(request)).group.group)
            others = [name for name in request.users if name != owner.user]
            for name in others[:8]:
                role = im_pb2.GroupSetRoleRequest(group=group, user=name, role=im_pb2.ADMIN)
                ok(owner.call(role))
            ok(owner.call(im_pb2.GroupMuteRequest(group=group, user=others[-1], duration_s=600)))
            muted = self.users[self.names.index(others[-1])]
            muted._do(group, say(group, "is anybody there?"))
        self.said: dict[str, list[str]] = {group: [] for group in self.groups}

    def __enter__(self) -> "GroupLoad":
        for user in self.users:
            user.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        for user in self.users:
            user.join()
            user.hang_up()

    @property
    def ops(self) -> Sequence[Op]:
        """All requests that were answered."""
        return [op for user in self.users for op in tuple(user.ops)]

    def wait_acks(self, more: int) -> None:
        """Return when so many more messages are acknowledged."""
        wanted = sum(map(len, self.said.values())) + more

        def enough() -> bool:
            self.check_alive()
            done = not any(user.is_alive() for user in self.users)
            return done or sum(map(len, self.said.values())) >= wanted

        wait_until(enough, 2 * PATIENCE_S, what=f"{more} more acks")

    def check_alive(self) -> None:
        """Raise what ended one of the users."""
        for user in self.users:
            if user.failure is not None:
                raise user.failure

    def finish(self) -> None:
        """Let everybody do what they have left, and everything be delivered."""
        for user in self.users:
            user.join(5 * PATIENCE_S)
            assert not user.is_alive(), f"{user.user} is still at it"
        self.check_alive()
        store = self.cluster.store
        wait_until(lambda: store.undelivered() == 0, 2 * PATIENCE_S, what="delivery")
        for user in self.users:
            user.settle()
