"""A user of the load: one connection at a time, one request at a time, and everything recorded.

One at a time, so that order holds whatever has to be repeated on the way. It gives up on a request
now and then, as people do: whether that one was done is open for ever.
"""

import random
import threading
import time
from collections.abc import Callable
from typing import Any

from google.protobuf.message import Message
from websockets.exceptions import WebSocketException

from chaos.record import Op, Record, now_ms
from chaos.view import View
from dev.clients.device import Closed, Device
from dev.clients.groupreader import Reader
from dev.clients.wait import Unanswered
from dev.clients.wire import Refused, ok
from proto import im_pb2

ANSWER_S = 8.0
"""WIRE.md: every request is answered within 6 s."""
PATIENCE_S = 120.0
"""How long is repeated what must be known."""
PAUSE_S = 0.1
BROKEN = (Closed, OSError, WebSocketException, EOFError, TimeoutError, Unanswered, Refused)
"""How a connection ends; the last two: an answer does not come, and the login is refused."""
ENDED = (*BROKEN, AssertionError)
"""The same, or by what a `Device` says of bytes that must not be like that."""

Connect = Callable[[int], Device]
"""A connection; what it is pushed begins behind this version."""


class Over(Exception):
    """The run has ended."""


class Client:
    """A connection that comes back, and a client behind it that keeps cursors."""

    def __init__(self, user: str, connect: Connect, pick: random.Random) -> None:
        self.record = Record(user)
        self.view = View()
        self.groups = Reader(self)
        self.pick = pick
        self.over = threading.Event()
        self.answered = 0
        """How many requests so far, with anything but "not now"."""
        self._connect = connect
        self._device: Device | None = None
        self._behind = True
        """Whether the view may lack something that no later push would show."""

    # ------------------------------------------------------------ requests

    def call(self, request: Message) -> Any:
        """The answer, once there is one that is not "not now".

        It changes nothing, so it is no op of the record: only how it was answered is kept.
        """
        op = Op(self.record.user, request, now_ms())
        try:
            self._repeat(op, PATIENCE_S)
        finally:
            self.record.asked += [(type(request).__name__, error) for _, error in op.answers]
        if op.answer is None:
            raise TimeoutError(f"{type(request).__name__} is not answered")
        return op.answer

    def do(self, request: Message, patience_s: float = PATIENCE_S) -> Op:
        """Asks for a change and records what became of it."""
        op = Op(self.record.user, request, now_ms())
        self.record.ops.append(op)
        self._repeat(op, patience_s)
        return op

    def _repeat(self, op: Op, patience_s: float) -> None:
        deadline = time.monotonic() + patience_s
        while not self.over.is_set():
            answer = self._attempt(op.request)
            op.end_ms = now_ms()
            op.answers.append((op.end_ms, "NONE" if answer is None else answer.error.name or "OK"))
            if answer is not None and not answer.error.retryable:
                op.answer = answer
                self.answered += 1
                return
            op.in_doubt = True
            if time.monotonic() > deadline:
                return
            time.sleep(PAUSE_S)
        raise Over

    def _attempt(self, request: Message) -> Any:
        """The answer, or None when there came none."""
        try:
            if self._device is None:
                self._device = self._connect(self.view.cursor)
                self.record.connections += 1
                self._behind = True
            answer = self._device.call(request, ANSWER_S)
        except ENDED as error:
            self._lose(error)
            return None
        self._take_in()
        return answer

    # ------------------------------------------------------------ what comes

    def listen(self, timeout_s: float) -> None:
        """Takes in what comes within this time, and syncs when something was missed."""
        try:
            if self._device is not None:
                self._device.poll(timeout_s)
        except ENDED as error:
            self._lose(error)
        else:
            if self._device is None:
                time.sleep(timeout_s)
        self._take_in()
        if self._behind:
            self.sync()

    def sync(self) -> None:
        """Reads the mailbox to its end."""
        self._behind = False
        more = True
        while more:
            request = im_pb2.SyncRequest(
                cursor=self.view.cursor, limit=self.pick.choice([0, 5, 50])
            )
            answer = ok(self.call(request))
            self.view.page(answer)
            more = answer.more

    def _lose(self, error: Exception) -> None:
        """The connection has ended; unless it is for a fault's sake, that is complained of."""
        if isinstance(error, Refused):  # nothing but a login is refused like this
            self.record.asked.append(("AuthRequest", error.name))
        elif not isinstance(error, BROKEN):
            self.record.complaints.append(f"what came is wrong: {error!r}")
        self.hang_up()

    def hang_up(self) -> None:
        """Leaves the connection."""
        if self._device is not None:
            self._take_in()
            self._device.close()
            self._device = None

    def _take_in(self) -> None:
        if self._device is None:
            return
        pushes, self._device.pushes = self._device.pushes, []
        for push in pushes:
            if push.cmd == im_pb2.CMD_PUSH_MESSAGES:
                self.record.pushed.append((now_ms(), push.body))
                if not push.body.group and not self.view.push(push.body):
                    self._behind = True
            elif push.cmd == im_pb2.CMD_PUSH_RESYNC:
                self._behind = True
