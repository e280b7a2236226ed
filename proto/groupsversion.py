"""One number for how far a client is in all of its groups: cheap to send, cheap to compare.

Lagging in any group makes it smaller. The CRC-32 of the ids makes one group that was missed differ
from another that was left unnoticed, even where their versions are the same.
"""

import zlib
from collections.abc import Mapping


def groups_version(cursors: Mapping[str, int]) -> int:
    """The sum of version and CRC-32 of the id (UTF-8) of every group, modulo 2^64."""
    names = sum(zlib.crc32(group.encode()) for group in cursors)
    return (names + sum(cursors.values())) % (1 << 64)
