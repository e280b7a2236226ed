"""Cuts what a server writes into pieces: Mars frames of a stream, or the messages of a WebSocket.

Pure: bytes in, pieces out. A piece knows the command and seq of the Mars frame it carries, if any.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Speech = Literal["mars", "websocket", "http", "opaque"]
_WORDS = struct.Struct(">5I")
_BINARY = 2


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes that travel together; `cmd` and `seq` are None where they are no downlink.

    `alone`: an answer, which its connection ends without, and which comes again as the next one.
    """

    data: bytes
    cmd: int | None = None
    seq: int | None = None
    alone: bool = False

    @property
    def is_push(self) -> bool:
        return self.seq == 0


class Cutter:
    """What one connection's server says, piece by piece; feed it any bytes."""

    def __init__(self, speech: Speech) -> None:
        self._speech = speech
        self._buffer = b""
        self._upgraded = False

    def feed(self, data: bytes) -> Iterator[Piece]:
        """Add bytes; iterate over the pieces they complete."""
        if self._speech == "opaque":
            yield Piece(data)
            return
        self._buffer += data
        while (piece := self._next()) is not None:
            yield piece

    def _next(self) -> Piece | None:
        if self._speech == "mars":
            return self._mars()
        if not self._upgraded:
            head, separator, rest = self._buffer.partition(b"\r\n\r\n")
            if not separator:
                return None
            self._upgraded, self._buffer = True, rest
            return Piece(head + separator)
        return self._message()

    def _mars(self) -> Piece | None:
        if len(self._buffer) < _WORDS.size:
            return None
        head, _, cmd, seq, size = _WORDS.unpack_from(self._buffer)
        data = self._take(head + size)
        return None if data is None else Piece(data, cmd, seq)

    def _message(self) -> Piece | None:
        """One unmasked frame of RFC 6455; servers do not mask, ours does not fragment."""
        if len(self._buffer) < 2:
            return None
        opcode, size, start = self._buffer[0] & 15, self._buffer[1] & 127, 2
        if size >= 126:
            start = 4 if size == 126 else 10
            if len(self._buffer) < start:
                return None
            size = int.from_bytes(self._buffer[2:start])
        data = self._take(start + size)
        if data is None:
            return None
        if opcode != _BINARY or size < _WORDS.size:
            return Piece(data)
        _, _, cmd, seq, _ = _WORDS.unpack_from(data, start)
        return Piece(data, cmd, seq)

    def _take(self, size: int) -> bytes | None:
        if len(self._buffer) < size:
            return None
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data
