"""WebSocket: every binary message is one frame."""

import ssl

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage

from im_client import framing
from im_client.endpoints import Endpoint
from im_client.links.frames import FrameLink
from im_client.links.link import Tap


class WebSocketLink(FrameLink):
    """One WebSocket."""

    transport = "ws"

    def __init__(self, connection: ClientConnection, tap: Tap | None) -> None:
        self._connection = connection
        super().__init__(tap)

    async def _write(self, data: bytes) -> None:
        try:
            await self._connection.send(data)
        except ConnectionClosed as error:
            raise EOFError(str(error)) from error

    async def _read(self) -> list[framing.Frame]:
        try:
            data = await self._connection.recv()
        except ConnectionClosed:
            return []
        if isinstance(data, str):
            raise framing.FrameError("a text where a frame should be")
        return [framing.decode(data)]

    async def _shut(self) -> None:
        await self._connection.close()

    def _cut(self) -> None:
        self._connection.transport.abort()


async def open_websocket(
    endpoint: Endpoint, context: ssl.SSLContext, tap: Tap | None
) -> WebSocketLink:
    """Connect; OSError when that fails."""
    try:
        connection = await connect(
            endpoint.url,
            ssl=context if endpoint.secure else None,
            compression=None,  # frames are small, and servers rightly refuse it
            ping_interval=None,  # the protocol's own ping carries the versions
            max_size=framing.FRAME_BYTES_MAX,
            open_timeout=None,
            close_timeout=2,
            proxy=None,
        )
    except (InvalidHandshake, InvalidMessage) as error:
        raise ConnectionError(str(error)) from error
    return WebSocketLink(connection, tap)
