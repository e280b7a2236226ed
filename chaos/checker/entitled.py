"""Nothing reached who is not entitled to it, and no answer was what no answer may be."""

from collections import Counter

from chaos.evidence import Evidence
from chaos.groupmodel import CLOCK_MS, is_theirs
from chaos.record import Op
from proto import im_pb2

NEVER = ("INTERNAL", "UNKNOWN_COMMAND", "BAD_REQUEST", "SEQUENCE_CONFLICT")
FOREVER_MS = 1 << 62


def blocked_reach_nobody(evidence: Evidence) -> list[str]:
    """What was sent while its sender was blocked, from the answer on, is not stored.

    What was sent before that, or is stored after it was taken back, may be: also when it was asked
    for in between, and given up.
    """
    problems = []
    stored_ms = {(row.sender, row.sequence): row.send_time for row in evidence.rows}
    blocks = _blocks(evidence)
    for key, ops in evidence.sends.items():
        first = ops[0]
        spans = blocks.get((first.request.receiver, first.user), [])
        for begin_ms, end_ms in spans:
            time_ms = stored_ms.get(key, FOREVER_MS)
            if begin_ms + CLOCK_MS < first.begin_ms and time_ms + CLOCK_MS < end_ms:
                problems.append(f"{key[1]} reached {first.request.receiver}, who blocks the sender")
    return problems


def _blocks(evidence: Evidence) -> dict[tuple[str, str], list[tuple[int, int]]]:
    """By who blocks and who is blocked: from the answer to the next request to unblock."""
    spans: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for person in evidence.people.values():
        began: dict[str, Op] = {}
        for op in person.record.ops:
            if op.is_a(im_pb2.BlockRequest) and op.acked:
                began.setdefault(op.request.user, op)
            elif op.is_a(im_pb2.UnblockRequest) and op.request.user in began:
                start = began.pop(op.request.user).end_ms
                spans.setdefault((op.user, op.request.user), []).append((start, op.begin_ms))
        for user, op in began.items():
            spans.setdefault((op.user, user), []).append((op.end_ms, FOREVER_MS))
    return spans


def groups_reach_members_only(evidence: Evidence) -> list[str]:
    """What was pushed of a group is of a time when the user was in it."""
    problems = []
    for user, person in evidence.people.items():
        for _, push in person.record.pushed:
            model = evidence.models.get(push.group)
            if model is None or isinstance(model, AssertionError):
                continue
            stays = model.stays(user)
            problems += [
                f"{user} was pushed {message.id} of {push.group}, stays {stays}"
                for message in push.messages
                if not is_theirs(message, stays, empty=not message.content.ByteSize())
            ]
    return problems


def complaints(evidence: Evidence) -> list[str]:
    """What clients noted, and errors that only a fault of the server gives."""
    problems = [
        f"{user}: {complaint}"
        for user, person in evidence.people.items()
        for complaint in person.record.complaints
    ]
    answers = Counter(
        (type(op.request).__name__, error) for op in evidence.ops for _, error in op.answers
    )
    for person in evidence.people.values():
        answers.update(person.record.asked)
    problems += [
        f"{name} was answered {error}, {times} times"
        for (name, error), times in answers.items()
        if error in NEVER
    ]
    return problems
