"""Tells callbacks what happened: one event after the other, stored ones before they are forgotten.

See `im_client.events` for what is guaranteed.
"""

import asyncio
import inspect
import logging
import sqlite3
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, ParamSpec, TypeVar

from im_client.events import ContactsEvent, Event, Stored
from im_client.local import Local

log = logging.getLogger("im_client")

RETRY_S = 1.0

E = TypeVar("E", bound=Event)
P = ParamSpec("P")
R = TypeVar("R")
Callback = Callable[[E], Awaitable[object] | object]


class Dispatcher:
    """The callbacks, and the task that calls them."""

    def __init__(self, local: Local) -> None:
        self._local = local
        self._callbacks: list[tuple[type[Event], Callback[Any]]] = []
        self._moments: deque[Event] = deque()
        self._task: asyncio.Task[None] | None = None
        self._telling: Stored | None = None
        self._stop = asyncio.Event()

    def on(self, kind: type[E], callback: Callback[E]) -> Callable[[], None]:
        """Call it for each event of this kind; the answer takes it back."""
        entry = (kind, callback)
        self._callbacks.append(entry)
        return lambda: self._callbacks.remove(entry) if entry in self._callbacks else None

    def tell(self, event: Event) -> None:
        """Tell an event that is kept nowhere."""
        if isinstance(event, ContactsEvent) and event in self._moments:
            return
        self._moments.append(event)
        self._local.changed.fire()

    def start(self) -> None:
        """Begin to tell."""
        self._task = asyncio.create_task(self._run())

    async def stop(self, *, wait: bool = True) -> None:
        """Tell no more, once the callback that runs has returned.

        Without `wait`, or inside a callback, the one that runs counts as told.
        """
        self._stop.set()
        self._local.changed.fire()
        if self._task is None:
            return
        if wait and self._task is not asyncio.current_task():
            await self._task
        elif self._telling is not None:
            await self._local.read(self._local.store.told, self._telling.number)

    async def _run(self) -> None:
        while not self._stop.is_set():
            changed = self._local.changed.next()
            while self._moments and not self._stop.is_set():
                await self._call(self._moments.popleft())
            events = await self._insist(self._local.store.next_events) or []
            for event in events:
                if self._stop.is_set():
                    return
                self._telling = event
                await self._call(event)
                if not self._local.closed:  # by this very callback
                    await self._insist(self._local.store.told, event.number)
                self._telling = None
            if not events and not self._moments:
                await changed.wait()

    async def _insist(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R | None:
        """What the store answers, once it can; a full disk must not tell an event twice."""
        while True:
            try:
                return await self._local.read(call, *args, **kwargs)
            except sqlite3.Error:
                log.exception("the store does not work")
            if self._stop.is_set():
                return None
            await asyncio.sleep(RETRY_S)

    async def _call(self, event: Event) -> None:
        for kind, callback in list(self._callbacks):
            if isinstance(event, kind):
                try:
                    answer = callback(event)
                    if inspect.isawaitable(answer):
                        await answer
                except asyncio.CancelledError:  # of something the callback waited for, or ours
                    task = asyncio.current_task()
                    if task is not None and task.cancelling():
                        raise
                    log.warning("a callback for %s was cancelled", type(event).__name__)
                except Exception:
                    number = event.number if isinstance(event, Stored) else 0
                    log.exception("a callback for %s %d failed", type(event).__name__, number)
