"""Gets a link that is authenticated: by which address, with which token.

A token that was refused as no longer valid is asked for again once. What the application's callback
raises is nobody's fault but its own: no address is blamed for it, and nothing stays open.
"""

import asyncio
import logging
from typing import NamedTuple

from im_client._proto import im_pb2
from im_client.addressbook import AddressBook
from im_client.called import called
from im_client.endpoints import Endpoint
from im_client.errors import Closed, NotConnected, ServerError, WrongUser
from im_client.links import Credentials, Link, Tap, open_link
from im_client.options import Options, Token

log = logging.getLogger("im_client")


class Advised(NotConnected):
    """No endpoint lets us in; servers advised to wait so long."""

    def __init__(self, text: str, wait_s: float) -> None:
        super().__init__(text)
        self.wait_s = wait_s


class NoToken(NotConnected):
    """The application's callback raised."""


class NetworkChanged(NotConnected):
    """The application said so in the middle of an attempt: a new one may fare better."""


class Entered(NamedTuple):
    """A link that is authenticated, and by which endpoint."""

    endpoint: Endpoint
    link: Link
    auth: im_pb2.AuthResponse


class Dialer:
    """See the module; `changed` is set when attempts under way are to be given up."""

    def __init__(
        self,
        user: str,
        token: Token,
        book: AddressBook,
        options: Options,
        tap: Tap | None,
        changed: asyncio.Event,
    ) -> None:
        self._user = user
        self._token = token
        self._last_token = token if isinstance(token, str) else ""
        self._book = book
        self._options = options
        self._tap = tap
        self._changed = changed
        self._context = options.ssl_context()

    async def dial(self) -> Entered:
        """Go through the endpoints in their order, until one lets us in.

        Raises `NotConnected` when none does, `Closed` when we are not wanted.
        """
        if not self._last_token:
            await self.renew_token()
        advice_s, renewed = 0.0, False
        for endpoint in self._book.order():
            try:
                link, answer = await self._enter(endpoint)
                if answer.error.name == "UNAUTHENTICATED" and not renewed:
                    renewed = await self.renew_token()
                    if renewed:
                        link, answer = await self._enter(endpoint)
            except (NoToken, NetworkChanged):
                raise
            except (OSError, ValueError, NotConnected) as error:  # ValueError: no name of a host
                log.info("%s: %s", endpoint.url, error)
                self._book.failed(endpoint)
                continue
            if not answer.error.code:
                self._book.answered(endpoint)
                return Entered(endpoint, link, answer)
            refusal = ServerError(answer.error)
            if not refusal.retryable:
                raise Closed(refusal.name, answer.error.message)
            advice_s = max(advice_s, refusal.retry_after_s)
        raise Advised("no endpoint lets us in", advice_s)

    async def open(self, endpoint: Endpoint) -> Link:
        """Connect, no more; OSError when that fails, ValueError for what is no name of a host."""
        return await open_link(endpoint, self._context, self._options, self._tap)

    async def authenticate(self, link: Link) -> im_pb2.AuthResponse:
        """The server's answer; the link is closed where that is a refusal, or none comes."""
        options = self._options
        try:
            answer = await link.authenticate(
                Credentials(self._user, self._last_token, options.platform, options.device)
            )
            if answer.user and answer.user != self._user:
                raise Closed(WrongUser.name, f"the token is of {answer.user}, not of {self._user}")
        except BaseException:
            await link.close()
            raise
        if answer.error.code:
            await link.close()
        return answer

    async def renew_token(self) -> bool:
        """Ask the application for a token; whether it is another one than the last."""
        if isinstance(self._token, str):
            return False
        before = self._last_token
        try:
            self._last_token = await called(self._token)
        except Exception as error:
            log.exception("the token callback failed")
            raise NoToken("no token") from error
        return self._last_token != before

    # ------------------------------------------------------------ one attempt

    async def _enter(self, endpoint: Endpoint) -> tuple[Link, im_pb2.AuthResponse]:
        """Connect and authenticate at one endpoint, unless the network changes meanwhile."""
        attempt = asyncio.create_task(self._attempt(endpoint))
        changed = asyncio.create_task(self._changed.wait())
        try:
            await asyncio.wait({attempt, changed}, return_when=asyncio.FIRST_COMPLETED)
            if not attempt.done():
                raise NetworkChanged("given up: the network is another one")
            return attempt.result()
        except asyncio.CancelledError:
            if attempt.done() and not attempt.cancelled() and attempt.exception() is None:
                await attempt.result()[0].close()
            raise
        finally:
            changed.cancel()
            if not attempt.done():  # one that is done is handed on without a wait in between
                attempt.cancel()
                await asyncio.gather(attempt, return_exceptions=True)

    async def _attempt(self, endpoint: Endpoint) -> tuple[Link, im_pb2.AuthResponse]:
        link = await self.open(endpoint)
        return link, await self.authenticate(link)
