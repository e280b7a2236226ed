"""One authenticated way to the server, whatever the transport."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

from google.protobuf.message import Message

from im_client._proto import im_pb2
from im_client.events import FrameEvent


@dataclass(frozen=True, slots=True)
class Push:
    """A downlink: its command's number, and its body as the command's message."""

    cmd: int
    body: Any


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who connects, and as which installation."""

    user: str
    token: str
    platform: str
    device: str


class Link(Protocol):
    """Calls, pushes and an end. Once it is over it stays over.

    Answers come in any order; pushes in the order the server sent them, each as often as the
    network brought it.
    """

    @property
    def transport(self) -> str:
        """tcp, tls, ws or comet."""

    @property
    def over(self) -> asyncio.Event:
        """Set when nothing comes of it any more."""

    @property
    def farewell(self) -> "Push | None":
        """What the server said before it ended the link: kicked, or go away."""

    @property
    def busy(self) -> bool:
        """Whether answers are waited for."""

    async def hold(self) -> None:
        """Show the device to the server no more: returns once no poll is under way, nor begins."""

    def release(self) -> None:
        """End the hold."""

    async def authenticate(self, credentials: Credentials) -> im_pb2.AuthResponse:
        """The server's answer, with its error inside; `LinkLost` when none comes."""

    async def call(self, request: Message, timeout_s: float) -> Any:
        """The answer to a request, with its error inside.

        Raises `LinkLost` when the link ends first, `NotConnected` after `timeout_s`.
        """

    def pushes(self, cursor: Callable[[], "Cursors"]) -> AsyncIterator[Push]:
        """What comes, until the link is over; to be iterated once.

        `cursor` tells how far the client is: long polls ask from there.
        """

    def inject(self, push: Push) -> None:
        """Put something between the pushes."""

    async def close(self) -> None:
        """End it in order."""

    def abort(self) -> None:
        """End it at once, as if the network had gone."""


@dataclass(frozen=True, slots=True)
class Cursors:
    """How far a client is in its own log and in its groups."""

    since: int
    groups_version: int


FAREWELLS = (im_pb2.CMD_PUSH_KICKED, im_pb2.CMD_PUSH_GO_AWAY)

Call = Callable[[Message, float], Awaitable[Any]]
"""As `Link.call`."""

Tap = Callable[[FrameEvent], None]
"""Sees everything that crosses a link."""
