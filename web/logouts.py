"""Tokens that users took back themselves, by logging a device out: read from MySQL, kept here."""

import threading
import time
from collections.abc import Callable

import structlog

from models.devices import Devices, token_digest
from models.errors import IMError
from models.usercentre.tokens import Identity

log = structlog.get_logger()

POLL_S = 2.0
OVERLAP_S = 60
"""Each poll reads this far back: a row may be committed some time after it was written."""

WHOLE_S = 600.0
"""The whole list is read this often, should a poll have failed for longer than the overlap."""


class Logouts:
    """What this process knows; a token taken back is refused within a poll or two."""

    def __init__(self, devices: Devices) -> None:
        self._devices = devices
        self._taken: dict[str, int] = {}
        self._whole_at = 0.0

    def is_revoked(self, identity: Identity) -> bool:
        """Whether the token was taken back."""
        return bool(self._taken) and token_digest(identity) in self._taken

    def run(self, on_change: Callable[[], None], stop: threading.Event) -> None:
        """Poll until `stop`; `on_change` is called when there is something new."""
        while not stop.is_set():
            try:
                if self.poll():
                    on_change()
            except IMError as error:
                log.warning("logouts not read", error=error.message)
            except Exception as error:
                log.error("logouts failed", exc_info=error)
            stop.wait(POLL_S)

    def poll(self) -> bool:
        """Read what is new; whether there was anything."""
        now = time.monotonic()
        whole = not self._whole_at or now - self._whole_at > WHOLE_S
        rows = dict(self._devices.taken_back(None if whole else OVERLAP_S))
        fresh = any(digest not in self._taken for digest in rows)
        if whole:
            self._taken = rows
            self._whole_at = now
        else:
            self._taken.update(rows)
        return fresh
