"""A WebSocket by hand, to send what no client library would."""

import base64
import os
import socket
from typing import NamedTuple, Self
from urllib.parse import urlsplit

from dev.clients.wait import DEADLINE_S
from proto import frame, im_pb2

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


class WireFrame(NamedTuple):
    opcode: int
    payload: bytes
    fin: bool

    @property
    def close_code(self) -> int:
        """Code of a close frame; 1005 when it carries none."""
        assert self.opcode == CLOSE, self
        return int.from_bytes(self.payload[:2], "big") if self.payload else 1005


def wire_frame(
    opcode: int,
    payload: bytes,
    *,
    fin: bool = True,
    reserved: int = 0,
    masked: bool = True,
    length: int | None = None,
) -> bytes:
    """A frame; `length` lies about the payload's."""
    size = len(payload) if length is None else length
    head = bytearray(((0x80 if fin else 0) | reserved << 4 | opcode,))
    mask_bit = 0x80 if masked else 0
    if size < 126:
        head.append(mask_bit | size)
    elif size < 1 << 16:
        head.append(mask_bit | 126)
        head += size.to_bytes(2, "big")
    else:
        head.append(mask_bit | 127)
        head += size.to_bytes(8, "big")
    if not masked:
        return bytes(head) + payload
    mask = b"\x12\x34\x56\x78"
    repeated = mask * (len(payload) // 4 + 1)
    return bytes(head) + mask + bytes(a ^ b for a, b in zip(payload, repeated, strict=False))


def handshake(url: str, *, drop: str = "", **changes: str) -> bytes:
    """An upgrade request; `changes` by header name with _ for -, `drop` leaves one out."""
    headers = {
        "Host": urlsplit(url).netloc,
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
    }
    headers |= {name.replace("_", "-"): value for name, value in changes.items()}
    lines = [f"{name}: {value}" for name, value in headers.items() if name != drop]
    return "\r\n".join(["GET /ws HTTP/1.1", *lines, "", ""]).encode()


class RawSocket:
    """A TCP connection to a web process."""

    def __init__(self, url: str, *, receive_buffer: int = 0) -> None:
        parts = urlsplit(url)
        self.url = url
        self.sock = socket.socket()
        if receive_buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.settimeout(DEADLINE_S)
        self.sock.connect((parts.hostname or "", parts.port or 80))
        self._data = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def request(self, data: bytes) -> tuple[int, dict[str, str], bytes]:
        """Send a request; status, headers (lower case) and body of the answer."""
        self.send(data)
        while b"\r\n\r\n" not in self._data:
            self._more()
        head, _, self._data = self._data.partition(b"\r\n\r\n")
        status, *lines = head.decode().split("\r\n")
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        length = int(headers.get("content-length", 0))
        while len(self._data) < length:
            self._more()
        body, self._data = self._data[:length], self._data[length:]
        return int(status.split()[1]), headers, body

    def upgrade(self, protocol: str = "") -> None:
        """Make a WebSocket of it."""
        extra = {"Sec_WebSocket_Protocol": protocol} if protocol else {}
        status, headers, _ = self.request(handshake(self.url, **extra))
        assert status == 101
        assert headers.get("sec-websocket-protocol", "") == protocol

    def auth(self, token: str) -> None:
        """Authenticate in frames."""
        body = im_pb2.AuthRequest(token=token).SerializeToString()
        self.send(wire_frame(BINARY, frame.encode(im_pb2.CMD_AUTH, 1, body)))
        assert not im_pb2.AuthResponse.FromString(self.answer(1).body).error.code

    def read(self) -> WireFrame:
        """The next frame of the server, which must be whole, unmasked and without extensions."""
        head = self._take(2)
        assert not head[0] & 0x70
        assert not head[1] & 0x80
        size = head[1] & 0x7F
        if size == 126:
            size = int.from_bytes(self._take(2), "big")
        elif size == 127:
            size = int.from_bytes(self._take(8), "big")
        return WireFrame(head[0] & 0x0F, self._take(size), bool(head[0] & 0x80))

    def mars(self) -> frame.Frame:
        """The next message, as the Mars frame it must be."""
        received = self.read()
        assert (received.opcode, received.fin) == (BINARY, True), received
        return frame.decode(received.payload, 1 << 20)

    def answer(self, seq: int) -> frame.Frame:
        """The frame with this seq, behind whatever pushes come before it."""
        while (received := self.mars()).seq != seq:
            assert received.seq == frame.PUSH_SEQ
        return received

    def read_close(self) -> int:
        """The code of the server's close, behind whatever it says before; then the end."""
        while (received := self.read()).opcode != CLOSE:
            pass
        self.send(wire_frame(CLOSE, received.payload[:2]))
        assert self._at_end()
        return received.close_code

    def _at_end(self) -> bool:
        try:
            return not self._data and self.sock.recv(1) == b""
        except ConnectionResetError:
            return True

    def _take(self, count: int) -> bytes:
        while len(self._data) < count:
            self._more()
        taken, self._data = self._data[:count], self._data[count:]
        return taken

    def _more(self) -> None:
        data = self.sock.recv(65536)
        if not data:
            raise EOFError("the server hung up")
        self._data += data
