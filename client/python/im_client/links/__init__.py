"""Ways to the server, one module per transport."""

import asyncio
import ssl

from im_client.endpoints import Endpoint
from im_client.links.comet import CometLink
from im_client.links.link import Call, Credentials, Cursors, Link, Push, Tap
from im_client.links.stream import open_stream
from im_client.links.websocket import open_websocket
from im_client.options import Options

__all__ = ["Call", "Credentials", "Cursors", "Link", "Push", "Tap", "open_link"]


async def open_link(
    endpoint: Endpoint, context: ssl.SSLContext, options: Options, tap: Tap | None = None
) -> Link:
    """Connect to an endpoint; OSError (TimeoutError is one) when that fails."""
    async with asyncio.timeout(options.connect_timeout_s):
        match endpoint.transport:
            case "ws":
                return await open_websocket(endpoint, context, tap)
            case "comet":
                # It connects with its first call.
                return CometLink(endpoint, context, tap, options.poll_s, options.pong_timeout_s)
            case _:
                return await open_stream(endpoint, context, tap)
