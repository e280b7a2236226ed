"""Tells callbacks what happened: one event after the other, stored ones before they are forgotten.

See `im_client.events` for what is guaranteed.
"""

import inspect
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from im_client.events import ContactsEvent, Event, Stored
from im_client.local import Local, Signal

log = logging.getLogger("im_client")

E = TypeVar("E", bound=Event)
Callback = Callable[[E], Awaitable[object] | object]


class Dispatcher:
    """The callbacks, and the task that calls them."""

    def __init__(self, local: Local) -> None:
        self._local = local
        self._callbacks: list[tuple[type[Event], Callback[Any]]] = []
        self._moments: deque[Event] = deque()
        self._told = Signal()

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

    async def run(self) -> None:
        """Tell events until cancelled."""
        store = self._local.store
        while True:
            changed = self._local.changed.next()
            while self._moments:
                await self._call(self._moments.popleft())
            events = await self._local.read(store.next_events)
            for event in events:
                await self._call(event)
                await self._local.read(store.told, event.number)
            if not events and not self._moments:
                await changed.wait()

    async def _call(self, event: Event) -> None:
        for kind, callback in list(self._callbacks):
            if isinstance(event, kind):
                try:
                    answer = callback(event)
                    if inspect.isawaitable(answer):
                        await answer
                except Exception:
                    number = event.number if isinstance(event, Stored) else 0
                    log.exception("a callback for %s %d failed", type(event).__name__, number)
