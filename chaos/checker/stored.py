"""Acknowledged is stored, once in every mailbox entitled to it; refused is not; no more is."""

from collections import Counter

from chaos.evidence import Evidence
from chaos.record import Op
from dev.store import Stored, bucket_of
from proto import im_pb2


def _rows_by_sequence(evidence: Evidence) -> dict[tuple[str, str], list[Stored]]:
    found: dict[tuple[str, str], list[Stored]] = {}
    for row in evidence.rows:
        if row.sender:
            found.setdefault((row.sender, row.sequence), []).append(row)
    return found


def acknowledged_is_stored_once(evidence: Evidence) -> list[str]:
    """Once in the sender's shard and the receiver's, or in the group's; the rows agree."""
    problems = []
    rows = _rows_by_sequence(evidence)
    for key, ops in evidence.sends.items():
        found = rows.get(key, [])
        if any(op.acked for op in ops) or found:
            problems += _lies_right(evidence, ops[0], found)
        if acked := next((op for op in ops if op.acked), None):
            ids = {row.id for row in found}
            if acked.answer.id not in ids:
                problems.append(f"{key[1]} was acked as {acked.answer.id}, stored is {ids or 0}")
    return problems


def _lies_right(evidence: Evidence, op: Op, found: list[Stored]) -> list[str]:
    request = op.request
    name = request.sequence
    places = Counter(row.shard.number for row in found)
    if request.type == im_pb2.GROUP:
        if sum(places.values()) != 1:
            return [f"{name} to a group lies in {dict(places)}"]
    elif places != Counter(shard.number for shard in evidence.homes(op)):
        wanted = sorted(shard.number for shard in evidence.homes(op))
        return [f"{name} lies in {dict(places)} (shard: rows), not once in each of {wanted}"]
    if (
        len(
            {(row.id, row.receiver, row.content, row.send_time, row.withdraw_time) for row in found}
        )
        > 1
    ):
        return [f"the rows of {name} differ"]
    for row in found:
        owner = _owner(evidence, row, request)
        if row.bucket != bucket_of(owner):
            return [f"{name} of {owner} is in bucket {row.bucket}, not {bucket_of(owner)}"]
    row = found[0]
    if row.receiver != request.receiver:
        return [f"{name} went to {row.receiver}"]
    if not row.withdraw_time and im_pb2.Content.FromString(row.content) != request.content:
        return [f"{name} is stored with another body"]
    return []


def _owner(evidence: Evidence, row: Stored, request: im_pb2.SendRequest) -> str:
    """Whose log the row is of: the group's, or the sender's where both mailboxes lie there."""
    of_sender = request.type != im_pb2.GROUP and evidence.store.shard_of(row.sender) == row.shard
    return row.sender if of_sender else row.receiver


def refused_is_absent(evidence: Evidence) -> list[str]:
    """What was refused, and never in doubt, is not stored."""
    rows = _rows_by_sequence(evidence)
    return [
        f"{key[1]} was refused ({ops[0].answer.error.name}) and is stored"
        for key, ops in evidence.sends.items()
        if all(op.refused for op in ops) and key in rows
    ]


def nothing_else_is_stored(evidence: Evidence) -> list[str]:
    """Every row was sent by somebody, and no (sender, sequence) names two messages."""
    problems = []
    for key, rows in _rows_by_sequence(evidence).items():
        if key not in evidence.sends:
            problems.append(f"{key} was never sent")
        if len(ids := {row.id for row in rows}) > 1:
            problems.append(f"{key[1]} is {len(ids)} messages")
    return problems


def resends_get_the_first_answer(evidence: Evidence) -> list[str]:
    """However often it is sent."""
    problems = []
    for key, ops in evidence.sends.items():
        answers = {(op.answer.id, op.answer.send_time) for op in ops if op.acked}
        if len(answers) > 1:
            problems.append(f"{key[1]} was acked as {sorted(answers)}")
    return problems
