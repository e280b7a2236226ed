"""Every Redis key, built here and nowhere else.

All of them are caches or signals: each may vanish at any time and is rebuilt from MySQL on next
use. Keys of one user share a hash tag, so they stay together wherever keys are spread.
"""

USER_TTL_S = 7 * 24 * 3600
"""Caches of a user nobody wrote to or read for this long are dropped."""

DIRTY = "dirty"
"""Hash: shard with undelivered rows → when a deliver task was called for (ms), 0 where it was left
to the delivery that has the shard.
"""

SERVER = "server"
"""String: run id of the Redis server for which the caches are true; see models/redisguard.py."""

WAKE = "wake"
"""Pub/sub channel: token of a delivery or nothing, a space, comma-separated shard numbers."""

LISTENER = "listener"
"""String: token of the one delivery that may wait for wake-ups when it is idle."""


SWEEPING = "sweeping"
"""String: token of the one sweep that is under way."""

CATCH_UP = "catch-up"
"""String: token of the one task that brings copies that waited."""


def answering(source: str, target: str) -> str:
    """String, for a moment: the target took all that waited in the source (1), or refused (0)."""
    return f"answering:{source}:{target}"


def latest(user: str) -> str:
    """String: version of the newest row of the mailbox that was published."""
    return f"latest:{{{user}}}"


def contacts(user: str) -> str:
    """Hash: conversation (`type:peer`) → id and encoded last message; `_` → version as of.

    The version counts for `unread` as well.
    """
    return f"contacts:{{{user}}}"


def unread(user: str) -> str:
    """Hash: conversation → count, no field when it is zero; `_` → 1."""
    return f"unread:{{{user}}}"


def marks(user: str) -> str:
    """Hash: conversation → read, cleared-sent and cleared-received ids, 96 hex digits, and `1` for
    one of which no notifications are wanted; `_` → 1.
    """
    return f"marks:{{{user}}}"


def lease(user: str) -> str:
    """String: token of whoever is rebuilding the user's hashes; gone when they must start over."""
    return f"lease:{{{user}}}"


def blacklist(user: str) -> str:
    """Set: the users this user blocks, and `NOBODY`: an empty set is not a missing one."""
    return f"blacklist:{{{user}}}"


BLACKLIST_EPOCH = "blacklist:epoch"
"""String: changes with every change of any block list; what processes remember goes with it."""


def blacklist_lease(user: str) -> str:
    """String: token of whoever is rebuilding the blacklist."""
    return f"blacklist-lease:{{{user}}}"


def channel(user: str) -> str:
    """Pub/sub channel of everything that goes to the user's connections."""
    return f"down:{{{user}}}"


def shard_lock(shard: int) -> str:
    """String: token of the deliver run that holds the shard."""
    return f"lock:shard:{shard}"


BEHIND = "groups-behind"
"""Set of groups whose members' unread counts are behind."""

BEHIND_CALLED = "groups-behind:called"
"""String with a short life: a task was called for these groups a moment ago."""


def group_version(group: str) -> str:
    """String: version of the newest row of the group that was published."""
    return f"group-version:{{{group}}}"


def group_window(group: str) -> str:
    """Zset: ids of the group's newest messages, scored by version."""
    return f"group:{{{group}}}"


def group_rows(group: str) -> str:
    """Hash: id → what it is, a line feed and the encoded message, for each id of the window.

    Field `_v` is the version it is true for; it lacks nothing above `_low`.
    """
    return f"group-rows:{{{group}}}"


def groups(user: str) -> str:
    """Set of "group version": the groups the user is in, and the rows they were joined by.

    And `_`, which tells an empty set from a missing one.
    """
    return f"groups:{{{user}}}"


def groups_lease(user: str) -> str:
    """String: token of whoever is rebuilding the set of groups."""
    return f"groups-lease:{{{user}}}"


def group_unread(user: str) -> str:
    """Hash: group → version:count:mentions:bound, counted behind the bound (an id) up to version.

    Believed only while version and bound are those of MySQL; see models/groupunread.py.
    """
    return f"group-unread:{{{user}}}"


def group_channel(group: str) -> str:
    """Pub/sub channel of everything that goes to the group's members."""
    return f"group:{{{group}}}"


def profile(user: str) -> str:
    """String: the user's profile as JSON; empty when the user centre knows none."""
    return f"profile:{{{user}}}"


def devices(user: str) -> str:
    """Hash: session id → JSON of a connection of the user; see models/registry.py."""
    return f"devices:{{{user}}}"


PROCESSES = "processes"
"""Set: the processes that hold connections, dead ones too until somebody buries them."""


def process(name: str) -> str:
    """String with a short life, renewed by a process that holds connections."""
    return f"process:{name}"


def attended(process: str) -> str:
    """Set: users with connections in this process."""
    return f"attended:{process}"


def presence(user: str) -> str:
    """Pub/sub channel: the user came or went."""
    return f"presence:{{{user}}}"


def rate(user: str) -> str:
    """Hash: the user's token bucket for sends."""
    return f"rate:{{{user}}}"


def ticket(digest: str) -> str:
    """String: the identity a one-use ticket stands for, by the ticket's SHA-256."""
    return f"ticket:{digest}"


def conversation(type_: int, peer: str) -> str:
    """Field of a user's hashes."""
    return f"{type_}:{peer}"


AS_OF = "_"
"""Field (or member) that says a cache is complete."""

NOBODY = "*"
"""The same in a set of user ids, none of which is an asterisk."""
