"""Stays connected: tries endpoints in their order, waits longer and longer, obeys the server.

A refused token, or a kick, ends it for good; a token that was refused as no longer valid is asked
for again once. A server that goes away says when to come back.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from im_client._proto import im_pb2
from im_client.backoff import Backoff
from im_client.called import called
from im_client.endpoints import Endpoint
from im_client.errors import Closed, NotConnected, ServerError, WrongUser
from im_client.events import Event, KickedEvent, StateEvent
from im_client.links import Credentials, Link, Tap, open_link
from im_client.local import Local
from im_client.options import Options, Token
from im_client.session import Ending, Session

log = logging.getLogger("im_client")

FORGIVEN_S = 60.0
"""An endpoint that failed is tried behind the others for this long."""


class _Advised(NotConnected):
    """No endpoint lets us in; servers advised to wait so long."""

    def __init__(self, text: str, wait_s: float) -> None:
        super().__init__(text)
        self.wait_s = wait_s


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
        self.closed: Closed | None = None
        self.server_ahead_s = 0.0
        self._user = user
        self._token = token
        self._last_token = token if isinstance(token, str) else ""
        self._endpoints = list(endpoints)
        self._failed_at: dict[Endpoint, float] = {}
        self._local = local
        self._options = options
        self._tell = tell
        self._tap = tap
        self._watched = watched
        self._context = options.ssl_context()
        self._backoff = Backoff(options.backoff_least_s, options.backoff_most_s)
        self._state = ""
        self._wanted = asyncio.Event()
        self._wanted.set()
        self._hurry = asyncio.Event()

    def resume(self) -> None:
        """The network is there (again): connect now."""
        self._wanted.set()
        self._hurry.set()

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
            while True:
                await self._wanted.wait()
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

    async def _connect_once(self) -> float:
        """Make a connection and serve it to its end; how long to stay away at least, in seconds.

        Raises `NotConnected` when none comes about, `Closed` when we are not wanted any more.
        """
        self._say("connecting")
        try:
            link, auth = await self._dial()
        except _Advised as error:
            return error.wait_s
        ending = await self._live(link, auth)
        self._say("offline")
        await self._obey(ending)
        return ending.delay_s

    def end(self, closed: Closed) -> None:
        """No connection any more, for this reason."""
        self.closed = closed
        self._say("closed", closed.name)
        self._local.changed.fire()

    # ------------------------------------------------------------ one connection

    async def _live(self, link: Link, auth: im_pb2.AuthResponse) -> Ending:
        """Serve one connection until it ends."""
        if auth.server_time:
            self.server_ahead_s = auth.server_time / 1000 - self._options.clock()
        self.session = Session(
            link,
            auth,
            self._local,
            self._options,
            self._tell,
            self._became_ready,
            self._watched,
        )
        self._say("online", transport=link.transport)
        try:
            if not self._wanted.is_set():
                link.abort()
            return await self.session.run()
        finally:
            self.session, self.ready = None, False

    def _became_ready(self) -> None:
        self.ready = True
        self._backoff.reset()
        self._local.changed.fire()

    async def _obey(self, ending: Ending) -> None:
        """Stay away where the server said so."""
        if not ending.refusal:
            return
        if ending.refusal == "UNAUTHENTICATED" and await self._renew_token():
            return
        if ending.refusal in ("KICKED", "TOKEN_REVOKED"):
            self._tell(KickedEvent(ending.refusal, ending.text))
        raise Closed(ending.refusal, ending.text)

    # ------------------------------------------------------------ making one

    async def _dial(self) -> tuple[Link, im_pb2.AuthResponse]:
        """A link that is authenticated, by the first endpoint that lets us in.

        Raises `NotConnected` when none does, `Closed` when we are not wanted.
        """
        advice_s, renewed = 0.0, False
        now = time.monotonic()
        order = sorted(
            self._endpoints,
            key=lambda one: now - self._failed_at.get(one, -FORGIVEN_S) < FORGIVEN_S,
        )
        for endpoint in order:
            try:
                link, answer = await self._enter(endpoint)
                if answer.error.name == "UNAUTHENTICATED" and not renewed:
                    renewed = await self._renew_token()
                    if renewed:
                        await link.close()
                        link, answer = await self._enter(endpoint)
            except (OSError, NotConnected) as error:
                log.info("%s: %s", endpoint.url, error)
                self._failed_at[endpoint] = time.monotonic()
                continue
            if not answer.error.code:
                self._failed_at.pop(endpoint, None)
                return link, answer
            await link.close()
            refusal = ServerError(answer.error)
            if not refusal.retryable:
                raise Closed(refusal.name, answer.error.message)
            advice_s = max(advice_s, refusal.retry_after_s)
        raise _Advised("no endpoint lets us in", advice_s)

    async def _enter(self, endpoint: Endpoint) -> tuple[Link, im_pb2.AuthResponse]:
        """Connect and authenticate at one endpoint."""
        if not self._last_token:
            await self._renew_token()
        options = self._options
        link = await open_link(endpoint, self._context, options.connect_timeout_s, self._tap)
        try:
            answer = await link.authenticate(
                Credentials(self._user, self._last_token, options.platform, options.device)
            )
        except BaseException:
            await link.close()
            raise
        if answer.user and answer.user != self._user:
            await link.close()
            name = WrongUser.name
            raise Closed(name, f"the token is of {answer.user}, not of {self._user}")
        return link, answer

    async def _renew_token(self) -> bool:
        """Ask the application for a token; whether it is another one than the last."""
        if isinstance(self._token, str):
            return False
        before = self._last_token
        try:
            self._last_token = await called(self._token)
        except Exception as error:
            log.exception("the token callback failed")
            raise NotConnected("no token") from error
        return self._last_token != before

    # ------------------------------------------------------------ waiting and telling

    async def _pause(self, wait_s: float) -> None:
        """Wait, unless the application says that the network is back."""
        self._hurry.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._hurry.wait()

    def _say(self, state: str, reason: str = "", transport: str = "") -> None:
        if not self._wanted.is_set() and state == "connecting":
            state = "offline"
        if state != self._state:
            self._state = state
            self._tell(StateEvent(state, transport, reason))
