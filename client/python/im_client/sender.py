"""Sends what waits in the outbox: in order within a conversation, conversations side by side.

Few are sent at once. One that was refused for now, or got no answer, makes room for the others
until it is through: the server may lack only what this conversation needs. Its next attempts have
a little room of their own, so they never take that of the others.
"""

import asyncio
import logging
import sqlite3
from contextlib import nullcontext

from im_client.backoff import Backoff
from im_client.errors import NotConnected, ServerError
from im_client.links import Call, Link
from im_client.local import Local
from im_client.model import Conversation
from im_client.store.outbox import Waiting

log = logging.getLogger("im_client")

AT_ONCE = 8
RETRIES_AT_ONCE = 4
RESTING_MAX = 200
"""More that were put off make no room: they are looked through each time."""

ANSWER_S = 10.0
SESSION_ERRORS = frozenset({"UNAUTHENTICATED", "TOKEN_REVOKED", "KICKED"})
"""Refusals of the connection, not of the message."""
USER_ERRORS = frozenset({"RATE_LIMITED"})
"""Refusals of all this user sends: other conversations fare no better."""


class Sender:
    """Made anew for each link."""

    def __init__(self, link: Link, call: Call, local: Local, backoff: tuple[float, float]) -> None:
        self._link = link
        self._call = call
        self._local = local
        self._backoff = backoff
        self._sending: dict[Conversation, asyncio.Task[None]] = {}
        self._resting: set[Conversation] = set()
        """Those of them that were put off, and wait for another attempt or make one."""
        self._retries = asyncio.Semaphore(RETRIES_AT_ONCE)

    async def run(self) -> None:
        """Send until the link is over or this is cancelled."""
        try:
            while not self._link.over.is_set():
                changed = self._local.changed.next()
                heads = self._local.store.outbox.heads
                # Behind those that are being sent come the next.
                for waiting in await self._local.read(heads, len(self._sending) + AT_ONCE):
                    if len(self._sending) - len(self._resting) >= AT_ONCE:
                        break
                    if waiting.conversation not in self._sending:
                        task = asyncio.create_task(self._send(waiting))
                        self._sending[waiting.conversation] = task
                await changed.wait()
        finally:
            for task in self._sending.values():
                task.cancel()
            await asyncio.gather(*self._sending.values(), return_exceptions=True)

    async def _send(self, waiting: Waiting) -> None:
        try:
            await self._insist(waiting)
        except sqlite3.Error:
            log.exception("the outbox cannot be written")
            self._link.abort()  # and try again, later and later
        finally:
            del self._sending[waiting.conversation]
            self._resting.discard(waiting.conversation)
            self._local.changed.fire()  # there is room for the next

    async def _insist(self, waiting: Waiting) -> None:
        """Send until it is acknowledged, refused for good, or the link is over."""
        outbox = self._local.store.outbox
        if self._link.over.is_set() or not await self._local.read(outbox.begin, waiting.number):
            return
        backoff = Backoff(*self._backoff)
        while not self._link.over.is_set():
            try:
                resting = waiting.conversation in self._resting
                async with self._retries if resting else nullcontext():
                    answer = await self._call(waiting.request, ANSWER_S)
            except NotConnected:
                await self._rest(waiting.conversation, backoff.next_s())
                continue
            if not answer.error.code:
                await self._local.write(outbox.acked, waiting.number, answer.id, answer.send_time)
                return
            error = ServerError(answer.error)
            if error.name in SESSION_ERRORS:
                self._link.abort()
            elif error.name in USER_ERRORS:
                await asyncio.sleep(backoff.next_s(error.retry_after_s))
            elif error.retryable:
                await self._rest(waiting.conversation, backoff.next_s(error.retry_after_s))
            else:
                await self._local.write(
                    outbox.failed, waiting.number, error.name, answer.error.message
                )
                return

    async def _rest(self, conversation: Conversation, wait_s: float) -> None:
        """Wait for the next attempt, and let another conversation be sent meanwhile."""
        if conversation not in self._resting and len(self._resting) < RESTING_MAX:
            self._resting.add(conversation)
            self._local.changed.fire()
        await asyncio.sleep(wait_s)
