"""User ids, client sequences and message ids.

A message id is 128 bits in the layout of a UUIDv8 (RFC 9562, section 5.8): 48 bits of
milliseconds, 12 bits of shard, 62 bits of the version the row was born with. Milliseconds come
from the shard's own clock, which is moved inside the transaction that inserts the rows and never
runs backwards, so inside one shard ids sort exactly as the log does, whatever the clocks of the
processes say (docs/decisions/002-ids-from-the-log.md).
"""

import re

from models.errors import Code, IMError

USER_BYTES_MAX = 64
SEQUENCE_BYTES_MAX = 64
_USER = re.compile(r"[A-Za-z0-9._@+=|:-]{1,64}")
_SEQUENCE = re.compile(r"[!-~]{1,64}")
_ID = re.compile(r"[0-9a-f]{32}")
_MS_MAX = (1 << 48) - 1
SHARD_MAX = (1 << 12) - 1

NO_ID = bytes(16)
"""As it is stored: before every id."""

FIRST_ID = "0" * 32
LAST_ID = "f" * 32


def check_user(user: str) -> str:
    """Return `user`, or refuse what cannot be a user id."""
    if not _USER.fullmatch(user):
        raise IMError(
            Code.BAD_REQUEST, "a user id is 1 to 64 characters of letters, digits and ._@+=|:-"
        )
    return user


def check_sequence(sequence: str) -> str:
    """Return `sequence`, or refuse what cannot be one."""
    if not _SEQUENCE.fullmatch(sequence):
        raise IMError(
            Code.BAD_REQUEST, "a sequence is 1 to 64 printable ASCII characters without spaces"
        )
    return sequence


def check_message_id(message_id: str) -> str:
    """Return `message_id`, or refuse what cannot be one."""
    if not _ID.fullmatch(message_id):
        raise IMError(Code.BAD_REQUEST, "a message id is 32 lower-case hex digits")
    return message_id


def message_id(time_ms: int, shard: int, version: int) -> str:
    """The id of the row that got `version` in `shard`'s log at `time_ms`, as 32 hex digits."""
    if not (0 <= time_ms <= _MS_MAX and 0 <= shard <= SHARD_MAX and 0 <= version < 1 << 62):
        raise ValueError("time, shard or version out of range")
    return f"{(time_ms << 80) | (8 << 76) | (shard << 64) | (2 << 62) | version:032x}"


def message_id_sql(shard: int, time_ms: str, version: str) -> str:
    """`message_id` as an expression of SQL, 16 bytes; time and version are expressions as well."""
    return (
        f"UNHEX(CONCAT(LPAD(HEX({time_ms}),12,'0'),'{0x8000 | shard:X}',HEX({1 << 63}+{version})))"
    )


def born_version(identifier: bytes) -> int:
    """The version with which the row of this id was stored; 0 for `NO_ID`.

    No row with a greater id was ever at a smaller version of its log.
    """
    return int.from_bytes(identifier[8:]) & ((1 << 62) - 1)


def message_shard(identifier: str) -> int:
    """The shard in whose log the row of this id was stored first."""
    return int(identifier[13:16], 16)


def message_time_ms(identifier: str) -> int:
    """When the row of this id was stored, in milliseconds since the epoch."""
    return int(identifier[:12], 16)
