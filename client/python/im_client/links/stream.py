"""TCP and TLS: frames one after the other."""

import asyncio
import ssl

from im_client import framing
from im_client.endpoints import Endpoint
from im_client.links.frames import FrameLink
from im_client.links.link import Tap

READ_BYTES = 65536


class StreamLink(FrameLink):
    """One TCP connection, with TLS or without."""

    def __init__(
        self,
        transport: str,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        tap: Tap | None,
    ) -> None:
        self.transport = transport
        self._in = reader
        self._out = writer
        self._decoder = framing.Decoder()
        super().__init__(tap)

    async def _write(self, data: bytes) -> None:
        self._out.write(data)
        await self._out.drain()

    async def _read(self) -> list[framing.Frame]:
        while data := await self._in.read(READ_BYTES):
            if frames := list(self._decoder.feed(data)):
                return frames
        return []

    async def _shut(self) -> None:
        self._out.close()
        await self._out.wait_closed()

    def _cut(self) -> None:
        self._out.transport.abort()


async def open_stream(endpoint: Endpoint, context: ssl.SSLContext, tap: Tap | None) -> StreamLink:
    """Connect; OSError when that fails."""
    reader, writer = await asyncio.open_connection(
        endpoint.host,
        endpoint.port,
        ssl=context if endpoint.secure else None,
        limit=2 * framing.FRAME_BYTES_MAX,
    )
    return StreamLink(endpoint.transport, reader, writer, tap)
