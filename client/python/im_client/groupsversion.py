"""One number for how far a client is in all of its groups, to compare with the server's."""

import zlib
from collections.abc import Mapping


def groups_version(cursors: Mapping[str, int]) -> int:
    """The sum of version and CRC-32 of the id (UTF-8) of every group, modulo 2^64."""
    names = sum(zlib.crc32(group.encode()) for group in cursors)
    return (names + sum(cursors.values())) % (1 << 64)
