"""What was recalled is nowhere any more, and bodies are in no log."""

from collections.abc import Iterator
from typing import Any

from chaos.evidence import Evidence
from chaos.record import TEXT, body_of
from proto import im_pb2


def recalled_is_nowhere(evidence: Evidence) -> list[str]:
    """Not in tables, in Redis or on screens; what groups show is compared elsewhere.

    What is withdrawn was recalled, whether the answer came or not.
    """
    problems = []
    asked = [op for op in evidence.ops if op.is_a(im_pb2.RecallRequest)]
    withdrawn = {row.id for row in evidence.rows if row.withdraw_time}
    recalled = withdrawn | {op.request.id for op in asked if op.acked}
    cached = [b"\n".join(_bytes(dump)) for dump in evidence.redis]
    for identifier in sorted(recalled):
        rows = evidence.by_id.get(identifier, [])
        problems += [
            f"{identifier} is not withdrawn in shard {row.shard.number}"
            for row in rows
            if not row.withdraw_time or row.content
        ]
        if rows and any(body_of(rows[0].sequence).encode() in dump for dump in cached):
            problems.append(f"the body of {identifier} is in Redis")
        problems += [
            f"{user} still shows {identifier}"
            for user, person in evidence.people.items()
            if identifier in person.view.messages
            and person.view.messages[identifier].content.ByteSize()
        ]
    possible = {op.request.id for op in asked if not op.refused}
    problems += [f"{one} is withdrawn, and nobody did it" for one in sorted(withdrawn - possible)]
    return problems


def logs_hold_no_bodies(evidence: Evidence) -> list[str]:
    """Of no process."""
    return [f"{name} logs bodies" for name, text in evidence.logs.items() if TEXT in text]


def _bytes(value: Any) -> Iterator[bytes]:
    if isinstance(value, bytes):
        yield value
    elif isinstance(value, str):
        yield value.encode()
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from _bytes(key)
            yield from _bytes(one)
    elif isinstance(value, list):
        for one in value:
            yield from _bytes(one)
