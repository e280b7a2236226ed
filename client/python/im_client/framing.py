"""Mars long-link framing: bytes in, frames out. No I/O, no clock.

A frame is five unsigned 32-bit big-endian words (head_length, client_version, cmdid, seq,
body_length), head_length - 20 bytes of extension, and the body. A WebSocket binary message holds
exactly one frame; a TCP stream holds one after the other and goes through `Decoder`.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

HEAD = struct.Struct(">IIIII")
EXTENSION_BYTES_MAX = 1024
FRAME_BYTES_MAX = 1 << 20
BODY_BYTES_MAX = (1 << 16) - HEAD.size  # of a request; the server takes no larger frame
CLIENT_VERSION = 200  # of Mars' protocol, not of the application

PUSH_SEQ = 0
REQUEST_SEQ_MAX = 0xFFFFFFEF


class FrameError(ValueError):
    """The bytes are not a frame; the stream cannot be trusted any further."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame; `seq` is that of the request it answers, or `PUSH_SEQ`."""

    cmd: int
    seq: int
    body: bytes


def encode(cmd: int, seq: int, body: bytes) -> bytes:
    """The bytes of one frame."""
    return HEAD.pack(HEAD.size, CLIENT_VERSION, cmd, seq, len(body)) + body


def _ends(data: bytes | bytearray) -> tuple[int, int, int, int]:
    """(end of the head, end of the frame, cmd, seq) of the frame that begins here."""
    head, _, cmd, seq, size = HEAD.unpack_from(data)
    if not HEAD.size <= head <= HEAD.size + EXTENSION_BYTES_MAX:
        raise FrameError(f"head length {head}")
    if head + size > FRAME_BYTES_MAX:
        raise FrameError(f"a frame of {head + size} bytes")
    return head, head + size, cmd, seq


def decode(data: bytes) -> Frame:
    """Read a message that is exactly one frame; raise `FrameError` for anything else."""
    if len(data) < HEAD.size:
        raise FrameError(f"{len(data)} bytes are no frame")
    start, end, cmd, seq = _ends(data)
    if len(data) != end:
        raise FrameError(f"{len(data)} bytes, the head says {end}")
    return Frame(cmd, seq, data[start:])


class Decoder:
    """Cuts a byte stream into frames; feed it any pieces."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Add bytes; iterate over the frames they complete.

        Nonsense raises `FrameError` after the frames before it, however the stream was cut.
        """
        self._buffer += data
        return self._frames()

    def _frames(self) -> Iterator[Frame]:
        buffer = self._buffer
        while len(buffer) >= HEAD.size:
            start, end, cmd, seq = _ends(buffer)
            if len(buffer) < end:
                return
            body = bytes(buffer[start:end])
            del buffer[:end]
            yield Frame(cmd, seq, body)
