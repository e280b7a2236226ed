"""TLS for a proxy that reads plain frames: a relay that speaks it on one of its two sides."""

import asyncio
import ssl
import threading
from contextlib import suppress
from pathlib import Path

from dev.clients.wait import DEADLINE_S


class TlsRelay:
    """Passes connections from its port to another: `certificate` and `key` make the first TLS,
    `trusted` the second."""

    def __init__(
        self, target: int, *, certificate: str = "", key: str = "", trusted: Path | None = None
    ) -> None:
        self._target = target
        self._in: ssl.SSLContext | None = None
        self._out: ssl.SSLContext | None = None
        if certificate:
            self._in = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._in.load_cert_chain(certificate, key)
        if trusted is not None:
            self._out = ssl.create_default_context(cafile=str(trusted))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = self._run(asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self._in))
        self.port: int = self._server.sockets[0].getsockname()[1]

    def close(self) -> None:
        """End it and everything that goes through it."""
        self._server.close()
        self._run(self._cancel())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, job):  # type: ignore[no-untyped-def]
        return asyncio.run_coroutine_threadsafe(job, self._loop).result(DEADLINE_S)

    async def _cancel(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sides = [writer]
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._target, ssl=self._out)
            sides.append(back)
            passing = [
                asyncio.create_task(_pass(reader, back)),
                asyncio.create_task(_pass(there, writer)),
            ]
            try:
                await asyncio.wait(passing, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in passing:
                    task.cancel()
                await asyncio.gather(*passing, return_exceptions=True)
        except (OSError, asyncio.CancelledError):
            pass  # as a network that ends
        finally:
            for side in sides:
                side.transport.abort()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
