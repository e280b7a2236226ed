"""PROXY protocol, version 2: headers as the specification's section 2.2 lays them out."""

import struct
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.proxyheader import BODY_BYTES_MAX, BadHeader, read_client

SIGNATURE = bytes.fromhex("0d0a0d0a000d0a515549540a")
LOCAL, PROXY = 0x20, 0x21
UNSPEC, TCP4, UDP4, TCP6, UNIX = 0x00, 0x11, 0x12, 0x21, 0x31
PORTS = struct.pack(">2H", 40000, 8002)
V4 = ip_address("203.0.113.7").packed + ip_address("192.0.2.1").packed + PORTS
V6 = ip_address("2001:db8::7").packed + ip_address("2001:db8::1").packed + PORTS
PATHS = b"/client".ljust(108, b"\0") + b"/server".ljust(108, b"\0")
UNIQUE_ID = b"\x05\x00\x03abc"
"""A TLV: type, length, value."""


def header(command: int, family: int, body: bytes, *, size: int | None = None) -> bytes:
    """A header; `size` lies about the body's."""
    size = len(body) if size is None else size
    return SIGNATURE + struct.pack(">2BH", command, family, size) + body


class Stream:
    """Bytes that arrive; asking for more than there are is the connection's end."""

    def __init__(self, data: bytes) -> None:
        self.left = data

    def read(self, count: int) -> bytes:
        if count > len(self.left):
            raise BadHeader("the connection ended inside it")
        taken, self.left = self.left[:count], self.left[count:]
        return taken


@pytest.mark.parametrize(
    ("data", "client"),
    [
        (header(PROXY, TCP4, V4), "203.0.113.7"),
        (header(PROXY, TCP6, V6), "2001:db8::7"),
        (header(PROXY, TCP4, V4 + UNIQUE_ID), "203.0.113.7"),
        (header(PROXY, TCP6, V6 + UNIQUE_ID * 100), "2001:db8::7"),
        # Section 2.2: what LOCAL carries must be discarded, what is unspecified ignored
        (header(LOCAL, UNSPEC, b""), None),
        (header(LOCAL, TCP4, V4), None),
        (header(PROXY, UNSPEC, b""), None),
        (header(PROXY, UNSPEC, b"whatever"), None),
        (header(PROXY, UNIX, PATHS), None),
    ],
    ids=lambda value: value.hex()[24:40] if isinstance(value, bytes) else str(value),
)
def test_the_client_of_a_header(data: bytes, client: str | None) -> None:
    stream = Stream(data + b"what the client says")
    assert read_client(stream.read) == client
    assert stream.left == b"what the client says", "the header alone was taken"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        header(PROXY, TCP4, V4)[:15],
        header(PROXY, TCP4, V4)[:-1],
        b"PROXY TCP4 203.0.113.7 192.0.2.1 40000 8002\r\n",
        b"GET / HTTP/1.1\r\nHost: im\r\n\r\n",
        bytes.fromhex("00000014 000000c8 00000006 ffffffff 00000000"),
        b"X" + header(PROXY, TCP4, V4)[1:],
        header(0x11, TCP4, V4),
        header(0x31, TCP4, V4),
        header(0x2F, TCP4, V4),
        header(PROXY, TCP4, V4[:-1]),
        header(PROXY, TCP4, b""),
        header(PROXY, TCP6, V4),
        header(PROXY, TCP4, V4, size=BODY_BYTES_MAX + 1) + bytes(BODY_BYTES_MAX),
        header(PROXY, TCP4, V4, size=0xFFFF) + bytes(0xFFFF),
    ],
    ids=lambda data: data.hex()[:44],
)
def test_what_is_no_header_is_refused(data: bytes) -> None:
    with pytest.raises(BadHeader):
        read_client(Stream(data).read)


def test_a_long_header_is_refused_before_it_is_waited_for() -> None:
    stream = Stream(header(PROXY, TCP4, b"", size=BODY_BYTES_MAX + 1))
    with pytest.raises(BadHeader, match=str(BODY_BYTES_MAX + 1)):
        read_client(stream.read)


@given(st.integers(0, 255), st.integers(0, 255), st.binary(max_size=300), st.binary(max_size=9))
def test_anything_behind_the_signature_is_an_address_or_refused(
    command: int, family: int, body: bytes, more: bytes
) -> None:
    stream = Stream(header(command, family, body) + more)
    try:
        client = read_client(stream.read)
    except BadHeader:
        return
    assert stream.left == more
    if client is not None:
        ip_address(client)


@given(st.binary(max_size=64))
def test_noise_is_refused(noise: bytes) -> None:
    with pytest.raises(BadHeader):
        read_client(Stream(noise).read)
