"""How the load generator's bytes are cut: WebSocket, plain TCP, long polls.

A WebSocket binary message holds one Mars frame. Clients must mask (RFC 6455, section 5.3); the
mask here is zero, so masking is free.
"""

import base64
import os
import struct

from bench.client import Client, State
from proto import im_pb2
from proto.frame import HEAD, HEAD_BYTES

LENGTH = struct.Struct(">H")
TAKEN_S = 0.1  # by then a server has read a request
FOR_EVER = 1 << 62  # a cursor nothing is newer than


class TcpClient(Client):
    """Mars frames, one after the other."""

    __slots__ = ()

    def read(self, data: bytes) -> None:
        start, size = 0, len(data)
        while size - start >= HEAD_BYTES:
            head = HEAD.unpack_from(data, start)
            end = start + head[0] + head[4]
            if end > size:
                break
            self.read_frame(data, start, end)
            start = end
        if start < size:
            self._inbound = data[start:]


class WebSocketClient(Client):
    """One Mars frame in each binary message."""

    __slots__ = ()

    @staticmethod
    def head(size_bytes: int) -> bytes:
        """Of one masked binary message of at most 65,535 bytes."""
        if size_bytes < 126:
            return bytes((0x82, 0x80 | size_bytes)) + bytes(4)
        return b"\x82\xfe" + LENGTH.pack(size_bytes) + bytes(4)

    def opening(self) -> bytes:
        host, port = self._clients.address
        return (
            f"GET /ws HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\n\r\n"
        ).encode()

    def read(self, data: bytes) -> None:
        if self.state is State.UPGRADING:
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self._inbound = data
                return
            status = data.split(b"\r\n", 1)[0]
            if b" 101 " not in status + b" ":
                self.close(f"upgrade refused: {status.decode(errors='replace')}")
                return
            self.log_in()
            data = data[end + 4 :]
        self._read_messages(data)

    def _read_messages(self, data: bytes) -> None:
        """Handle every complete message in `data`; keep the rest for the next read."""
        start, size = 0, len(data)
        while size - start >= 2:
            first, length = data[start], data[start + 1]
            body = start + 2
            if length == 126:
                if size - start < 4:
                    break
                length = LENGTH.unpack_from(data, body)[0]
                body += 2
            elif length >= 127:  # or masked, which a server never does
                if size - start < 10:
                    break
                length = int.from_bytes(data[body : body + 8], "big")
                body += 8
            end = body + length
            if end > size:
                break
            if first == 0x82:
                self.read_frame(data, body, end)
            elif first == 0x89:  # ping
                self.send(b"\x8a" + bytes((0x80 | length,)) + bytes(4) + data[body:end])
            elif first != 0x8A:
                code = LENGTH.unpack_from(data, body)[0] if length >= 2 else 1005
                self.close(f"opcode {first:#x}, close code {code}")
                return
            start = end
        if start < size:
            self._inbound = data[start:]


class CometClient(Client):
    """A long poll that nothing answers; it counts as open some time after it was sent.

    Only so many are on their way at once, as with the other transports.
    """

    __slots__ = ()

    def opening(self) -> bytes:
        host, port = self._clients.address
        body = im_pb2.CometRequest(
            since=FOR_EVER, platform="web", device=f"bench-{self.index}"
        ).SerializeToString()
        return (
            f"POST /comet HTTP/1.1\r\nHost: {host}:{port}\r\n"
            f"Authorization: Bearer {self.token}\r\nContent-Type: application/octet-stream\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        ).encode() + body

    def send(self, data: bytes) -> None:
        super().send(data)
        self._clients.later(TAKEN_S, self.opened)

    def read(self, data: bytes) -> None:
        answer = im_pb2.CometResponse.FromString(data.partition(b"\r\n\r\n")[2])
        if answer.error.retry_after_ms:
            self._clients.put_off(self, answer.error.retry_after_ms / 1000)
            self.state = State.CLOSED
            self.sock.close()
        else:
            self.close(f"answered: {data[:80]!r}")


TRANSPORTS: dict[str, type[Client]] = {
    "websocket": WebSocketClient,
    "tcp": TcpClient,
    "comet": CometClient,
}
