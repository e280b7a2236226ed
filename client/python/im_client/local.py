"""The store behind asyncio: one thread that does all of its work, and news of its changes."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ParamSpec, TypeVar

from im_client.errors import Closed
from im_client.store import Store

P = ParamSpec("P")
R = TypeVar("R")


class Signal:
    """Wakes everybody who waits, each time it is fired."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def fire(self) -> None:
        event, self._event = self._event, asyncio.Event()
        event.set()

    def next(self) -> "asyncio.Event":
        """Set by the next `fire`: take it before looking, then wait for it."""
        return self._event


class Local:
    """Runs the store's methods in its thread; `changed` is fired behind those that write."""

    def __init__(self, path: Path | str, user: str) -> None:
        self._thread = ThreadPoolExecutor(1, "im-store")
        try:
            self.store = self._thread.submit(Store, path, user).result()
        except BaseException:
            self._thread.shutdown()
            raise
        self.changed = Signal()
        self.closed = False

    async def read(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """What a method of the store answers."""
        self._check()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, lambda: call(*args, **kwargs))

    async def write(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """The same for one that changes something; it is finished even when the caller is not.

        The rest of the program hears of it either way.
        """
        self._check()
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self._thread, lambda: call(*args, **kwargs))
        future.add_done_callback(lambda _: self.changed.fire())
        return await asyncio.shield(future)

    def _check(self) -> None:
        if self.closed:
            raise Closed

    def close(self) -> None:
        """Close the store behind what is under way; closing again does nothing."""
        if self.closed:
            return
        self.closed = True
        self._thread.submit(self.store.close).result()
        self._thread.shutdown()
