"""Mars framing: golden bytes of `WIRE.md`, any cutting, any garbage."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proto import frame
from proto.frame import Decoder, Frame, FrameError, FrameTooLarge

SIZE_MAX = 65536
WORDS = st.integers(0, 0xFFFFFFFF)
FRAMES = st.builds(Frame, WORDS, WORDS, WORDS, st.binary(max_size=100))

# (bytes made by Mars' own packer, cmd, seq, body), all of client version 200
GOLDEN = [
    ("00000014 000000c8 00000006 ffffffff 00000000", 6, 0xFFFFFFFF, ""),
    (
        "00000014 000000c8 00000002 fffffffe 00000009 0a0774657374746f6b",
        2,
        0xFFFFFFFE,
        "0a0774657374746f6b",
    ),
    ("00000014 000000c8 00000002 fffffffe 00000002 0800", 2, 0xFFFFFFFE, "0800"),
    (
        "00000014 000000c8 00000003 00000001 0000001f"
        "0a0a746573745f746f6b656e1205616c6963651a03616c6c220268692a0130",
        3,
        1,
        "0a0a746573745f746f6b656e1205616c6963651a03616c6c220268692a0130",
    ),
    (
        "00000014 000000c8 00002711 00000000 0000000e 0a0130120268691a05616c696365",
        10001,
        0,
        "0a0130120268691a05616c696365",
    ),
]


def encoded(value: Frame, extension: bytes = b"") -> bytes:
    head = frame.HEAD.pack(
        frame.HEAD_BYTES + len(extension),
        value.client_version,
        value.cmd,
        value.seq,
        len(value.body),
    )
    return head + extension + value.body


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    """`data` cut at each of `cuts`, which may repeat and lie outside."""
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[start:end] for start, end in pairwise(edges)]


def feed_all(decoder: Decoder, parts: list[bytes], into: list[Frame]) -> None:
    for part in parts:
        for value in decoder.feed(part):
            into.append(value)


@pytest.mark.parametrize(("data", "cmd", "seq", "body"), GOLDEN)
def test_golden_bytes(data: str, cmd: int, seq: int, body: str) -> None:
    golden = bytes.fromhex(data)
    assert frame.encode(cmd, seq, bytes.fromhex(body)) == golden
    assert frame.decode(golden, SIZE_MAX) == Frame(200, cmd, seq, bytes.fromhex(body))


def test_the_golden_bytes_as_one_stream() -> None:
    stream = b"".join(bytes.fromhex(data) for data, *_ in GOLDEN)
    frames = list(Decoder(SIZE_MAX).feed(stream))
    assert [(f.cmd, f.seq, f.body.hex()) for f in frames] == [golden[1:] for golden in GOLDEN]


@given(
    st.lists(st.tuples(FRAMES, st.binary(max_size=8)), max_size=8),
    st.lists(st.integers(0, 2000), max_size=40),
)
def test_any_cutting_gives_the_same_frames(
    frames: list[tuple[Frame, bytes]], cuts: list[int]
) -> None:
    decoder = Decoder(SIZE_MAX)
    stream = b"".join(encoded(value, extension) for value, extension in frames)
    got = [value for piece in pieces(stream, cuts) for value in decoder.feed(piece)]
    assert got == [value for value, _ in frames]


@given(st.lists(FRAMES, max_size=4), st.integers(0, 19), st.lists(st.integers(0, 2000), max_size=9))
def test_frames_before_nonsense_are_read_in_any_cutting(
    frames: list[Frame], head_length: int, cuts: list[int]
) -> None:
    # Given frames followed by a head that is too short
    nonsense = frame.HEAD.pack(head_length, 200, 6, 1, 0)
    stream = b"".join(map(encoded, frames)) + nonsense

    # When the stream arrives in any pieces
    decoder = Decoder(SIZE_MAX)
    got: list[Frame] = []
    with pytest.raises(FrameError):
        feed_all(decoder, pieces(stream, cuts), got)

    # Then every frame before it was delivered, and the decoder refuses from then on
    assert got == frames
    with pytest.raises(FrameError):
        list(decoder.feed(b""))


@given(st.lists(st.binary(max_size=64), max_size=20))
def test_garbage_is_refused_or_waited_for(chunks: list[bytes]) -> None:
    decoder = Decoder(1024)
    try:
        for chunk in chunks:
            for value in decoder.feed(chunk):
                assert len(value.body) <= 1024
    except FrameError:
        return
    assert len(decoder._buffer) <= sum(map(len, chunks))


@given(FRAMES, st.binary(max_size=8))
def test_one_frame_in_one_message(value: Frame, extension: bytes) -> None:
    assert frame.decode(encoded(value, extension), SIZE_MAX) == value


@given(FRAMES, st.binary(min_size=1, max_size=8))
def test_a_message_with_more_or_less_than_a_frame_is_refused(value: Frame, more: bytes) -> None:
    data = encoded(value)
    for wrong in (data + more, data[: -len(more)]):
        with pytest.raises(FrameError):
            frame.decode(wrong, SIZE_MAX)


@pytest.mark.parametrize("size_max", [100])
def test_the_limit_counts_head_and_body(size_max: int) -> None:
    fits = frame.encode(3, 1, bytes(size_max - frame.HEAD_BYTES))
    assert frame.decode(fits, size_max).cmd == 3
    larger = frame.encode(3, 1, bytes(size_max - frame.HEAD_BYTES + 1))
    with pytest.raises(FrameTooLarge):
        frame.decode(larger, size_max)
    with pytest.raises(FrameTooLarge):  # from the head alone: the body is never waited for
        list(Decoder(size_max).feed(larger[: frame.HEAD_BYTES]))


def test_a_long_extension_is_refused() -> None:
    head = frame.HEAD.pack(frame.HEAD_BYTES + frame.EXTENSION_BYTES_MAX + 1, 200, 6, 1, 0)
    with pytest.raises(FrameError):
        list(Decoder(SIZE_MAX).feed(head))
