"""Mars long-link framing: bytes in, frames out. No I/O, no clock.

A frame is five unsigned 32-bit big-endian words (head_length, client_version, cmdid, seq,
body_length), head_length - 20 bytes of extension, and the body. A WebSocket binary message holds
exactly one frame; a TCP stream holds one after the other and goes through `Decoder`.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

HEAD = struct.Struct(">IIIII")
HEAD_BYTES = HEAD.size
EXTENSION_BYTES_MAX = 1024
CLIENT_VERSION = 200  # what Mars' own samples send

PUSH_SEQ = 0
REQUEST_SEQ_MAX = 0xFFFFFFEF
SIGNALLING_SEQ = 0xFFFFFFFD
IDENTIFY_SEQ = 0xFFFFFFFE
NOOP_SEQ = 0xFFFFFFFF
NOOP_CMD = 6
SIGNALLING_CMD = 243


class FrameError(ValueError):
    """The bytes are not a frame; the stream cannot be trusted any further."""


class FrameTooLarge(FrameError):
    """The head announces more than the limit; it is known whose answer that is."""

    def __init__(self, message: str, client_version: int, cmd: int, seq: int) -> None:
        super().__init__(message)
        self.client_version = client_version
        self.cmd = cmd
        self.seq = seq


@dataclass(frozen=True, slots=True)
class Frame:
    client_version: int
    cmd: int
    seq: int
    body: bytes


def encode(cmd: int, seq: int, body: bytes, client_version: int = CLIENT_VERSION) -> bytes:
    """The bytes of one frame."""
    return HEAD.pack(HEAD_BYTES, client_version, cmd, seq, len(body)) + body


def _read_head(data: bytes | bytearray, size_max: int) -> tuple[int, int, int, int, int]:
    head: tuple[int, int, int, int, int] = HEAD.unpack_from(data)
    if head[0] < HEAD_BYTES or head[0] > HEAD_BYTES + EXTENSION_BYTES_MAX:
        raise FrameError(f"head length {head[0]}")
    if head[0] + head[4] > size_max:
        message = f"frame of {head[0] + head[4]} bytes, at most {size_max}"
        raise FrameTooLarge(message, head[1], head[2], head[3])
    return head


def decode(data: bytes, size_max: int) -> Frame:
    """Read a message that is exactly one frame; raise `FrameError` for anything else."""
    if len(data) < HEAD_BYTES:
        raise FrameError(f"{len(data)} bytes are no frame")
    head_length, client_version, cmd, seq, body_length = _read_head(data, size_max)
    if len(data) != head_length + body_length:
        raise FrameError(f"{len(data)} bytes, the head says {head_length + body_length}")
    return Frame(client_version, cmd, seq, data[head_length:])


class Decoder:
    """Cuts a byte stream into frames; feed it any pieces."""

    def __init__(self, size_max: int) -> None:
        self._size_max = size_max
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Add bytes; iterate over the frames they complete.

        Nonsense raises `FrameError` after the frames before it, however the stream was cut.
        """
        self._buffer += data
        return self._frames()

    @property
    def unfinished(self) -> bool:
        """Whether it holds the beginning of a frame."""
        return bool(self._buffer)

    def _frames(self) -> Iterator[Frame]:
        buffer = self._buffer
        while len(buffer) >= HEAD_BYTES:
            head_length, client_version, cmd, seq, body_length = _read_head(buffer, self._size_max)
            end = head_length + body_length
            if len(buffer) < end:
                break
            body = bytes(buffer[head_length:end])
            del buffer[:end]  # moves a pointer, not the bytes
            yield Frame(client_version, cmd, seq, body)
