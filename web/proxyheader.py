"""PROXY protocol, version 2: who the client behind a proxy is, said before its first byte.

The header is required from trusted addresses and never looked for from others (the specification,
section 5, forbids guessing). Parsing is the library's.
"""

import struct
from collections.abc import Callable

from proxyprotocol import (
    ProxyProtocolChecksumError,
    ProxyProtocolIncompleteError,
    ProxyProtocolSyntaxError,
)
from proxyprotocol.v2 import ProxyProtocolV2

HEAD_BYTES = 16
BODY_BYTES_MAX = 1024


MALFORMED = (
    ProxyProtocolChecksumError,
    ProxyProtocolIncompleteError,
    ProxyProtocolSyntaxError,
    struct.error,
    ValueError,
)


class BadHeader(ValueError):
    """The connection does not begin with a header of version 2."""


def read_client(read: Callable[[int], bytes]) -> str | None:
    """The client's address; None for the proxy's own connections (health checks).

    `read(n)` returns exactly n bytes, or raises.
    """
    protocol = ProxyProtocolV2()
    try:
        head = read(HEAD_BYTES)
        size = protocol.unpack_header(head).data_len
        if size > BODY_BYTES_MAX:
            raise BadHeader(f"a header of {size} bytes")
        result = protocol.unpack(head + read(size))
    except MALFORMED as error:
        raise BadHeader(str(error)) from error
    if not result.proxied or not isinstance(result.source, tuple):
        return None
    return str(result.source[0])
