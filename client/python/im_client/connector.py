"""Stays connected: dials, waits longer and longer, obeys the server, gets back to what is better.

A refused token, or a kick, ends it for good. A server that goes away says when to come back.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

from im_client.addressbook import AddressBook
from im_client.backoff import Backoff
from im_client.climber import Climber
from im_client.dialer import Advised, Dialer, Entered
from im_client.endpoints import Endpoint
from im_client.errors import Closed, NotConnected
from im_client.events import Event, KickedEvent, StateEvent
from im_client.links import Link, Tap
from im_client.local import Local
from im_client.options import Options, Token
from im_client.session import Ending, Session

log = logging.getLogger("im_client")

STEADY_S = 60.0
"""A connection that lasts so long is a success. A server that dies again and again, as soon as we
are ready, is dialled less and less often."""

LEAVE_S = 10.0
"""So long a link that was replaced may still bring answers."""


class Connector:
    """The connection of one client; `session` is there while there is one."""

    def __init__(
        self,
        user: str,
        token: Token,
        endpoints: Sequence[Endpoint],
        local: Local,
        options: Options,
        tell: Callable[[Event], None],
        tap: Tap | None,
        watched: set[str],
    ) -> None:
        self.session: Session | None = None
        self.ready = False
        self._ready_at = 0.0
        self.closed: Closed | None = None
        self.server_ahead_s = 0.0
        self._local = local
        self._options = options
        self._tell = tell
        self._watched = watched
        self._hurry = asyncio.Event()
        self._book = AddressBook(endpoints, local)
        self._dialer = Dialer(user, token, self._book, options, tap, self._hurry)
        self._climber = Climber(
            self._dialer, self._book, options.better_after_s, local.changed.fire
        )
        self._backoff = Backoff(options.backoff_least_s, options.backoff_most_s)
        self._said = ("", "")
        self._wanted = asyncio.Event()
        self._wanted.set()
        self._leaving: set[asyncio.Task[None]] = set()

    @property
    def calling(self) -> Session | None:
        """The session for new calls: none while another link takes its place."""
        return None if self._climber.entering else self.session

    def resume(self) -> None:
        """The network is there (again): connect now, and give up what is being tried.

        A connection that is there may be one of the network before, so it is pinged at once.
        """
        self._wanted.set()
        self._backoff.reset()
        self._book.forgive()
        if self.session is None or self.session.link.over.is_set():
            self._hurry.set()
        else:
            self.session.check()

    def suspend(self) -> None:
        """The network is not there: try nothing until `resume`."""
        self._wanted.clear()
        self._hurry.set()
        self.drop()

    def drop(self) -> None:
        """Cut the connection as if the network had; it is made again."""
        if self.session is not None:
            self.session.link.abort()

    async def run(self) -> None:
        """Be connected until refused for good; `closed` then says why."""
        try:
            if self._options.follow_addresses:
                await self._book.load()
            while True:
                if not self._wanted.is_set():
                    self._say("offline")
                    await self._wanted.wait()
                self._hurry.clear()
                wait_s = 0.0
                try:
                    wait_s = await self._connect_once()
                except NotConnected as error:
                    log.info("not connected: %s", error)
                await self._pause(self._backoff.next_s(wait_s))
        except Closed as closed:
            self.end(closed)
        except Exception:  # ours: without a connection for good the application must know
            log.exception("the connection cannot be kept")
            self.end(Closed("INTERNAL", "a fault of the client; it is in its log"))
        finally:
            await _end(self._leaving)

    async def _connect_once(self) -> float:
        """Make a connection and serve it to its end; how long to stay away at least, in seconds.

        Raises `NotConnected` when none comes about, `Closed` when we are not wanted any more.
        """
        self._say("connecting")
        try:
            entered = await self._dialer.dial()
        except Advised as error:
            return error.wait_s
        try:
            while True:
                ending = await self._live(entered)
                if isinstance(ending, Ending):
                    break
                self._credit()
                entered = ending
        finally:
            self._credit()
            self.session, self.ready, self._climber.entering = None, False, False
        self._say("offline")
        await self._obey(ending, entered.endpoint)
        return ending.delay_s

    def _credit(self) -> None:
        """Wait shortly again, if the connection that is over has lasted."""
        if self.ready and time.monotonic() - self._ready_at >= STEADY_S:
            self._backoff.reset()

    def end(self, closed: Closed) -> None:
        """No connection any more, for this reason."""
        self.closed = closed
        self._say("closed", closed.name)
        self._local.changed.fire()

    # ------------------------------------------------------------ one connection

    async def _live(self, entered: Entered) -> Ending | Entered:
        """Serve one connection: until it ends, or until there is a better one."""
        endpoint, link, auth = entered
        if auth.server_time:
            self.server_ahead_s = auth.server_time / 1000 - self._options.clock()
        session = Session(
            link,
            auth,
            self._local,
            self._options,
            self._tell,
            self._became_ready,
            self._watched,
        )
        self.session, self.ready, self._climber.entering = session, False, False
        self._say("online", transport=link.transport)
        self._local.changed.fire()
        if not self._wanted.is_set():
            link.abort()
        serving = asyncio.create_task(session.run())
        climbing = asyncio.create_task(self._climber.climb(link, endpoint))
        beside: set[asyncio.Task[None]] = set()
        if self._options.follow_addresses:
            beside.add(asyncio.create_task(self._book.keep_fresh(link, endpoint)))
        try:
            await asyncio.wait({serving, climbing}, return_when=asyncio.FIRST_COMPLETED)
            while self._climber.entering and not climbing.done():
                await asyncio.wait({climbing}, timeout=0.05)
            better = _result(climbing)
            if better is None:
                ending = await serving
                # Likely replaced by our own attempt, which is no reason to stay away.
                ours = ending.refusal == "KICKED" and self._climber.failed_lately
                return Ending() if ours else ending
            session.retire()
            await serving
        except BaseException:
            better = _result(climbing)
            await _end({serving})
            await link.close()  # a session that retires leaves it open
            if better is not None:
                await better.link.close()
            raise
        finally:
            await _end({serving, climbing, *beside})
        self._leave(link)
        return better

    def _leave(self, link: Link) -> None:
        """Let a link that was replaced bring what it still owes, and close it."""

        async def leave() -> None:
            try:
                async with asyncio.timeout(LEAVE_S):
                    while link.busy and not link.over.is_set():
                        await asyncio.sleep(0.05)
            except TimeoutError:
                pass
            finally:
                await link.close()

        task = asyncio.create_task(leave())
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    def _became_ready(self) -> None:
        self.ready = True
        self._ready_at = time.monotonic()
        self._local.changed.fire()

    async def _obey(self, ending: Ending, endpoint: Endpoint) -> None:
        """Stay away where the server said so."""
        if ending.moved is not None and self._options.follow_addresses:
            await self._book.take(ending.moved.addresses, ending.moved.backups, endpoint)
        if not ending.refusal:
            return
        if ending.refusal == "UNAUTHENTICATED" and await self._dialer.renew_token():
            return
        if ending.refusal in ("KICKED", "TOKEN_REVOKED"):
            self._tell(KickedEvent(ending.refusal, ending.text))
        raise Closed(ending.refusal, ending.text)

    # ------------------------------------------------------------ waiting and telling

    async def _pause(self, wait_s: float) -> None:
        """Wait, unless the application says that the network is back."""
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._hurry.wait()

    def _say(self, state: str, reason: str = "", transport: str = "") -> None:
        if not self._wanted.is_set() and state == "connecting":
            state = "offline"
        if (state, transport) != self._said:
            self._said = (state, transport)
            self._tell(StateEvent(state, transport, reason))


def _result(climbing: asyncio.Task[Entered]) -> Entered | None:
    """The better link, if there is one."""
    if not climbing.done():
        return None
    if (error := climbing.exception()) is not None:
        log.error("better endpoints cannot be tried", exc_info=error)
        return None
    return climbing.result()


async def _end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
