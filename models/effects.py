"""What a row of the log does to the caches and connections of its mailbox's owner.

One call of a Lua script for some owners of a shard, all calls of a pass in one round trip. Guarded
by version: applying a row again changes nothing, so a delivery may be repeated at any time.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from models import keys
from models.fence import check_held
from models.log import Row
from models.mailbox import count_unread_with, mailbox_versions
from models.messages import encode_row
from models.redisclient import RedisError, Scripts, call_all, evalsha
from models.shards import Shard, ShardMap
from proto import im_pb2

RENEWED_SHARE = 0.05
"""Of the calls, so many let the hashes live longer: they live for days."""

ROWS_MAX = 100
FRAME_BYTES_MAX = 48 * 1024
"""Rows of one owner are published in pieces of at most about this, so that frames stay small."""

CALL_ROWS = 32
"""A call takes no more pieces once it has so many rows: while it runs Redis serves nobody else."""


@dataclass(slots=True)
class Piece:
    """Rows of one owner that are applied and published together."""

    user: str
    shard: Shard
    first: int
    after: int = 0  # last version of the piece before it in the same pass; 0: it is the first
    size: int = 0
    args: list[Any] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """How many they are."""
        return len(self.args) // 6

    @property
    def last(self) -> int:
        """Version of its newest row."""
        return int(self.args[-6])

    def is_full(self, blob: bytes) -> bool:
        """Whether one more row would be too much."""
        return self.size + len(blob) > FRAME_BYTES_MAX or len(self.args) >= 6 * ROWS_MAX


class Effects:
    """Applies rows to the mailboxes that live in the rows' shard."""

    def __init__(self, shards: ShardMap, client: Any, scripts: Scripts) -> None:
        self._shards = shards
        self._redis = client
        self._script = scripts.effects

    def apply(self, rows: Mapping[Shard, Sequence[Row]], token: str) -> None:
        """Apply rows (ascending versions per shard) and publish them; raise when Redis cannot.

        `token` holds the locks of their shards; raises `LockLost` when it does not any more.
        """
        pieces = self._pieces(rows)
        if not pieces:
            return
        answers = self._call(pieces, token, {})
        missing = [piece for piece, previous in zip(pieces, answers, strict=True) if previous == -1]
        if missing and -1 in self._call(missing, token, self._seeds(missing)):
            raise RedisError("keys vanish while rows are applied")

    def _pieces(self, rows: Mapping[Shard, Sequence[Row]]) -> list[Piece]:
        pieces: list[Piece] = []
        for shard, shard_rows in rows.items():
            recounts = self._recounts(shard, shard_rows)
            open_pieces: dict[str, Piece] = {}
            for row in shard_rows:
                blob = encode_row(row)
                for user in self._owners(shard, row):
                    piece = open_pieces.get(user)
                    if piece is None or piece.is_full(blob):
                        after = piece.last if piece else 0
                        piece = open_pieces[user] = Piece(user, shard, row.version, after)
                        pieces.append(piece)
                    piece.size += len(blob)
                    sent = user == row.sender
                    kind = "s" if sent else "w" if row.withdraw_time else "r"
                    peer = row.receiver if sent else row.sender
                    piece.args += (
                        row.version,
                        keys.conversation(im_pb2.PERSON, peer),
                        row.id.hex(),
                        kind,
                        recounts.get(row.id, "") if kind == "w" else "",
                        blob,
                    )
        return pieces

    def _owners(self, shard: Shard, row: Row) -> list[str]:
        owners = [row.sender] if self._shards.of_user(row.sender) is shard else []
        if row.receiver != row.sender and self._shards.of_user(row.receiver) is shard:
            owners.append(row.receiver)
        return owners

    def _call(
        self, pieces: Sequence[Piece], token: str, seeds: Mapping[tuple[str, int], int]
    ) -> list[int]:
        """Apply the pieces, in order; return the versions before them."""
        calls: list[list[Piece]] = []
        rows = 0
        for piece in pieces:
            if not calls or rows >= CALL_ROWS or piece.shard is not calls[-1][0].shard:
                calls.append([])
                rows = 0
            calls[-1].append(piece)
            rows += piece.rows

        def queue(pipe: Any) -> None:
            for group in calls:
                names: list[str] = []
                args: list[Any] = [token, keys.USER_TTL_S]
                for piece in group:
                    user = piece.user
                    names += (keys.latest(user), keys.contacts(user), keys.unread(user))
                    names += (keys.marks(user), keys.lease(user))
                    before = (
                        f">{piece.after}" if piece.after else seeds.get((user, piece.first), "")
                    )
                    renew = int(random.random() < RENEWED_SHARE)
                    args += (keys.channel(user), before, renew, piece.rows)
                    args += piece.args
                names.append(keys.shard_lock(group[0].shard.number))
                evalsha(pipe, self._script, names, args)

        versions = [*chain.from_iterable(call_all(self._redis, self._script, queue))]
        check_held(versions)
        return versions

    def _seeds(self, pieces: Sequence[Piece]) -> dict[tuple[str, int], int]:
        """For owners whose `latest` is gone: the mailbox version before their first row."""
        seeds: dict[tuple[str, int], int] = {}
        by_shard: dict[Shard, list[Piece]] = {}
        for piece in pieces:
            by_shard.setdefault(piece.shard, []).append(piece)
        for shard, group in by_shard.items():
            asked = [(piece.user, piece.first) for piece in group]
            versions = mailbox_versions(shard, asked)
            seeds.update(zip(asked, versions, strict=True))
        return seeds

    def _recounts(self, shard: Shard, rows: Sequence[Row]) -> dict[bytes, str]:
        """For recalled rows received here: `count:read id` of the conversation as of the row."""
        recalled = [
            row
            for row in rows
            if row.withdraw_time
            and row.sender != row.receiver
            and self._shards.of_user(row.receiver) is shard
        ]
        recounts = {}
        for row in recalled:
            count, read = count_unread_with(shard, row.receiver, row.sender, row.version)
            recounts[row.id] = f"{count}:{read.hex()}"
        return recounts
