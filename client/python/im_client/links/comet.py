"""HTTP only: long polls for what comes, short calls for everything else."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
from google.protobuf.message import DecodeError, Message

from im_client._proto import im_pb2
from im_client.backoff import Backoff
from im_client.commands import BY_REQUEST
from im_client.endpoints import Endpoint
from im_client.errors import LinkLost, NotConnected
from im_client.events import FrameEvent
from im_client.links.link import Credentials, Cursors, Push, Tap

PROTOBUF = "application/octet-stream"
AUTH_TIMEOUT_S = 10.0
CHECK = Push(im_pb2.CMD_PUSH_CONVERSATIONS, im_pb2.ConversationsPush(changed=True))
"""Receipts that fall between two polls are lost: the contact list tells them. All of it is read, so
that is done after the first quiet poll behind one that brought something, and rarely otherwise."""

CHECK_S = 300.0

_EVENTS = {
    "read": im_pb2.CMD_PUSH_READ,
    "conversations": im_pb2.CMD_PUSH_CONVERSATIONS,
    "typing": im_pb2.CMD_PUSH_TYPING,
    "resync": im_pb2.CMD_PUSH_RESYNC,
    "groups": im_pb2.CMD_PUSH_GROUPS,
}


class CometLink:
    """Polls one after the other; a poll that fails on the network ends the link."""

    transport = "comet"

    def __init__(
        self,
        endpoint: Endpoint,
        context: ssl.SSLContext,
        tap: Tap | None,
        poll_s: int,
        grace_s: float,
    ) -> None:
        """A poll waits `poll_s`; one that is not answered `grace_s` later never will be."""
        self._poll_s = poll_s
        self._grace_s = grace_s
        self._may_poll = asyncio.Event()
        self._may_poll.set()
        self._no_poll = asyncio.Event()
        self._no_poll.set()
        self._asked = 0
        self.over = asyncio.Event()
        self.farewell: Push | None = None
        self._tap = tap
        self._http = httpx.AsyncClient(
            base_url=endpoint.url,
            verify=context,
            trust_env=False,
            headers={"Content-Type": PROTOBUF},
        )
        self._credentials = Credentials("", "", "", "")
        self._injected: list[Push] = []
        self._seq = 0
        self._calls: set[asyncio.Task[Any]] = set()

    async def authenticate(self, credentials: Credentials) -> im_pb2.AuthResponse:
        self._credentials = credentials
        self._http.headers["Authorization"] = f"Bearer {credentials.token}"
        versions = await self.call(im_pb2.VersionsRequest(), AUTH_TIMEOUT_S)
        return im_pb2.AuthResponse(
            error=versions.error if versions.HasField("error") else None,
            user=credentials.user,
            version=versions.version,
            groups_version=versions.groups_version,
            device=credentials.device,
        )

    async def call(self, request: Message, timeout_s: float) -> Any:
        command = BY_REQUEST[type(request)]
        self._asked += 1
        try:
            return await self._post(
                f"/im/{command.name}", request, command.number, command.answer, timeout_s
            )
        finally:
            self._asked -= 1

    @property
    def busy(self) -> bool:
        return self._asked > 0

    async def hold(self) -> None:
        self._may_poll.clear()
        await self._no_poll.wait()

    def release(self) -> None:
        self._may_poll.set()

    async def pushes(self, cursor: Callable[[], Cursors]) -> AsyncIterator[Push]:
        backoff = Backoff(0.5, 10.0)
        before: Cursors | None = None
        check_at = time.monotonic()
        while not self.over.is_set():
            while self._injected:
                yield self._injected.pop(0)
            await self._may_poll.wait()
            now = cursor()
            request = im_pb2.CometRequest(
                since=now.since,
                wait_s=self._poll_s,
                platform=self._credentials.platform,
                device=self._credentials.device,
                groups_version=now.groups_version,
            )
            self._no_poll.clear()
            try:
                answer = await self._post(
                    "/comet", request, 0, im_pb2.CometResponse, self._poll_s + self._grace_s
                )
            except NotConnected:
                self.abort()
                return
            finally:
                self._no_poll.set()
            assert isinstance(answer, im_pb2.CometResponse)
            if answer.error.code:
                if not answer.error.retryable:
                    kicked = im_pb2.KickedPush(error=answer.error)
                    self.farewell = Push(im_pb2.CMD_PUSH_KICKED, kicked)
                    yield self.farewell
                    return
                await asyncio.sleep(backoff.next_s(answer.error.retry_after_ms / 1000))
                continue
            if answer.HasField("groups_version") and now == before:
                # It said so before, and syncing changed nothing: no answer comes of haste.
                await asyncio.sleep(backoff.next_s())
            else:
                backoff.reset()
            before = now
            found = _pushes(answer, now.since)
            if found:
                check_at = 0.0
            elif time.monotonic() >= check_at:
                check_at = time.monotonic() + CHECK_S
                found.append(CHECK)
            for push in found:
                yield push
            for event in answer.events:
                if event.WhichOneof("body") == "go_away":  # another process answers from then on
                    await asyncio.sleep(event.go_away.delay_ms / 1000)

    def inject(self, push: Push) -> None:
        self._injected.append(push)

    async def _post(
        self, path: str, request: Message, cmd: int, answer: type[Message], timeout_s: float
    ) -> Any:
        """One POST; `abort` ends it, and its end is `LinkLost`."""
        if self.over.is_set():
            raise LinkLost("the connection is over")
        task = asyncio.ensure_future(self._exchange(path, request, cmd, answer, timeout_s))
        self._calls.add(task)
        try:
            return await task
        except asyncio.CancelledError:
            task.cancel()
            if self.over.is_set():
                raise LinkLost("the connection was lost") from None
            raise
        finally:
            self._calls.discard(task)

    async def _exchange(
        self, path: str, request: Message, cmd: int, answer: type[Message], timeout_s: float
    ) -> Any:
        self._seq += 1
        seq, body = self._seq, request.SerializeToString()
        self._show(True, cmd, seq, body)
        try:
            async with asyncio.timeout(timeout_s):
                response = await self._http.post(path, content=body, timeout=None)
        except TimeoutError:
            raise NotConnected(f"no answer from {path} in {timeout_s:g} s") from None
        except (httpx.TransportError, OSError) as error:
            raise self._lost(str(error)) from error
        if response.status_code != 200 or response.headers.get("Content-Type") != PROTOBUF:
            raise self._lost(f"{path} answered {response.status_code}")
        self._show(False, cmd, seq, response.content)
        try:
            return answer.FromString(response.content)
        except DecodeError as error:
            raise self._lost(f"{path} answered what is no protobuf") from error

    def _lost(self, why: str) -> LinkLost:
        self.over.set()
        return LinkLost(why)

    def _show(self, outgoing: bool, cmd: int, seq: int, body: bytes) -> None:
        if self._tap is not None:
            self._tap(FrameEvent(outgoing, cmd, seq, body))

    async def close(self) -> None:
        self.abort()
        await self._http.aclose()

    def abort(self) -> None:
        self.over.set()
        for task in list(self._calls):
            task.cancel()


def _pushes(answer: im_pb2.CometResponse, since: int) -> list[Push]:
    """What a poll brought, as the downlinks other transports get."""
    found: list[Push] = []
    reached = since
    if answer.messages:
        reached = answer.messages[-1].version
        body = im_pb2.MessagesPush(messages=answer.messages, previous=since)
        found.append(Push(im_pb2.CMD_PUSH_MESSAGES, body))
    if answer.more or answer.since > reached:
        found.append(Push(im_pb2.CMD_PUSH_RESYNC, im_pb2.ResyncPush()))
    for group in answer.group_messages:
        found.append(Push(im_pb2.CMD_PUSH_MESSAGES, group))
    for event in answer.events:
        name = event.WhichOneof("body")
        if name in _EVENTS:
            found.append(Push(_EVENTS[name], getattr(event, name)))
    if answer.HasField("groups_version"):
        pong = im_pb2.PingResponse(groups_version=answer.groups_version, version=answer.since)
        found.append(Push(im_pb2.CMD_PING, pong))
    return found
