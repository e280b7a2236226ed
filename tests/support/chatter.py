"""A user under load: sends, reads, recalls, reconnects, sends again what was not acknowledged.

It does what an SDK must (DESIGN, "Client duties"): its truth is a cursor and messages by id.
"""

import threading
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from google.protobuf.message import Message

from dev.clients.wire import text_to
from dev.clients.ws import LOST, WebSocketClient
from proto import im_pb2

TEXT = "marzipan-potatoes-4711"
"""In every body sent under load, so that logs can be searched for it."""

ANSWER_S = 15.0
PACE_S = 0.01
"""Between two sends of one user: the machine is to be kept busy, not the checks afterwards."""

READ_EVERY = 25
RECALL_EVERY = 40

Connect = Callable[[], WebSocketClient]


class Acked(NamedTuple):
    """What the server promised to keep."""

    id: str
    sender: str
    receiver: str
    sequence: str


class Chatter(threading.Thread):
    """`window` sends are in flight at once: with 1, order holds whatever is refused on the way."""

    def __init__(
        self, user: str, peers: Sequence[str], connect: Connect, *, window: int = 8
    ) -> None:
        super().__init__(daemon=True, name=user)
        self.user = user
        self.acked: dict[str, Acked] = {}
        self.messages: dict[str, im_pb2.Message] = {}
        """What the device shows, in the order it first showed it."""
        self.cursor = 0
        self.reconnects = 0
        self.retries: list[str] = []
        self.failure: BaseException | None = None
        self._peers = peers
        self._connect = connect
        self._window = window
        self._client: WebSocketClient | None = None
        self._pending: dict[str, im_pb2.SendRequest] = {}
        self._flying: dict[int, str] = {}
        self._flown_at = 0.0
        self._sent = 0
        self._received = 0
        self._syncing: int | None = None
        self._quiet = threading.Event()
        self._over = threading.Event()

    # ------------------------------------------------------------ for the test

    def hush(self) -> None:
        """Send nothing new; go on until everything is acknowledged, and listen."""
        self._quiet.set()

    def end(self) -> None:
        """Stop at once."""
        self._over.set()
        self.join()

    @property
    def idle(self) -> bool:
        """Whether all that was sent is acknowledged."""
        return self._quiet.is_set() and not self._pending

    # ------------------------------------------------------------ the thread

    def run(self) -> None:
        try:
            while not self._over.is_set():
                self._one_connection()
        except BaseException as error:
            self.failure = error

    def _one_connection(self) -> None:
        try:
            with self._connect() as client:
                self._client = client
                self._flying.clear()
                self._sync()
                while not self._over.is_set():
                    self._offer()
                    client.poll(0.02)
                    self._take_in(client)
        except LOST:
            self.reconnects += 1
            time.sleep(0.1)

    def _post(self, request: Message) -> int:
        assert self._client is not None
        return self._client.post(request)

    def _sync(self) -> None:
        self._syncing = self._post(im_pb2.SyncRequest(cursor=self.cursor))

    def _offer(self) -> None:
        """Send; what must be repeated goes first and in order, once nothing is in flight."""
        if self._flying:
            assert time.monotonic() - self._flown_at < ANSWER_S, "sends are not answered"
            return
        if time.monotonic() - self._flown_at < self._window * PACE_S:
            return
        while len(self._pending) < self._window and not self._quiet.is_set():
            self._sent += 1
            peer = self._peers[self._sent % len(self._peers)]
            sequence = f"{self.user}/{self._sent:06d}"
            self._pending[sequence] = text_to(peer, f"{TEXT} {self._sent}", sequence)
        for sequence, request in self._pending.items():
            self._flying[self._post(request)] = sequence
            self._flown_at = time.monotonic()

    def _take_in(self, client: WebSocketClient) -> None:
        for seq, answer in client.answers().items():
            if seq == self._syncing:
                self._synced(answer.body)
            elif seq in self._flying:
                self._answered(self._flying.pop(seq), answer.body)
        pushes, client.pushes = client.pushes, []
        for push in pushes:
            if push.cmd == im_pb2.CMD_PUSH_MESSAGES:
                if push.body.previous <= self.cursor:
                    self._show(push.body.messages)
                elif self._syncing is None:
                    self._sync()
            elif push.cmd == im_pb2.CMD_PUSH_RESYNC and self._syncing is None:
                self._sync()

    def _answered(self, sequence: str, answer: im_pb2.SendResponse) -> None:
        if answer.error.code:
            assert answer.error.retryable, f"{answer.error.name}: {answer.error.message}"
            self.retries.append(answer.error.name)
            return
        request = self._pending.pop(sequence)
        self.acked[sequence] = Acked(answer.id, self.user, request.receiver, sequence)
        if len(self.acked) % RECALL_EVERY == 0:
            self._post(im_pb2.RecallRequest(id=answer.id))

    def _synced(self, answer: im_pb2.SyncResponse) -> None:
        self._syncing = None
        if answer.error.code:
            assert answer.error.retryable, answer.error.name
            time.sleep(0.1)
            self._sync()
            return
        self._show(answer.messages)
        self.cursor = max(self.cursor, answer.cursor)
        if answer.more:
            self._sync()

    def _show(self, messages: Sequence[im_pb2.Message]) -> None:
        for message in messages:
            if message.version <= self.cursor:
                continue
            self.cursor = message.version
            self.messages[message.id] = message
            if message.receiver == self.user and not message.withdraw_time:
                self._received += 1
                if self._received % READ_EVERY == 0:
                    self._post(im_pb2.ReadRequest(peer=message.sender, id=message.id))
