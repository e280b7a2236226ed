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
    `better_after_s`: on a transport that is not the preferred one, that is tried again after so
    long, then less and less often. `poll_s`: how long a long poll waits at most.
    `tidy_within_s`: at a random moment within so long after connecting it is asked what was deleted
    on other devices meanwhile, as all clients of a server that restarted ask.
    `follow_addresses`: try what servers list behind the endpoints given.
    """

    platform: str = "desktop"
    device: str = ""
    ca: Path | str | None = None
    backoff_least_s: float = 0.5
    backoff_most_s: float = 60.0
    connect_timeout_s: float = 10.0
    call_timeout_s: float = 15.0
    pong_timeout_s: float = 8.0
    better_after_s: float = 60.0
    poll_s: int = 25
    tidy_within_s: float = 30.0
    follow_addresses: bool = True
    uploader: Uploader | None = None
    clock: Callable[[], float] = field(default=time.time)

    def ssl_context(self) -> ssl.SSLContext:
        """What servers' certificates are checked with."""
        return ssl.create_default_context(cafile=None if self.ca is None else str(self.ca))
