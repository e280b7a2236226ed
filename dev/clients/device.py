"""A device of a user, by whatever transport: it asks, and waits for answers and pushes."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from google.protobuf.message import Message

from dev.clients.wait import DEADLINE_S, Unanswered
from dev.clients.wire import command_of, ok
from proto import frame, im_pb2, jsonframe
from proto.commands import BY_NAME, BY_NUMBER, Command

FRAME_BYTES_MAX = 1 << 20
OUTBOUND_BYTES_MAX = 64 * 1024


@dataclass(frozen=True, slots=True)
class Push:
    """A downlink: its command's number, and its body as the command's message."""

    cmd: int
    body: Any


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it came; `cmd` is -1 for the JSON name `error`."""

    cmd: int
    seq: int
    body: Any


class Closed(Exception):
    """The server closed the connection."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code} {reason}")
        self.code = code
        self.reason = reason


class Device:
    """One connection. Answers and pushes that nobody waited for yet are kept."""

    def __init__(self, *, json: bool = False) -> None:
        self.json = json
        self.user = ""
        self.client_version = frame.CLIENT_VERSION
        self.pushes: list[Push] = []
        self.closed: Closed | None = None
        self._answers: dict[int, Answer] = {}
        self._strays: deque[Answer] = deque()
        self._seq = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        raise NotImplementedError

    def send_text(self, text: str) -> None:
        """Send one `im.json` message."""
        raise NotImplementedError

    def send_frame(self, cmd: int, seq: int, body: bytes) -> None:
        """Send a Mars frame with any content."""
        raise NotImplementedError

    def _receive(self, timeout_s: float) -> None:
        """Take in at least one message; TimeoutError when none comes, Closed at the end."""
        raise NotImplementedError

    # ------------------------------------------------------------ requests

    def auth(self, token: str, device: str = "", platform: str = "test") -> im_pb2.AuthResponse:
        """Authenticate; the answer, which must not be a refusal."""
        answer = ok(self.call(im_pb2.AuthRequest(token=token, platform=platform, device=device)))
        assert isinstance(answer, im_pb2.AuthResponse)
        self.user = answer.user
        return answer

    def call(self, request: Message, timeout_s: float = DEADLINE_S) -> Any:
        """Send a request and wait for its answer, which carries its error inside."""
        return self.answer(self.post(request), timeout_s).body

    def post(self, request: Message) -> int:
        """Send a request; the seq its answer will carry."""
        self._seq += 1
        command = command_of(request)
        if self.json:
            self.send_text(jsonframe.encode(command.name, self._seq, request))
        else:
            self.send_frame(command.number, self._seq, request.SerializeToString())
        return self._seq

    def answer(self, seq: int, timeout_s: float = DEADLINE_S) -> Answer:
        """The answer with this seq."""
        self._read_until(lambda: seq in self._answers, timeout_s, f"the answer to {seq}")
        return self._answers.pop(seq)

    def answers(self) -> dict[int, Answer]:
        """The answers that came so far, by seq; each is given once."""
        taken, self._answers = self._answers, {}
        return taken

    # ------------------------------------------------------------ what comes

    def wait_push(
        self,
        wanted: Callable[[Push], bool] | int,
        timeout_s: float = DEADLINE_S,
    ) -> Any:
        """The body of the first push that fits, by predicate or number; it is taken out."""
        fits = wanted if callable(wanted) else lambda push: push.cmd == wanted
        self._read_until(lambda: any(map(fits, self.pushes)), timeout_s, "the push")
        push = next(filter(fits, self.pushes))
        self.pushes.remove(push)
        return push.body

    def wait_message(
        self, message_id: str, *, recalled: bool = False, timeout_s: float = DEADLINE_S
    ) -> im_pb2.Message:
        """The pushed message with this id; pushes stay, so any order is fine."""

        def found() -> im_pb2.Message | None:
            for message in self.messages():
                if message.id == message_id and bool(message.withdraw_time) == recalled:
                    return message
            return None

        self._read_until(found, timeout_s, f"message {message_id}")
        message = found()
        assert message is not None
        return message

    def messages(self) -> list[im_pb2.Message]:
        """All messages pushed so far, in the order they came."""
        return [
            message
            for push in self.pushes
            if push.cmd == im_pb2.CMD_PUSH_MESSAGES
            for message in push.body.messages
        ]

    def settle(self) -> None:
        """Take in everything the server had to say before now: a ping's answer is behind it."""
        ok(self.call(im_pb2.PingRequest()))

    def wait_closed(self, timeout_s: float = DEADLINE_S) -> Closed:
        """The server's close."""
        try:
            self._read_until(lambda: False, timeout_s, "the close")
        except Closed as closed:
            return closed
        raise AssertionError("unreachable")

    def poll(self, timeout_s: float) -> None:
        """Take in what comes within this time, at least one message of it."""
        try:
            self._receive(timeout_s)
            while True:
                self._receive(0)
        except TimeoutError:
            return

    def stray(self) -> Answer:
        """The oldest answer whose seq is 0: those to messages that had none to echo."""
        self._read_until(lambda: bool(self._strays), DEADLINE_S, "an answer without seq")
        return self._strays.popleft()

    def _read_until(self, done: Callable[[], object], timeout_s: float, what: str) -> None:
        deadline = time.monotonic() + timeout_s
        while not done():
            try:
                self._receive(max(0.0, deadline - time.monotonic()))
            except TimeoutError:
                raise Unanswered(f"{what} did not come within {timeout_s:g} s") from None

    def _take_text(self, text: str) -> None:
        name, seq, fields = jsonframe.decode(text)
        command = BY_NAME.get(name)
        body = jsonframe.to_message(fields, type_of(command, seq))
        self._file(command.number if command else -1, seq, body)

    def _take_frame(self, cmd: int, seq: int, body: bytes) -> None:
        self._file(cmd, seq, type_of(BY_NUMBER.get(cmd), seq).FromString(body))

    def _file(self, cmd: int, seq: int, body: Message) -> None:
        command = BY_NUMBER.get(cmd)
        if command is not None and command.request is None and seq == frame.PUSH_SEQ:
            self.pushes.append(Push(cmd, body))
        elif seq == frame.PUSH_SEQ:
            self._strays.append(Answer(cmd, seq, body))
        else:
            self._answers[seq] = Answer(cmd, seq, body)


def type_of(command: Command | None, seq: int) -> type[Message]:
    """What a body with this seq is: answers to what is no request are plain replies."""
    if command is None or (command.request is None and seq != frame.PUSH_SEQ):
        return im_pb2.Reply
    return command.answer
