"""Append a batch of sends to the logs of their senders' mailboxes or groups: in one transaction.

Design: DESIGN.md, "The log". Copies for receivers whose mailbox lies in another shard of the same
database are part of it (docs/decisions/019-copies-within-a-database.md). One round trip and one
fsync serve the whole batch, two round trips where sends to groups are to be judged.

What if the process dies after each step: before COMMIT nothing is stored and nobody was answered;
after it the rows are stored, the senders repeat with the same sequence and get the first answer,
and the sweep delivers. A send to a group is judged inside the transaction (models/groupsend.py).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain

import pymysql
from pymysql.constants import ER

from models.errors import Code, IMError
from models.groupsend import Speech, ask_statement, store_statements, verdicts
from models.ids import message_id
from models.log import (
    Birth,
    Entry,
    Position,
    Row,
    advance_statements,
    append_entries,
    find_by_sequence,
    insert_statement,
    positions,
)
from models.mysql import Connection, Database, Rows
from models.shards import Shard, bucket_of
from proto import im_pb2

DUPLICATE_ROUNDS_MAX = 3


Key = tuple[int, str, str]
"""What makes a send the same one again: shard, sender and sequence."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A checked send, ready to be stored."""

    shard: Shard  # of the sender's mailbox, or of the group
    bucket: int
    sender: str
    receiver: str
    sequence: str
    content: bytes
    speech: Speech | None = None  # to a group
    copy_to: Shard | None = None
    """Of the receiver's mailbox, where that is another one of the same database."""

    @property
    def key(self) -> Key:
        return (self.shard.number, self.sender, self.sequence)

    @property
    def logs(self) -> tuple[Shard, ...]:
        """The shards it is stored in."""
        return (self.shard, self.copy_to) if self.copy_to else (self.shard,)

    @property
    def size(self) -> int:
        """Bytes of content on the way to the database."""
        return len(self.content) * len(self.logs)


@dataclass(frozen=True, slots=True)
class Stored:
    """The answer to a send, the same for every repetition of it."""

    id: str
    send_time: int  # ms


Outcome = Stored | IMError


def append(database: Database, drafts: Sequence[Draft]) -> list[Outcome]:
    """Store drafts of one database; return an outcome for each, in order.

    Atomic for the drafts that are to be stored: all of them or none. A repetition gets the first
    answer, a different message under a used sequence SEQUENCE_CONFLICT. Per sender, rows
    enter the log in the order of `drafts`. Raises `IMError` when nothing is known to be stored.
    """
    outcomes: dict[Key, Outcome] = {}
    firsts: dict[Key, Draft] = {}
    conflicts: set[int] = set()
    for index, draft in enumerate(drafts):
        first = firsts.setdefault(draft.key, draft)
        if first is not draft and not _same(draft, first.receiver, first.content):
            conflicts.add(index)
    pending = list(firsts.values())
    for _ in range(DUPLICATE_ROUNDS_MAX):
        answered, pending = database.retried(partial(_store, drafts=pending))
        outcomes.update(answered)
        if not pending:
            break
    else:
        raise IMError(Code.UNAVAILABLE, "the batch kept colliding with other writers")
    return [
        _conflict() if index in conflicts else outcomes[draft.key]
        for index, draft in enumerate(drafts)
    ]


def stored_before(database: Database, drafts: Sequence[Draft]) -> dict[Key, Outcome]:
    """The answers to those of the drafts that are repetitions; raises `IMError`."""
    return database.retried(partial(_resolve, drafts=drafts))


def _store(
    connection: Connection, drafts: Sequence[Draft]
) -> tuple[dict[Key, Outcome], list[Draft]]:
    """Outcomes, and what is to be tried again: where rows were there before, nothing is stored."""
    try:
        return _insert(connection, drafts), []
    except pymysql.IntegrityError as error:
        if error.args[0] != ER.DUP_ENTRY:
            raise
    connection.execute("ROLLBACK")
    outcomes = _resolve(connection, drafts)
    left = [draft for draft in drafts if draft.key not in outcomes]
    taken = _taken_at_receivers(connection, left)
    outcomes.update({key: _conflict() for key, same in taken.items() if not same})
    return outcomes, [
        replace(draft, copy_to=None) if draft.key in taken else draft
        for draft in left
        if draft.key not in outcomes
    ]


def _insert(connection: Connection, drafts: Sequence[Draft]) -> dict[Key, Outcome]:
    """The transaction: lock and advance the counters, judge, insert, commit."""
    logs = _grouped((shard, draft) for draft in drafts for shard in draft.logs)
    if any(shard.is_group for shard in logs):
        return _insert_judged(connection, logs)
    births = {
        draft.key: Birth(shard.number, behind)
        for shard, group in logs.items()
        for behind, draft in enumerate(reversed(group))
        if draft.shard is shard
    }
    entries = {
        shard: [Entry(_row(draft, shard), births[draft.key]) for draft in group]
        for shard, group in logs.items()
    }
    return {
        draft.key: _stored(start, shard, version)
        for shard, start in append_entries(connection, entries).items()
        for version, draft in enumerate(logs[shard], start.first)
        if draft.shard is shard
    }


