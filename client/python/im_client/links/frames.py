"""What TCP and WebSocket links share: Mars frames, matched with their requests by seq."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

from google.protobuf.message import DecodeError, Message

from im_client import framing
from im_client._proto import im_pb2
from im_client.commands import BY_REQUEST, PUSHES
from im_client.errors import LinkLost, NotConnected
from im_client.events import FrameEvent
from im_client.links.link import FAREWELLS, Credentials, Cursors, Push, Tap

PUSHES_MAX = 1000
"""More pushes than this are not kept for a slow consumer: it is told to sync instead."""

AUTH_TIMEOUT_S = 10.0


class FrameLink:
    """A link of frames; transports implement `_write`, `_read`, `_shut` and `_cut`."""

    transport = ""

    def __init__(self, tap: Tap | None) -> None:
        self.over = asyncio.Event()
        self.farewell: Push | None = None
        self._tap = tap
        self._seq = 0
        self._waiting: dict[int, tuple[type[Message], asyncio.Future[Any]]] = {}
        self._pushes: asyncio.Queue[Push | None] = asyncio.Queue()
        self._reader = asyncio.create_task(self._run())

    async def _write(self, data: bytes) -> None:
        raise NotImplementedError

    async def _read(self) -> list[framing.Frame]:
        """The next frames; none at the end of the connection."""
        raise NotImplementedError

    async def _shut(self) -> None:
        raise NotImplementedError

    def _cut(self) -> None:
        raise NotImplementedError

    @property
    def busy(self) -> bool:
        return bool(self._waiting)

    async def hold(self) -> None:
        pass  # it is shown once, by `authenticate`

    def release(self) -> None:
        pass

    # ------------------------------------------------------------ requests

    async def authenticate(self, credentials: Credentials) -> im_pb2.AuthResponse:
        request = im_pb2.AuthRequest(
            token=credentials.token, platform=credentials.platform, device=credentials.device
        )
        answer = await self.call(request, AUTH_TIMEOUT_S)
        assert isinstance(answer, im_pb2.AuthResponse)
        return answer

    async def call(self, request: Message, timeout_s: float) -> Any:
        if self.over.is_set():
            raise LinkLost("the connection is over")
        command = BY_REQUEST[type(request)]
        body = request.SerializeToString()
        if len(body) > framing.BODY_BYTES_MAX:  # a WebSocket would be cut over it
            return _too_large(command.answer(), len(body))
        self._seq = self._seq % framing.REQUEST_SEQ_MAX + 1
        seq = self._seq
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[seq] = (command.answer, future)
        try:
            async with asyncio.timeout(timeout_s):
                self._show(True, command.number, seq, body)
                await self._write(framing.encode(command.number, seq, body))
                return await future
        except TimeoutError:
            raise NotConnected(f"no answer to {command.name} in {timeout_s:g} s") from None
        except (OSError, EOFError) as error:
            self.abort()
            raise LinkLost(str(error)) from error
        finally:
            self._waiting.pop(seq, None)

    # ------------------------------------------------------------ what comes

    async def pushes(self, cursor: Callable[[], Cursors]) -> AsyncIterator[Push]:
        while (push := await self._pushes.get()) is not None:
            yield push

    def inject(self, push: Push) -> None:
        if self._pushes.qsize() > PUSHES_MAX:
            while not self._pushes.empty():
                self._pushes.get_nowait()
            push = Push(im_pb2.CMD_PUSH_RESYNC, im_pb2.ResyncPush())
        self._pushes.put_nowait(push)

    async def _run(self) -> None:
        try:
            while frames := await self._read():
                for frame in frames:
                    self._take(frame)
        except (OSError, EOFError, framing.FrameError, DecodeError):
            pass  # the peer's end, or nonsense after which nothing can be trusted
        finally:
            self._end()

    def _take(self, frame: framing.Frame) -> None:
        self._show(False, frame.cmd, frame.seq, frame.body)
        if frame.seq == framing.PUSH_SEQ:
            push = PUSHES.get(frame.cmd)
            if push is not None:  # else a server newer than this client
                body = push.FromString(frame.body)
                if frame.cmd in FAREWELLS:
                    self.farewell = Push(frame.cmd, body)
                self.inject(Push(frame.cmd, body))
            return
        answer, future = self._waiting.get(frame.seq, (None, None))
        if answer is not None and future is not None and not future.done():
            future.set_result(answer.FromString(frame.body))

    def _show(self, outgoing: bool, cmd: int, seq: int, body: bytes) -> None:
        if self._tap is not None:
            shown = b"" if cmd == im_pb2.CMD_AUTH and outgoing else body  # no tokens
            self._tap(FrameEvent(outgoing, cmd, seq, shown))

    # ------------------------------------------------------------ the end

    async def close(self) -> None:
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(2):
                await self._shut()
        self.abort()
        await asyncio.gather(self._reader, return_exceptions=True)

    def abort(self) -> None:
        self._cut()
        self._reader.cancel()
        self._end()

    def _end(self) -> None:
        if self.over.is_set():
            return
        self.over.set()
        self._pushes.put_nowait(None)
        self._cut()
        for _, future in self._waiting.values():
            if not future.done():
                future.set_exception(LinkLost("the connection was lost"))


def _too_large(answer: Any, size: int) -> Any:
    """The refusal the server would give, if it could read the frame."""
    answer.error.CopyFrom(
        im_pb2.Error(
            code=im_pb2.ERR_TOO_LARGE,
            name="TOO_LARGE",
            message=f"{size} bytes, at most {framing.BODY_BYTES_MAX} are taken",
        )
    )
    return answer
