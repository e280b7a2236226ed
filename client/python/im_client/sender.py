"""Sends what waits in the outbox: in order within a conversation, conversations side by side."""

import asyncio
import logging
import sqlite3

from im_client.backoff import Backoff
from im_client.errors import NotConnected, ServerError
from im_client.links import Call, Link
from im_client.local import Local
from im_client.model import Conversation
from im_client.store.outbox import Waiting

log = logging.getLogger("im_client")

CONVERSATIONS_MAX = 8
ANSWER_S = 10.0
SESSION_ERRORS = frozenset({"UNAUTHENTICATED", "TOKEN_REVOKED", "KICKED"})
"""Refusals of the connection, not of the message."""


class Sender:
    """Made anew for each link."""

    def __init__(self, link: Link, call: Call, local: Local, backoff: tuple[float, float]) -> None:
        self._link = link
        self._call = call
        self._local = local
        self._backoff = backoff
        self._sending: dict[Conversation, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Send until the link is over or this is cancelled."""
        try:
            while not self._link.over.is_set():
                changed = self._local.changed.next()
                heads = self._local.store.outbox.heads
                # At most half of them are being sent: the others are the next.
                for waiting in await self._local.read(heads, 2 * CONVERSATIONS_MAX):
                    if len(self._sending) >= CONVERSATIONS_MAX:
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
            self._local.changed.fire()  # there is room for the next

    async def _insist(self, waiting: Waiting) -> None:
        """Send until it is acknowledged, refused for good, or the link is over."""
        outbox = self._local.store.outbox
        if self._link.over.is_set() or not await self._local.read(outbox.begin, waiting.number):
            return
        backoff = Backoff(*self._backoff)
        while not self._link.over.is_set():
            try:
                answer = await self._call(waiting.request, ANSWER_S)
            except NotConnected:
                await asyncio.sleep(backoff.next_s())
                continue
            if not answer.error.code:
                await self._local.write(outbox.acked, waiting.number, answer.id, answer.send_time)
                return
            error = ServerError(answer.error)
            if error.name in SESSION_ERRORS:
                self._link.abort()
            elif error.retryable:
                await asyncio.sleep(backoff.next_s(error.retry_after_s))
            else:
                await self._local.write(
                    outbox.failed, waiting.number, error.name, answer.error.message
                )
                return
