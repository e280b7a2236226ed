"""The devices users were seen on, and the tokens users took back: kept in MySQL.

A device's row lies in its user's database and is written when a connection ends. Tokens taken back
lie in the first database, for every process to read; only their SHA-256 is kept.
"""

import hashlib
import math
import random
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from models.mysql import Connection, Database, placeholders
from models.shards import ShardMap
from models.usercentre.tokens import Identity

ROWS_PER_STATEMENT = 500
LISTED_MAX = 100
KEPT_DAYS = 180
"""A device unseen for longer is forgotten."""

PURGED_SHARE = 0.01  # of the writes forget some
PURGED_MAX = 1000

NEVER = (1 << 53) - 1  # epoch seconds


class Seen(NamedTuple):
    """A device as it was last seen."""

    user: str
    device: str
    platform: str
    class_: int
    last_seen: int  # ms
    token_digest: str
    token_expires: int  # epoch seconds


def token_digest(identity: Identity) -> str:
    """What is kept of a token: SHA-256 of its id, in hex."""
    return hashlib.sha256(identity.token_id.encode()).hexdigest()


def expiry(seconds: float) -> int:
    """A token's expiry as MySQL keeps it."""
    return NEVER if math.isinf(seconds) else min(int(seconds) + 1, NEVER)


class Devices:
    """Devices of all users."""

    def __init__(self, shards: ShardMap) -> None:
        self._shards = shards

    def write(self, seen: Iterable[Seen]) -> None:
        """Record devices; older news than what is known changes nothing."""
        groups: dict[Database, list[Seen]] = {}
        for item in seen:
            groups.setdefault(self._shards.of_user(item.user).database, []).append(item)
        for database, items in groups.items():
            items.sort()  # everybody locks in the same order
            for start in range(0, len(items), ROWS_PER_STATEMENT):
                _write(database, items[start : start + ROWS_PER_STATEMENT])
            if random.random() < PURGED_SHARE:
                database.execute(
                    "DELETE FROM device WHERE last_seen < (UNIX_TIMESTAMP() - %s) * 1000 LIMIT %s",
                    (KEPT_DAYS * 24 * 3600, PURGED_MAX),
                )

    def of_user(self, user: str) -> list[Seen]:
        """The user's devices, the last seen first."""
        rows = self._shards.of_user(user).database.query(
            "SELECT user, device, platform, class, last_seen, LOWER(HEX(token)), token_expires"
            " FROM device WHERE user = %s ORDER BY last_seen DESC LIMIT %s",
            (user, LISTED_MAX),
        )
        return [Seen._make(row) for row in rows]

    def last_seen(self, users: Sequence[str]) -> dict[str, int]:
        """When each of these users was last seen, in ms; without those who never were."""
        groups: dict[Database, list[str]] = {}
        for user in users:
            groups.setdefault(self._shards.of_user(user).database, []).append(user)
        found: dict[str, int] = {}
        for database, group in groups.items():
            found.update(
                database.query(
                    "SELECT user, MAX(last_seen) FROM device"
                    f" WHERE user IN ({placeholders(len(group))}) GROUP BY user",
                    group,
                )
            )
        return found

    # ------------------------------------------------------------ tokens taken back

    def take_back(self, tokens: Iterable[tuple[str, int]]) -> None:
        """Refuse these (digest, expiry) from now on; forgets some that have expired."""
        rows = list(tokens)
        if not rows:
            return

        def work(connection: Connection) -> None:
            connection.execute(
                f"INSERT INTO logout (token, expires) VALUES {_values(len(rows), '(UNHEX(%s),%s)')}"
                " ON DUPLICATE KEY UPDATE expires = GREATEST(expires, VALUES(expires))",
                [value for row in rows for value in row],
            )

        catalog = self._shards.databases[0]
        catalog.transact(work)
        catalog.execute("DELETE FROM logout WHERE expires < UNIX_TIMESTAMP() LIMIT 100")

    def taken_back(self, within_s: int | None) -> list[tuple[str, int]]:
        """(digest, expiry) of tokens taken back in the last seconds, or of all."""
        recent = "" if within_s is None else " AND since > NOW() - INTERVAL %s SECOND"
        rows = self._shards.databases[0].query(
            "SELECT LOWER(HEX(token)), expires FROM logout WHERE expires >= UNIX_TIMESTAMP()"
            + recent,
            () if within_s is None else (within_s,),
        )
        return [(digest, expires) for digest, expires in rows]


def _write(database: Database, items: Sequence[Seen]) -> None:
    values = [
        value for item in items for value in (*item[:5], item.token_digest, item.token_expires)
    ]
    newer = "VALUES(last_seen) >= last_seen"
    database.execute(
        "INSERT INTO device (user, device, platform, class, last_seen, token, token_expires)"
        f" VALUES {_values(len(items), '(%s,%s,%s,%s,%s,UNHEX(%s),%s)')} ON DUPLICATE KEY UPDATE"
        f" platform = IF({newer}, VALUES(platform), platform),"
        f" class = IF({newer}, VALUES(class), class),"
        f" token = IF({newer}, VALUES(token), token),"
        f" token_expires = IF({newer}, VALUES(token_expires), token_expires),"
        " last_seen = GREATEST(last_seen, VALUES(last_seen))",
        values,
    )


def _values(count: int, one: str) -> str:
    return ",".join([one] * count)
