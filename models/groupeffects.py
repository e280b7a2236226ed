"""What a row of a group's log does: the index of who came and went, the window, the downlink.

One publish per group and pass, whatever its size: each process forwards to the members it holds.
Repeating a row changes nothing. The order matters for who is removed: their index goes first, then
the row is published with their name, and what comes behind it is published behind it.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from models import keys
from models.fence import check_held
from models.groupcache import cached_args
from models.groupchange import membership_changes, read_system
from models.groups import member_counts
from models.log import Row
from models.membership import Change, Memberships
from models.mysql import Connection, Rows
from models.redisclient import RedisError, Scripts, call_all, evalsha
from models.settings import Settings
from models.shards import Shard, ShardMap

ROWS_MAX = 100
FRAME_BYTES_MAX = 48 * 1024
COUNTED_S = 5.0
"""How many members a group has is asked for this often: it decides on nothing but work."""


@dataclass(slots=True)
class Piece:
    """Rows of one group for one call of the script."""

    group: str
    shard: Shard
    first: int
    after: int = 0  # last version of the piece before it in the same pass; 0: it is the first
    size: int = 0
    args: list[Any] = field(default_factory=list)
    joined: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    @property
    def last(self) -> int:
        """Version of its newest row."""
        return int(self.args[-4])

    def is_full(self, blob: bytes) -> bool:
        """Whether one more row would be too much, or must come behind somebody's going."""
        full = self.size + len(blob) > FRAME_BYTES_MAX or len(self.args) >= 4 * ROWS_MAX
        return full or bool(self.left)


class GroupEffects:
    """Applies rows of groups' logs."""

    def __init__(
        self,
        settings: Settings,
        shards: ShardMap,
        client: Any,
        scripts: Scripts,
        memberships: Memberships,
    ) -> None:
        self._settings = settings
        self._shards = shards
        self._members: dict[str, int] = {}
        self._counted_until = 0.0
        self._redis = client
        self._script = scripts.group_apply
        self._memberships = memberships

    def apply(self, rows: Mapping[Shard, Sequence[Row]], token: str) -> set[str]:
        """Apply rows (ascending versions per shard) and publish them; raise when a store cannot.

        `token` holds the locks of their shards; raises `LockLost` when it does not any more.
        Returns the groups that are small enough for their members' counts to be kept up to date.
        """
        changes: list[Change] = []
        pieces = self._pieces(rows, changes)
        if not pieces:
            return set()
        self._memberships.write(changes)
        answers = self._call(pieces, token, {})
        missing = [piece for piece, previous in zip(pieces, answers, strict=True) if previous == -1]
        if missing and -1 in self._call(missing, token, _seeds(missing)):
            raise RedisError("keys vanish while rows are applied")
        return self._small(pieces)

    def _pieces(self, rows: Mapping[Shard, Sequence[Row]], changes: list[Change]) -> list[Piece]:
        pieces: list[Piece] = []
        for shard, shard_rows in rows.items():
            open_pieces: dict[str, Piece] = {}
            for row in shard_rows:
                group = row.receiver
                args = cached_args(row)
                piece = open_pieces.get(group)
                if piece is None or piece.is_full(args[-1]):
                    after = piece.last if piece else 0
                    piece = open_pieces[group] = Piece(group, shard, row.version, after)
                    pieces.append(piece)
                piece.size += len(args[-1])
                piece.args += args
                system = read_system(row)
                if system is not None:
                    made = membership_changes(row, system, self._settings.group_history)
                    changes += made
                    piece.joined += [change.user for change in made if change.joined]
                    piece.left += [change.user for change in made if not change.joined]
        return pieces

    def _call(
        self, pieces: Sequence[Piece], token: str, seeds: Mapping[tuple[str, int], int]
    ) -> list[int]:
        """Run the script for each piece, in order; return the versions before them."""

        def queue(pipe: Any) -> None:
            for piece in pieces:
                group = piece.group
                names = [keys.group_version(group), keys.group_window(group)]
                names += [keys.group_rows(group), keys.shard_lock(piece.shard.number)]
                args = [
                    keys.group_channel(group),
                    f">{piece.after}" if piece.after else seeds.get((group, piece.first), ""),
                    self._settings.group_cache_messages,
                    keys.USER_TTL_S,
                    ",".join(piece.left),
                    token,
                    *piece.args,
                ]
                evalsha(pipe, self._script, names, args)
                for user in piece.joined:
                    pipe.publish(keys.channel(user), f"j{group}")

        answers = iter(call_all(self._redis, self._script, queue))
        versions = []
        for piece in pieces:
            versions.append(next(answers))
            for _ in piece.joined:
                next(answers)
        check_held(versions)
        return versions

    def _small(self, pieces: Sequence[Piece]) -> set[str]:
        groups = {piece.group for piece in pieces}
        if time.monotonic() > self._counted_until:
            self._members.clear()
            self._counted_until = time.monotonic() + COUNTED_S
        unknown = groups - self._members.keys()
        for database, names in self._shards.groups_by_database(unknown).items():
            self._members |= member_counts(database, names)
        most = self._settings.group_fanout_max
        return {group for group in groups if self._members.get(group, 0) <= most}


def _seeds(pieces: Sequence[Piece]) -> dict[tuple[str, int], int]:
    """For groups whose published version is gone: the version before their first row."""
    by_shard: dict[Shard, list[Piece]] = {}
    for piece in pieces:
        by_shard.setdefault(piece.shard, []).append(piece)
    seeds: dict[tuple[str, int], int] = {}
    for shard, group in by_shard.items():
        rows = shard.database.retried(partial(_versions_before, shard=shard, pieces=group))
        for piece, ((version,),) in zip(group, rows, strict=True):
            seeds[piece.group, piece.first] = int(version)
    return seeds


def _versions_before(connection: Connection, shard: Shard, pieces: Sequence[Piece]) -> list[Rows]:
    return connection.run(
        [
            connection.sql(
                f"SELECT COALESCE(MAX(version), 0) FROM {shard.table}"
                " WHERE receiver = %s AND version < %s",
                (piece.group, piece.first),
            )
            for piece in pieces
        ]
    )
