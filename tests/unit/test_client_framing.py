"""The client's frames are Mars' and the server's, however a stream is cut."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from im_client import framing
from im_client.framing import Decoder, Frame, FrameError
from proto import frame as server

GOLDEN = bytes.fromhex(  # made by Mars' own packer
    "00000014000000c8000000030000000100 00001f0a0a746573745f746f6b656e"
    "1205616c6963651a03616c6c220268692a0130".replace(" ", "")
)
FRAMES = st.builds(
    Frame, st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.binary(max_size=300)
)


def test_encodes_as_mars_does() -> None:
    assert framing.encode(3, 1, GOLDEN[20:]) == GOLDEN
    assert framing.decode(GOLDEN) == Frame(3, 1, GOLDEN[20:])


@given(FRAMES)
def test_client_and_server_read_each_other(frame: Frame) -> None:
    data = framing.encode(frame.cmd, frame.seq, frame.body)
    read = server.decode(data, 1 << 20)
    assert (read.cmd, read.seq, read.body) == (frame.cmd, frame.seq, frame.body)
    assert framing.decode(server.encode(frame.cmd, frame.seq, frame.body)) == frame


@given(st.lists(FRAMES, max_size=5), st.lists(st.integers(0, 1600), max_size=12))
def test_any_cut_of_a_stream_gives_the_same_frames(frames: list[Frame], cuts: list[int]) -> None:
    data = b"".join(framing.encode(frame.cmd, frame.seq, frame.body) for frame in frames)
    bounds = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    decoder = Decoder()
    found = [frame for start, end in pairwise(bounds) for frame in decoder.feed(data[start:end])]
    assert found == frames


@given(FRAMES, st.integers(1, 1024))
def test_an_extension_of_the_head_is_passed_over(frame: Frame, extension: int) -> None:
    head = framing.HEAD.pack(20 + extension, 200, frame.cmd, frame.seq, len(frame.body))
    assert framing.decode(head + bytes(extension) + frame.body) == frame


@pytest.mark.parametrize("head", [0, 19, 20 + 1025])
def test_nonsense_ends_a_stream_behind_the_frames_before_it(head: int) -> None:
    good, bad = framing.encode(3, 1, b"x"), framing.HEAD.pack(head, 200, 3, 1, 0)
    frames = Decoder().feed(good + bad)
    assert next(frames) == Frame(3, 1, b"x")
    with pytest.raises(FrameError):
        next(frames)


def test_a_frame_too_large_is_refused_from_its_head() -> None:
    with pytest.raises(FrameError):
        list(Decoder().feed(framing.HEAD.pack(20, 200, 3, 1, 1 << 20)))


@given(st.binary(max_size=60))
def test_a_message_is_one_frame_or_an_error(data: bytes) -> None:
    try:
        frame = framing.decode(data)
    except FrameError:
        return
    assert data.endswith(frame.body)
