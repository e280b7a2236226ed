"""Users without a connection of their own: every call is a POST, on a connection of its own.

So Mars' short link does it (WIRE: `Connection: close`). A Comet user has a poll open all the time
that is answered when something comes; a short-link user asks for news once a second.
"""

import random
from collections.abc import Callable
from typing import Any

from bench.connection import Client, State
from proto import im_pb2

POLL_S = 1.0
COMET_WAIT_S = 60
SYNC_LIMIT = 200


class Call(Client):
    """One request and its answer, whose body goes to `done`."""

    __slots__ = ("_done", "_request")

    def __init__(self, user: "HttpUser", request: bytes, done: Callable[[bytes], None]) -> None:
        self._request = request
        self._done = done
        super().__init__(user._clients, user.index, user.token)

    def opening(self) -> bytes:
        return self._request

    def read(self, data: bytes) -> None:
        head_end = data.find(b"\r\n\r\n")
        body = complete(data, head_end)
        if body is None:
            self._inbound = data
            return
        if not data.startswith(b"HTTP/1.1 200 "):
            self.close(f"answered: {data[:80]!r}")
            return
        self._clients.release(self)
        self.state = State.CLOSED
        self.sock.close()
        self._done(body)


def complete(data: bytes, head_end: int) -> bytes | None:
    """The body of an answer whose head ends there, which must have a Content-Length."""
    if head_end < 0:
        return None
    at = data[:head_end].lower().find(b"\r\ncontent-length:")
    if at < 0:
        return b""
    size = int(data[at + 17 : head_end].split(b"\r\n", 1)[0])
    body = data[head_end + 4 :]
    return body if len(body) >= size else None


class HttpUser(Client):
    """A user who sends by POST; how news come is up to subclasses."""

    __slots__ = ()

    def connect(self) -> None:
        """Ask where the mailbox ends: from there on everything is news."""
        self.state = State.CONNECTING
        self.ask("/im/versions", b"", self._began)

    def post(self, path: str, size_bytes: int) -> bytes:
        """The head of a request."""
        host, port = self._clients.address
        return (
            f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n"
            f"Authorization: Bearer {self.token}\r\nContent-Type: application/octet-stream\r\n"
            f"Content-Length: {size_bytes}\r\n\r\n"
        ).encode()

    def ask(self, path: str, body: bytes, done: Callable[[bytes], None]) -> None:
        """Make one call."""
        Call(self, self.post(path, len(body)) + body, done)

    def say(self, seq: int, request: bytes) -> None:
        """Send the message that `request` holds; its answer is that of `seq`."""
        handler = self._clients.handler
        Call(self, request, lambda body: handler.answered(seq, body, 0, len(body)))

    def _began(self, body: bytes) -> None:
        answer = im_pb2.VersionsResponse.FromString(body)
        if self.refused(answer.error):
            return
        self.version = answer.version
        self.opened()
        self.look()

    def look(self) -> None:
        """Ask for news."""
        raise NotImplementedError

    def refused(self, error: "im_pb2.Error") -> bool:
        """Whether there is an error, which ends the run."""
        if error.code:
            self._clients.failures.append(f"user {self.index}: {error.name} {error.message}")
        return bool(error.code)

    def hear(self, messages: Any, cursor: int) -> None:
        """Give messages to the handler."""
        handler: Any = self._clients.handler
        handler.heard(self, messages)
        self.version = cursor


class CometUser(HttpUser):
    """Has a poll open all the time."""

    __slots__ = ()

    def look(self) -> None:
        request = im_pb2.CometRequest(
            since=self.version, wait_s=COMET_WAIT_S, platform="web", device=f"bench-{self.index}"
        )
        self.ask("/comet", request.SerializeToString(), self._answered)

    def _answered(self, body: bytes) -> None:
        answer = im_pb2.CometResponse.FromString(body)
        if not self.refused(answer.error):
            self.hear(answer.messages, answer.since)
            self.look()


class ShortLinkUser(HttpUser):
    """Asks once a second, each user at a moment of its own."""

    __slots__ = ()

    def look(self) -> None:
        self._clients.later(random.uniform(0, POLL_S), self._sync)

    def _sync(self) -> None:
        request = im_pb2.SyncRequest(cursor=self.version, limit=SYNC_LIMIT)
        self.ask("/im/sync", request.SerializeToString(), self._synced)

    def _synced(self, body: bytes) -> None:
        answer = im_pb2.SyncResponse.FromString(body)
        if self.refused(answer.error):
            return
        self.hear(answer.messages, answer.cursor)
        if answer.more:
            self._sync()
        else:
            self._clients.later(POLL_S, self._sync)
