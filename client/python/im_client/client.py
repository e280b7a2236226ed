"""The synchronous client: the asyncio one in a thread of its own, callbacks in another.

    with Client("alice", token, ["tls://im.example.com:8003"], store="alice.db") as client:
        client.on(MessageEvent, lambda event: print(event.message.text))
        client.start()
        client.send_text("bob", "hello")

Callbacks run one after the other in one thread, and may call the client. Methods may be called from
any thread.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from google.protobuf.message import Message as Body

from im_client import aio
from im_client._proto import im_pb2
from im_client.calls import Target
from im_client.errors import Closed
from im_client.events import Event, FrameEvent
from im_client.model import Contact, Message, Queued
from im_client.options import Options, Token

E = TypeVar("E", bound=Event)
R = TypeVar("R")


class Client:
    """See the module, and `im_client.aio.Client` for what each method does and raises."""

    def __init__(
        self,
        user: str,
        token: Token,
        endpoints: Iterable[str],
        *,
        store: Path | str = ":memory:",
        options: Options | None = None,
    ) -> None:
        self._loop = asyncio.new_event_loop()
        self._callback_threads = f"im-callbacks-{id(self):x}"
        self._callbacks = ThreadPoolExecutor(1, self._callback_threads)
        self._thread = threading.Thread(target=self._loop.run_forever, name="im", daemon=True)
        self._thread.start()
        self._is_closed = False
        try:
            self._aio = self._run(_make(user, token, list(endpoints), store, options))
        except BaseException:
            self._stop()
            raise

    # ------------------------------------------------------------ life

    def on(self, kind: type[E], callback: Callable[[E], object]) -> Callable[[], None]:
        """Call it for each event of this kind, in the thread of callbacks."""

        async def call(event: E) -> None:
            await self._loop.run_in_executor(self._callbacks, callback, event)

        return self._aio.on(kind, call)

    def watch_frames(self, callback: Callable[[FrameEvent], None]) -> None:
        self._aio.watch_frames(callback)

    def start(self) -> None:
        self._run(self._aio.start())

    def close(self) -> None:
        """End it; a callback that runs is finished first. Closing again does nothing."""
        if self._is_closed:
            return
        self._is_closed = True
        self._run(self._aio.close(wait_for_callback=not self._is_in_callback()))
        self._stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def wait_ready(self, timeout_s: float = 30.0) -> None:
        self._run(self._aio.wait_ready(timeout_s))

    @property
    def user(self) -> str:
        return self._aio.user

    @property
    def online(self) -> bool:
        return self._aio.online

    @property
    def transport(self) -> str:
        return self._aio.transport

    def suspend(self) -> None:
        self._loop.call_soon_threadsafe(self._aio.suspend)

    def resume(self) -> None:
        self._loop.call_soon_threadsafe(self._aio.resume)

    def drop_link(self) -> None:
        self._loop.call_soon_threadsafe(self._aio.drop_link)

    # ------------------------------------------------------------ sending and reading

    def send(self, target: Target, content: im_pb2.Content, *, key: str = "") -> str:
        return self._run(self._aio.send(target, content, key=key))

    def send_text(self, target: Target, text: str, **more: Any) -> str:
        return self._run(self._aio.send_text(target, text, **more))

    def send_file(self, target: Target, source: Path | str | bytes, **more: Any) -> str:
        return self._run(self._aio.send_file(target, source, **more))

    def wait_acked(self, key: str, timeout_s: float = 30.0) -> str:
        return self._run(self._aio.wait_acked(key, timeout_s))

    def outbox(self, target: Target | None = None) -> list[Queued]:
        return self._run(self._aio.outbox(target))

    def forget(self, key: str) -> bool:
        return self._run(self._aio.forget(key))

    def contacts(self, limit: int = 0) -> list[Contact]:
        return self._run(self._aio.contacts(limit))

    def history(self, target: Target, *, before: str = "", limit: int = 50) -> list[Message]:
        return self._run(self._aio.history(target, before=before, limit=limit))

    # ------------------------------------------------------------ commands

    def call(self, request: Body, timeout_s: float | None = None) -> Any:
        return self._run(self._aio.call(request, timeout_s))

    def recall(self, message_id: str) -> None:
        self._run(self._aio.recall(message_id))

    def mark_read(self, target: Target, message_id: str = "") -> int:
        return self._run(self._aio.mark_read(target, message_id))

    def delete_conversation(self, target: Target) -> None:
        self._run(self._aio.delete_conversation(target))

    def mute(self, target: Target, muted: bool = True) -> None:
        self._run(self._aio.mute(target, muted))

    def typing(self, user: str, stopped: bool = False) -> None:
        self._run(self._aio.typing(user, stopped))

    def block(self, user: str) -> None:
        self._run(self._aio.block(user))

    def unblock(self, user: str) -> None:
        self._run(self._aio.unblock(user))

    def blocked(self) -> list[str]:
        return self._run(self._aio.blocked())

    def presence(self, *users: str, watch: bool = False) -> list[im_pb2.Presence]:
        return self._run(self._aio.presence(*users, watch=watch))

    def unwatch(self, *users: str) -> None:
        self._run(self._aio.unwatch(*users))

    def devices(self) -> list[im_pb2.Device]:
        return self._run(self._aio.devices())

    def log_out(self, device: str) -> None:
        self._run(self._aio.log_out(device))

    def create_group(
        self, name: str, users: list[str] | None = None, **more: Any
    ) -> im_pb2.GroupInfo:
        return self._run(self._aio.create_group(name, users, **more))

    def join_group(self, group: str, reason: str = "") -> bool:
        return self._run(self._aio.join_group(group, reason))

    def leave_group(self, group: str) -> None:
        self._run(self._aio.leave_group(group))

    def invite(self, group: str, *users: str) -> None:
        self._run(self._aio.invite(group, *users))

    def remove(self, group: str, *users: str) -> None:
        self._run(self._aio.remove(group, *users))

    def members(self, group: str) -> list[im_pb2.GroupMember]:
        return self._run(self._aio.members(group))

    def known_members(self, group: str) -> list[im_pb2.GroupMember]:
        return self._run(self._aio.known_members(group))

    def groups(self) -> list[im_pb2.GroupInfo]:
        return self._run(self._aio.groups())

    # ------------------------------------------------------------ inside

    def _run(self, job: Coroutine[Any, Any, R]) -> R:
        if self._loop.is_closed() or not self._thread.is_alive():
            job.close()
            raise Closed
        if threading.current_thread() is self._thread:
            job.close()
            raise RuntimeError("use im_client.aio inside the event loop")
        return asyncio.run_coroutine_threadsafe(job, self._loop).result()

    def _is_in_callback(self) -> bool:
        return threading.current_thread().name.startswith(self._callback_threads)

    def _stop(self) -> None:
        self._callbacks.shutdown(wait=not self._is_in_callback())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.run_until_complete(_cancel_the_rest())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()


async def _make(
    user: str, token: Token, endpoints: list[str], store: Path | str, options: Options | None
) -> aio.Client:
    return aio.Client(user, token, endpoints, store=store, options=options)


async def _cancel_the_rest() -> None:
    """End what is still to run in this loop."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
