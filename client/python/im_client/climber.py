"""Gets back to a better transport while a worse one works.

After a failed attempt a client may live on long polls although TCP is there again. So the better
endpoints are tried now and then, less and less often, and more often again once a connection by the
best one has lasted. The new link is made before the old one is left, in this order:

1. connect there and get an answer to a question that needs no token: it works;
2. wait until nothing is under way on the old link, and let it begin nothing new: a poll that came
   to the server behind step 3 would take the device's place back;
3. authenticate. From then on the server counts the new link as this device's, and may end the old
   one as replaced, which is no kick. It may do so even where its answer is a refusal, or is lost;
4. the new link catches up from the store's cursors, so what fell between the two is not missed.
"""

import asyncio
import logging
import math
import time
from collections.abc import Callable
from contextlib import suppress

from im_client._proto import im_pb2
from im_client.addressbook import AddressBook
from im_client.backoff import Backoff
from im_client.dialer import Dialer, Entered
from im_client.endpoints import Endpoint
from im_client.errors import Closed, NotConnected
from im_client.links import Link

log = logging.getLogger("im_client")

WAIT_MOST_S = 1800.0
LASTED_S = 600.0
HOLD_S = 60.0
IDLE_S = 2.0
"""So long a poll, and then calls, may be under way on the old link; then an attempt is given up."""

ANSWER_S = 10.0

REPLACED_S = 30.0
"""So long after step 3 failed, the old link may hear of it."""


class Climber:
    """See the module; one for all connections of a client."""

    def __init__(
        self, dialer: Dialer, book: AddressBook, wait_s: float, changed: Callable[[], None]
    ) -> None:
        """`changed` is called when `entering` is over without success."""
        self._dialer = dialer
        self._book = book
        self._backoff = Backoff(wait_s, max(wait_s, WAIT_MOST_S))
        self._changed = changed
        self.entering = False
        """Step 3 is under way, or done and the new link not in use yet: the old one may end."""
        self._failed_at = -math.inf

    @property
    def failed_lately(self) -> bool:
        """Step 3 failed not long ago: the server may still end the old link as replaced."""
        return time.monotonic() - self._failed_at < REPLACED_S

    async def climb(self, old: Link, endpoint: Endpoint) -> Entered:
        """A link by a better endpoint than this; returns when there is one."""
        while True:
            if not self._book.better(endpoint):
                await asyncio.sleep(LASTED_S)
                self._backoff.reset()
                continue
            await asyncio.sleep(self._backoff.next_s())
            for better in self._book.better(endpoint):
                found = await self._try(old, better)
                if found is not None:
                    log.info("from %s to %s", endpoint.url, better.url)
                    return found

    async def _try(self, old: Link, better: Endpoint) -> Entered | None:
        try:
            link = await self._dialer.open(better)
        except (OSError, ValueError) as error:
            log.info("%s: %s", better.url, error)
            self._book.failed(better)
            return None
        entered = None
        try:
            await link.call(im_pb2.AddressesRequest(), ANSWER_S)
            self._book.answered(better)
            with suppress(TimeoutError):
                async with asyncio.timeout(HOLD_S):
                    await old.hold()
                if await _becomes_idle(old):
                    entered = await self._enter(link, better)
        except NotConnected as error:
            log.info("%s: %s", better.url, error)
            self._book.failed(better)
        finally:
            if entered is None:
                old.release()
                await link.close()
        return entered

    async def _enter(self, link: Link, better: Endpoint) -> Entered | None:
        self.entering = True
        entered = None
        try:
            with suppress(Closed):  # the old link has its own word about that
                answer = await self._dialer.authenticate(link)
                if not answer.error.code:
                    entered = Entered(better, link, answer)
        finally:
            if entered is None:
                self._failed_at = time.monotonic()
                self.entering = False
                self._changed()
        return entered


async def _becomes_idle(link: Link) -> bool:
    """Whether nothing is under way on the link soon."""
    with suppress(TimeoutError):
        async with asyncio.timeout(IDLE_S):
            while link.busy:
                await asyncio.sleep(0.05)
    return not link.busy
