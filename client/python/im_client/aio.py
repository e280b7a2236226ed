"""The asyncio client: `async with Client(user, token, endpoints, store=path) as client: ...`

Everything runs in the event loop it is started in, the store in a thread of its own. Nothing is
shared between clients: as many accounts as you like live in one process, each with its own store.
"""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from google.protobuf.message import Message as Body

from im_client import media
from im_client._proto import im_pb2
from im_client.calls import Target, conversation_of
from im_client.connector import Connector
from im_client.dispatcher import Callback, Dispatcher
from im_client.endpoints import Endpoint
from im_client.errors import Closed, NotConnected, Refused, check
from im_client.events import Event, FrameEvent
from im_client.local import Local
from im_client.model import Queued
from im_client.options import Options, Token
from im_client.reading import Reading

E = TypeVar("E", bound=Event)
R = TypeVar("R")


class Client(Reading):
    """One user on one device. Callbacks are given by `on` before `start`."""

    def __init__(
        self,
        user: str,
        token: Token,
        endpoints: Iterable[str],
        *,
        store: Path | str = ":memory:",
        options: Options | None = None,
    ) -> None:
        """`endpoints` in order of preference: tls://…, tcp://…, wss://…, https://… (long polls).

        `store` is a file, or `:memory:` to keep nothing. Raises `StoreInUse`, `WrongUser`.
        """
        self.user = user
        self._options = options or Options()
        parsed = [Endpoint.parse(url) for url in endpoints]
        if not parsed:
            raise ValueError("no endpoints")
        self._token = token
        self._endpoints = parsed
        self._local = Local(store, user)
        self._store = self._local.store
        self._dispatcher = Dispatcher(self._local)
        self._taps: list[Callable[[FrameEvent], None]] = []
        self._watched: set[str] = set()
        self._connector: Connector | None = None
        self._connecting: asyncio.Task[None] | None = None

    def on(self, kind: type[E], callback: Callback[E]) -> Callable[[], None]:
        """Call it, or await it, for each event of this kind; the answer takes it back.

        Callbacks run one after the other. What they raise is logged.
        """
        return self._dispatcher.on(kind, callback)

    def watch_frames(self, callback: Callable[[FrameEvent], None]) -> None:
        """For tools: see everything that crosses the link, from the next `start` on."""
        self._taps.append(callback)

    # ------------------------------------------------------------ life

    async def start(self) -> None:
        """Begin to connect, and to tell events; returns at once."""
        if self._connector is not None:
            raise RuntimeError("the client was started already")
        self._connector = Connector(
            self.user,
            self._token,
            self._endpoints,
            self._local,
            await self._with_device(),
            self._dispatcher.tell,
            self._show if self._taps else None,
            self._watched,
        )
        self._dispatcher.start()
        self._connecting = asyncio.create_task(self._connector.run())

    async def close(self, *, wait_for_callback: bool = True) -> None:
        """End the connection and close the store; what waits in the outbox waits there.

        The callback that runs is finished first, unless it is the one that closes.
        """
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.gather(self._connecting, return_exceptions=True)
        if self._connector is not None and self._connector.closed is None:
            self._connector.end(Closed())
        await self._dispatcher.stop(wait=wait_for_callback)
        await asyncio.get_running_loop().run_in_executor(None, self._local.close)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def wait_ready(self, timeout_s: float = 30.0) -> None:
        """Return once connected and level with the server.

        Raises `NotConnected` after the time, `Closed` when the server does not want us.
        """
        await self._until(lambda: True if self._connection().ready else None, timeout_s)

    @property
    def online(self) -> bool:
        """Whether there is an authenticated connection now."""
        return self._connector is not None and self._connector.session is not None

    @property
    def transport(self) -> str:
        """tcp, tls, ws or comet; empty without a connection."""
        session = self._connection().session
        return "" if session is None else session.link.transport

    def suspend(self) -> None:
        """The device has no network: do not try. Calls fail, sends wait in the outbox."""
        self._connection().suspend()

    def resume(self) -> None:
        """The network is back: connect at once, and ping a connection that is there."""
        self._connection().resume()

    def drop_link(self) -> None:
        """Cut the connection as if the network had gone; it is made again."""
        self._connection().drop()

    # ------------------------------------------------------------ sending

    async def send(self, target: Target, content: im_pb2.Content, *, key: str = "") -> str:
        """Put a message into the outbox, on the disk when this returns; its key.

        It is sent as soon as there is a connection, and again until the server has it. A `key` of
        your own makes repeating this harmless.
        """
        made_ms = int((self._options.clock() + self._server_ahead_s()) * 1000)
        return await self._local.write(
            self._store.outbox.put, conversation_of(target), content, made_ms, key
        )

    async def send_text(
        self,
        target: Target,
        text: str,
        *,
        mentions: Iterable[str] = (),
        mention_all: bool = False,
        reply_to: str = "",
        key: str = "",
    ) -> str:
        """Send a text; see `send`."""
        content = im_pb2.Content(
            text=im_pb2.Text(text=text),
            mentions=mentions,
            mention_all=mention_all,
            reply_to=reply_to,
        )
        return await self.send(target, content, key=key)

    async def send_file(
        self,
        target: Target,
        source: Path | str | bytes,
        *,
        name: str = "",
        mime: str = "",
        key: str = "",
    ) -> str:
        """Upload a file or bytes through `Options.uploader`, then send the reference.

        Shown as an image, voice or video where the type says so. What the uploader raises is
        raised here, and nothing is queued then.
        """
        if self._options.uploader is None:
            raise ValueError("give Options(uploader=...) to send files")
        upload = media.describe(source, name, mime)
        stored = await media.store(upload, self._options.uploader)
        return await self.send(target, media.content_of(stored), key=key)

    async def wait_acked(self, key: str, timeout_s: float = 30.0) -> str:
        """The id of a message once the server has it; `Refused` when it never will.

        One that is taken out of the outbox meanwhile is `Refused` as FORGOTTEN.
        """
        known = False

        async def outcome() -> str | None:
            nonlocal known
            found = await self._local.read(self._store.outbox.outcome, key)
            if found is None:
                raise Refused("FORGOTTEN", "taken out of the outbox") if known else KeyError(key)
            known = True
            if found.error:
                raise Refused(found.error, found.text)
            return found.message_id or None

        return await self._until_async(outcome, timeout_s, even_closed=True)

    async def outbox(self, target: Target | None = None) -> list[Queued]:
        """What waits to be sent, and what was refused."""
        conversation = None if target is None else conversation_of(target)
        return await self._local.read(self._store.outbox.queued, conversation)

    async def forget(self, key: str) -> bool:
        """Take a message out of the outbox that was refused, or that was never on its way.

        False where there is none by this key. Raises `MaybeSent` for one that the server may have.
        """
        return await self._local.write(self._store.outbox.forget, key)

    # ------------------------------------------------------------ asking

    async def call(self, request: Body, timeout_s: float | None = None) -> Any:
        """The answer to any request of the protocol, waiting for a connection if there is none.

        Raises `ServerError`, `NotConnected` after the time (default: `Options.call_timeout_s`), or
        `Closed`.
        """
        limit_s = self._options.call_timeout_s if timeout_s is None else timeout_s
        session = await self._until(lambda: self._connection().calling, limit_s)
        answer = await session.call(request, limit_s)
        check(answer.error)
        return answer

    # ------------------------------------------------------------ inside

    def _connection(self) -> Connector:
        if self._connector is None:
            raise RuntimeError("start the client first")
        return self._connector

    def _server_ahead_s(self) -> float:
        return 0.0 if self._connector is None else self._connector.server_ahead_s

    def _show(self, event: FrameEvent) -> None:
        for tap in self._taps:
            tap(event)

    async def _with_device(self) -> Options:
        """The options with this installation's own id, kept in the store."""
        device = self._options.device or await self._local.read(self._store.get, "device")
        if not device:
            device = uuid.uuid4().hex
            await self._local.write(self._store.set, "device", device)
        return replace(self._options, device=device)

    async def _until(self, look: Callable[[], R | None], timeout_s: float) -> R:
        async def looked() -> R | None:
            return look()

        return await self._until_async(looked, timeout_s)

    async def _until_async(
        self,
        look: Callable[[], Awaitable[R | None]],
        timeout_s: float,
        *,
        even_closed: bool = False,
    ) -> R:
        """The first answer that is not None, looked for whenever something changed."""
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    changed = self._local.changed.next()
                    found = await look()
                    if found is not None:
                        return found
                    closed = self._connection().closed
                    if closed is not None and not even_closed:
                        raise closed
                    await changed.wait()
        except TimeoutError:
            raise NotConnected(f"not within {timeout_s:g} s") from None
