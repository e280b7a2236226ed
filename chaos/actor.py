"""What users do: each a thread that does whatever comes to its mind, until it is told to rest."""

import random
import threading
from collections.abc import Sequence
from itertools import count

from chaos.client import Client, Connect, Over
from chaos.record import Op, body_of
from proto import im_pb2

PERSON, GROUP = im_pb2.PERSON, im_pb2.GROUP
SHORT_PATIENCE_S = 1.0
LATELY = 30
"""Recalled and repeated is what was sent not long ago."""


class Actor(threading.Thread):
    """`reads`: whether they ever read; the unread counts of the others only grow."""

    def __init__(
        self,
        user: str,
        peers: Sequence[str],
        groups: Sequence[str],
        connect: Connect,
        seed: str,
        *,
        reads: bool = True,
        pace_s: float = 0.05,
    ) -> None:
        super().__init__(daemon=True, name=user)
        self.user = user
        self.pick = random.Random(seed)
        self.client = Client(user, connect, self.pick)
        self.reads = reads
        self.failure: BaseException | None = None
        self._peers = peers
        self._groups = groups
        self._pace_s = pace_s
        self._numbers = count(1)
        self._sent: list[Op] = []
        self._blocked: list[str] = []
        self._resting = threading.Event()
        self.at_rest = threading.Event()
        self._steps = {
            self._say: 40,
            self._say_to_group: 15,
            self._repeat: 6,
            self._recall: 5,
            self._read: 8 if reads else 0,
            self._read_group: 4 if reads else 0,
            self._sync_groups: 5,
            self._ask_contacts: 4,
            self._block: 2,
            self._unblock: 3,
            self._change_group: 3,
            self._reconnect: 2,
            self._ping: 3,
        }

    def rest(self) -> None:
        """Begin nothing new; `at_rest` is set once everything is known. Listening goes on."""
        self._resting.set()

    def end(self) -> None:
        """Stop at once."""
        self.client.over.set()

    # ------------------------------------------------------------ the thread

    def run(self) -> None:
        try:
            self._ask_contacts()  # from now on there are caches of this user
            while not self._resting.is_set():
                (step,) = self.pick.choices([*self._steps], [*self._steps.values()])
                step()
                self.client.listen(self.pick.uniform(0.2, 1.8) * self._pace_s)
            self.at_rest.set()
            while True:
                self._ping()
                self._sync_groups()
                self.client.sync()
                self.client.listen(0.3)
        except Over:
            pass
        except BaseException as error:
            self.failure = error
            self.at_rest.set()
        finally:
            self.client.hang_up()

    def _send(self, request: im_pb2.SendRequest) -> None:
        request.sequence = f"{self.user}/{next(self._numbers):06d}"
        request.content.text.text = body_of(request.sequence)
        gives_up = self.pick.random() < 0.1
        op = self.client.do(request, SHORT_PATIENCE_S) if gives_up else self.client.do(request)
        if op.acked:
            self._sent.append(op)

    def _say(self) -> None:
        self._send(im_pb2.SendRequest(receiver=self.pick.choice(self._peers)))

    def _say_to_group(self) -> None:
        request = im_pb2.SendRequest(receiver=self.pick.choice(self._groups), type=GROUP)
        if self.pick.random() < 0.2:
            request.content.mentions.append(self.pick.choice(self._peers))
        self._send(request)

    def _lately(self) -> Op | None:
        return self.pick.choice(self._sent[-LATELY:]) if self._sent else None

    def _repeat(self) -> None:
        """Send once more what was acknowledged long since."""
        if op := self._lately():
            self.client.do(op.request)

    def _recall(self) -> None:
        if op := self._lately():
            self.client.do(im_pb2.RecallRequest(id=op.answer.id), SHORT_PATIENCE_S)

    def _read(self) -> None:
        received = [
            message
            for message in [*self.client.view.messages.values()][-LATELY:]
            if message.receiver == self.user and message.sender != self.user
        ]
        if received:
            message = self.pick.choice(received)
            self.client.do(im_pb2.ReadRequest(peer=message.sender, id=message.id))

    def _read_group(self) -> None:
        group = self.pick.choice(self._groups)
        ids = sorted(self.client.groups.messages.get(group, {}))
        if ids:
            chosen = self.pick.choice(ids[-LATELY:])
            self.client.do(im_pb2.ReadRequest(type=GROUP, peer=group, id=chosen))

    def _sync_groups(self) -> None:
        self.client.groups.sync(self.pick.choice([0, 0, 7, 40]))

    def _ask_contacts(self) -> None:
        self.client.call(im_pb2.ContactsRequest())

    def _ping(self) -> None:
        answer = self.client.call(im_pb2.PingRequest())
        if answer.version > self.client.view.cursor:
            self.client.sync()

    def _block(self) -> None:
        if len(self._blocked) < 2:
            peer = self.pick.choice(self._peers)
            self.client.do(im_pb2.BlockRequest(user=peer))
            self._blocked.append(peer)

    def _unblock(self) -> None:
        if self._blocked:
            self.client.do(im_pb2.UnblockRequest(user=self._blocked.pop(0)))

    def _change_group(self) -> None:
        """Bring somebody in or out, come or go; it may be refused."""
        group, someone = self.pick.choice(self._groups), [self.pick.choice(self._peers)]
        self.client.do(
            self.pick.choice(
                [
                    im_pb2.GroupJoinRequest(group=group),
                    im_pb2.GroupLeaveRequest(group=group),
                    im_pb2.GroupInviteRequest(group=group, users=someone),
                    im_pb2.GroupInviteRequest(group=group, users=someone),
                    im_pb2.GroupRemoveRequest(group=group, users=someone),
                    im_pb2.GroupRemoveRequest(group=group, users=someone),
                ]
            )
        )

    def _reconnect(self) -> None:
        self.client.hang_up()
