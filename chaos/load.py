"""The load: users in all shards, a few groups, WebSocket, Comet and TCP, through the proxies."""

import random
import threading
import time
from contextlib import suppress
from functools import partial
from typing import Any

from google.protobuf.message import Message

from chaos.actor import Actor
from chaos.background import Background
from chaos.bed import Bed
from chaos.logreader import LogReader
from chaos.record import Op
from dev.clients.comet import CometDevice
from dev.clients.device import Closed, Device
from dev.clients.mars import MarsClient
from dev.clients.wait import DEADLINE_S
from dev.clients.wire import Refused, ok
from dev.clients.ws import WebSocketClient
from proto import im_pb2

COMET_SHARE = 0.4
"""Of the connections to a web process."""
POLL_TIMEOUT_S = 9.0
"""Polls are answered within a second while everything is well."""
RENEWED_AFTER_S = 1800.0
"""Half of what a token lasts."""


class Polls(CometDevice):
    """Has no log-in but its calls: one that a wrong clock refuses ends it, as it ends others."""

    def call(self, request: Message, timeout_s: float = DEADLINE_S) -> Any:
        answer = super().call(request, timeout_s)
        if answer.error.name == "UNAUTHENTICATED":
            raise Closed(4401, answer.error.message)
        return answer


class Load:
    """Begins with its context and ends with it; `rest` lets everybody finish what they do."""

    def __init__(
        self, bed: Bed, seed: int, *, users: int = 16, groups: int = 4, pace_s: float = 0.05
    ) -> None:
        self.bed = bed
        self.users = [f"user-{n:02d}" for n in range(users)]
        self._renewing = threading.Lock()
        self._tokens: dict[str, str] = {}
        self._renewed = float("-inf")
        self.reader = LogReader(bed)
        self.groups: list[str] = []
        self._pick = random.Random(f"{seed} load")
        self._entrances = {user: random.Random(f"{seed} {user} entrance") for user in self.users}
        for number in range(groups):
            self.groups.append(self._make_group(number))
        self.actors = [
            Actor(
                user,
                [peer for peer in self.users if peer != user],
                self.groups,
                partial(self.connect, user),
                f"{seed} {user}",
                reads=number % 3 != 0,
                pace_s=pace_s,
            )
            for number, user in enumerate(self.users)
        ]

    def __enter__(self) -> "Load":
        self.reader.start()
        for actor in self.actors:
            actor.start()
        return self

    def __exit__(self, *_: object) -> None:
        for actor in self.actors:
            actor.end()
        for actor in self.actors:
            actor.join()
        self.reader.end()

    def connect(self, user: str, since: int) -> Device:
        """A connection of the user through any proxy; a poll begins behind `since`."""
        pick = self._entrances[user]
        name = pick.choice([*self.bed.proxies])
        polls = pick.random() < COMET_SHARE
        port = self.bed.proxies[name].port
        url, token = f"http://127.0.0.1:{port}", self.token(user)
        device: Device
        if name.startswith("gateway"):
            device = MarsClient(port)
        elif polls:
            return Polls(url, token, since, timeout_s=POLL_TIMEOUT_S)
        else:
            device = WebSocketClient(url, open_timeout=5)
        try:
            device.auth(token)
        except BaseException:
            device.close()
            raise
        return device

    def token(self, user: str) -> str:
        """One that lasts for half an hour at least."""
        with self._renewing:
            if time.monotonic() - self._renewed > RENEWED_AFTER_S:
                self._tokens = self.bed.tokens(self.users)
                self._renewed = time.monotonic()
            return self._tokens[user]

    def rest(self) -> None:
        """Let everybody finish."""
        for actor in self.actors:
            actor.rest()

    @property
    def background(self) -> list[Background]:
        """The threads without which nothing goes on."""
        return [*self.reader.threads]

    @property
    def ops(self) -> list[Op]:
        """Everything asked for so far."""
        return [op for actor in self.actors for op in tuple(actor.client.record.ops)]

    @property
    def acked(self) -> int:
        """Acknowledged sends, repetitions among them."""
        return sum(op.acked and op.is_a(im_pb2.SendRequest) for op in self.ops)

    def wait_acks(self, more: int, timeout_s: float = 30.0) -> bool:
        """Returns when so many more sends are acknowledged; False when they were not in time."""
        wanted = self.acked + more
        deadline = time.monotonic() + timeout_s
        while self.acked < wanted and time.monotonic() < deadline:
            time.sleep(0.05)
        return self.acked >= wanted

    def _make_group(self, number: int) -> str:
        owner, *others = self._pick.sample(self.users, 1 + len(self.users) // 2)
        request = im_pb2.GroupCreateRequest(sequence=f"{number}", name="a group", users=others)
        with self.connect(owner, 0) as device:
            group = str(ok(device.call(request)).group.group)
            for user in others[:2]:
                admin = im_pb2.GroupSetRoleRequest(group=group, user=user, role=im_pb2.ADMIN)
                with suppress(Refused):
                    ok(device.call(admin))
        return group