def _insert_judged(connection: Connection, logs: Mapping[Shard, list[Draft]]) -> dict[Key, Outcome]:
    """The same where sends to groups are among them, in two round trips."""
    counts = {shard.number: len(group) for shard, group in logs.items()}
    drafts = chain(*logs.values())
    asked = dict.fromkeys((d.receiver, d.sender) for d in drafts if d.speech is not None)
    begin = ["BEGIN", *advance_statements(connection, counts)]
    answers = connection.run([*begin, ask_statement(connection, asked)])
    starts = positions(answers[len(begin) - 1], counts)
    outcomes: dict[Key, Outcome] = {}
    stored: dict[Key, Stored] = {}
    statements = []
    for shard, group in logs.items():
        if shard.is_group:
            refused = _judge(connection, group, answers[-1], starts[shard.number], outcomes)
            if refused:
                group[:] = [draft for draft in group if draft.key not in outcomes]
                statements.append(
                    connection.sql(
                        "UPDATE shard_log SET version = version - %s WHERE shard = %s",
                        (refused, shard.number),
                    )
                )
        for version, draft in enumerate(group, starts[shard.number].first):
            if draft.shard is shard:
                stored[draft.key] = _stored(starts[shard.number], shard, version)
    for shard, group in logs.items():
        if not group:
            continue
        rows = [
            _row(draft, shard)._replace(
                id=bytes.fromhex(stored[draft.key].id),
                version=version,
                send_time=stored[draft.key].send_time,
            )
            for version, draft in enumerate(group, starts[shard.number].first)
        ]
        statements.append(insert_statement(connection, shard, rows))
        if shard.is_group:
            speeches = [draft.speech or Speech() for draft in group]
            statements += store_statements(connection, rows, speeches)
    connection.run([*statements, "COMMIT"])
    return outcomes | stored


def _judge(
    connection: Connection,
    drafts: Sequence[Draft],
    members: Rows,
    start: Position,
    outcomes: dict[Key, Outcome],
) -> int:
    """Answer the drafts that may not be stored; returns how many those are.

    Who sent something before they were removed, and repeats it, gets the first answer.
    """
    asked = [(draft.receiver, draft.sender, draft.speech or Speech()) for draft in drafts]
    refused: list[Draft] = []
    for draft, verdict in zip(drafts, verdicts(members, asked, start.clock_ms), strict=True):
        if verdict is not None:
            outcomes[draft.key] = verdict
            refused.append(draft)
    if refused:
        outcomes.update(_resolve(connection, refused))
    return len(refused)


def _grouped(places: Iterable[tuple[Shard, Draft]]) -> dict[Shard, list[Draft]]:
    groups: dict[Shard, list[Draft]] = {}
    for shard, draft in places:
        groups.setdefault(shard, []).append(draft)
    return groups


def _row(draft: Draft, shard: Shard) -> Row:
    """The row of a draft in one of its logs, as far as it is known before it has a place there."""
    return Row(
        id=b"",
        version=0,
        sequence=draft.sequence,
        sender=draft.sender,
        receiver=draft.receiver,
        shard=draft.bucket if shard is draft.shard else bucket_of(draft.receiver),
        content=draft.content,
        send_time=0,
        withdraw_time=0,
    )


def _stored(start: Position, shard: Shard, version: int) -> Stored:
    return Stored(message_id(start.clock_ms, shard.number, version), start.clock_ms)


def _resolve(connection: Connection, drafts: Sequence[Draft]) -> dict[Key, Outcome]:
    """Outcomes of the drafts that are stored already."""
    return {
        draft.key: Stored(row.id.hex(), row.send_time) if same else _conflict()
        for draft, row, same in _earlier(connection, [(draft.shard, draft) for draft in drafts])
    }


def _taken_at_receivers(connection: Connection, drafts: Sequence[Draft]) -> dict[Key, bool]:
    """Drafts whose sequence is taken where their copy goes; whether by the same message.

    So it is when the sender's table lost rows that are still at the receivers', and they are sent
    again: those are stored, and not copied once more.
    """
    places = [(draft.copy_to, draft) for draft in drafts if draft.copy_to]
    return {draft.key: same for draft, _, same in _earlier(connection, places)}


def _earlier(
    connection: Connection, places: Iterable[tuple[Shard, Draft]]
) -> Iterator[tuple[Draft, Row, bool]]:
    """Rows there that have the sequence of their draft, and whether they say the same."""
    for shard, group in _grouped(places).items():
        found = find_by_sequence(connection, shard, [(d.sender, d.sequence) for d in group])
        for draft in group:
            if row := found.get((draft.sender, draft.sequence)):
                same = row.receiver == draft.receiver and (
                    row.withdraw_time > 0 or _same(draft, row.receiver, row.content)
                )
                yield draft, row, same


def _same(draft: Draft, receiver: str, content: bytes) -> bool:
    """Whether two messages say the same, encoded by whichever client."""
    if draft.receiver != receiver:
        return False
    if draft.content == content:
        return True
    return im_pb2.Content.FromString(draft.content) == im_pb2.Content.FromString(content)


def _conflict() -> IMError:
    return IMError(Code.SEQUENCE_CONFLICT, "this sequence was used for a different message")
