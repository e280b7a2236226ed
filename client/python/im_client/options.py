"""How a client behaves; the defaults suit a program on a desktop or a server."""

import ssl
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from im_client.media import Uploader

Token = str | Callable[[], str | Awaitable[str]]
"""A token, or a callable that gives one: it is asked again when the last was refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """`ca` is a PEM file to trust instead of the system's; `clock` tells seconds since the epoch.

    `platform` decides how many devices of a kind may be connected and how often they ping.
    """

    platform: str = "desktop"
    device: str = ""
    ca: Path | str | None = None
    backoff_least_s: float = 0.5
    backoff_most_s: float = 60.0
    connect_timeout_s: float = 10.0
    call_timeout_s: float = 15.0
    pong_timeout_s: float = 8.0
    uploader: Uploader | None = None
    clock: Callable[[], float] = field(default=time.time)

    def ssl_context(self) -> ssl.SSLContext:
        """What servers' certificates are checked with."""
        return ssl.create_default_context(cafile=None if self.ca is None else str(self.ca))
