"""The life of one authenticated connection: catch up, take pushes, send, keep alive."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from im_client._proto import im_pb2
from im_client.errors import ImError, NotConnected, WrongUser
from im_client.events import Event
from im_client.links import Link, Push
from im_client.links.link import FAREWELLS
from im_client.local import Local
from im_client.options import Options
from im_client.sender import Sender
from im_client.syncer import Syncer

log = logging.getLogger("im_client")


@dataclass(frozen=True, slots=True)
class Ending:
    """Why a connection ended: the server's refusal, if it said one, and how long to stay away."""

    refusal: str = ""
    text: str = ""
    delay_s: float = 0.0
    moved: im_pb2.GoAwayPush | None = None


class Session:
    """See the module; `ready` is set once the store is level with the server."""

    def __init__(
        self,
        link: Link,
        auth: im_pb2.AuthResponse,
        local: Local,
        options: Options,
        tell: Callable[[Event], None],
        ready: Callable[[], None],
        watched: set[str],
    ) -> None:
        self.link = link
        self._auth = auth
        self._options = options
        self._ready = ready
        self._watched = watched
        self._retired = asyncio.Event()
        self._doubted = asyncio.Event()
        self._syncer = Syncer(link, self.call, local, tell, options.tidy_within_s)
        backoff = (options.backoff_least_s, options.backoff_most_s)
        self._sender = Sender(link, self.call, local, backoff)

    async def call(self, request: Message, timeout_s: float) -> Any:
        """As the link's; when no answer comes, the link must show that it lives."""
        try:
            return await self.link.call(request, timeout_s)
        except NotConnected:
            self.check()
            raise

    def check(self) -> None:
        """Ping now: a link that brings no pong in time is over, however open it looks."""
        self._doubted.set()

    def retire(self) -> None:
        """Let another session take over: `run` returns and leaves the link open."""
        self._retired.set()

    async def run(self) -> Ending:
        """Serve the link until it is over, then leave nothing of it behind."""
        jobs: list[Coroutine[Any, Any, Any]] = [
            self.link.over.wait(),
            self._retired.wait(),
            self._receive(),
            self._beat(),
            self._sender.run(),
        ]
        tasks = [asyncio.create_task(job) for job in jobs]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
            if not self._retired.is_set():
                await self.link.close()
        for outcome in outcomes:
            if isinstance(outcome, ImError):
                log.info("connection over: %s", outcome.name)
            elif isinstance(outcome, Exception):
                log.error("connection failed", exc_info=outcome)
            if isinstance(outcome, WrongUser):
                return Ending(refusal=outcome.name, text=str(outcome))
        return _ending(self.link.farewell)

    async def _receive(self) -> None:
        await self._syncer.catch_up(self._auth)
        self._ready()
        # Beside the pushes: the one is repeated for as long as the server has no presence to tell,
        # the other may have much to ask.
        beside = [
            asyncio.create_task(self._syncer.watch(sorted(self._watched))),
            asyncio.create_task(self._syncer.tidy()),
        ]
        try:
            async for push in self.link.pushes(lambda: self._syncer.cursors):
                if push.cmd in FAREWELLS:
                    return
                await self._syncer.handle(push)
        finally:
            for task in beside:
                task.cancel()
            for outcome in await asyncio.gather(*beside, return_exceptions=True):
                if isinstance(outcome, Exception) and not isinstance(outcome, NotConnected):
                    log.error("what goes on beside the pushes failed", exc_info=outcome)

    async def _beat(self) -> None:
        """Ping as often as the server advised, and in doubt; a pong that is missing ends the link.

        Long polls need no heartbeat and have none, so they are pinged in doubt only.
        """
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._auth.heartbeat_s or None):
                    await self._doubted.wait()
            self._doubted.clear()
            try:
                pong = await self.link.call(im_pb2.PingRequest(), self._options.pong_timeout_s)
            except NotConnected:
                self.link.abort()
                return
            if not pong.error.code:
                self.link.inject(Push(im_pb2.CMD_PING, pong))


def _ending(farewell: Push | None) -> Ending:
    if farewell is None:
        return Ending()
    if farewell.cmd == im_pb2.CMD_PUSH_GO_AWAY:
        return Ending(delay_s=farewell.body.delay_ms / 1000, moved=farewell.body)
    return Ending(refusal=farewell.body.error.name, text=farewell.body.error.message)
