"""One user who asks and waits: what scenarios prepare with, and time single commands by."""

import socket
import struct
import time
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.message import Message

from proto import frame, im_pb2
from proto.commands import COMMANDS

HEAD = struct.Struct(">IIIII")
NUMBERS = {command.request: command for command in COMMANDS if command.request}
TIMEOUT_S = 30.0


class CallFailed(Exception):
    """The command was refused."""


class Caller:
    """A TCP connection of one user in Mars framing; pushes are dropped."""

    def __init__(self, host: str, port: int, token: str) -> None:
        self._sock = socket.create_connection((host, port), timeout=TIMEOUT_S)
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._file = self._sock.makefile("rb")
        self._seq = 0
        self.call(im_pb2.AuthRequest(token=token, platform="bench", device="caller"))

    def __enter__(self) -> "Caller":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._sock.close()

    def call(self, request: Message) -> Any:
        """The answer, which must carry no error."""
        command = NUMBERS[type(request)]
        self._seq += 1
        body = request.SerializeToString()
        self._sock.sendall(frame.encode(command.number, self._seq, body, frame.CLIENT_VERSION))
        while True:
            head_bytes, _, _, seq, size = HEAD.unpack(self._read(HEAD.size))
            self._read(head_bytes - HEAD.size)
            data = self._read(size)
            if seq == self._seq:
                break
        answer: Any = command.answer.FromString(data)
        if answer.error.code:
            raise CallFailed(f"{command.name}: {answer.error.name} {answer.error.message}")
        return answer

    def _read(self, size: int) -> bytes:
        data = self._file.read(size)
        if len(data) < size:
            raise CallFailed("the server closed the connection")
        return data


@dataclass(slots=True)
class Timed:
    """What single commands took, asked one after the other, and our own part of that time."""

    took_ms: list[float] = field(default_factory=list)
    own_s: float = 0.0

    def call(self, caller: Caller, request: Message) -> Any:
        """The answer; its time counts."""
        own_s, began_s = time.process_time(), time.perf_counter()
        answer = caller.call(request)
        self.took_ms.append(1000 * (time.perf_counter() - began_s))
        self.own_s += time.process_time() - own_s
        return answer

    @property
    def cpu_share(self) -> float:
        """Of one core."""
        return 1000 * self.own_s / sum(self.took_ms)
