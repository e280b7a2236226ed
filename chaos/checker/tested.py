"""A run proves nothing in which nothing was promised, pushed, recalled, blocked or cached."""

from chaos.evidence import Evidence
from proto import im_pb2

ENOUGH = 5000
"""Of so many acknowledged sends some were repeated, recalled, blocked and so on, by chance."""


def something_was_tested(evidence: Evidence) -> list[str]:
    """Sends were acknowledged, and both kinds of messages were pushed; in long runs, all else."""
    acked = sum(any(op.acked for op in ops) for ops in evidence.sends.values())
    pushes = [push for person in evidence.people.values() for _, push in person.record.pushed]
    happened = {
        "no send was acknowledged": acked > 0,
        "no message of a mailbox was pushed": any(not push.group for push in pushes),
        "no message of a group was pushed": any(push.group for push in pushes),
    }
    if acked >= ENOUGH:
        happened |= _everything(evidence)
    return [problem for problem, did in happened.items() if not did]


def _everything(evidence: Evidence) -> dict[str, bool]:
    """What the other checks are about."""
    done = {type(op.request) for op in evidence.ops if op.acked}
    errors = {name for op in evidence.ops for _, name in op.answers}
    keys = {key.partition(":")[0] for dump in evidence.redis for key in dump}
    return {
        "no resend was acknowledged": any(
            sum(op.acked for op in ops) > 1 for ops in evidence.sends.values()
        ),
        "nothing was recalled": im_pb2.RecallRequest in done,
        "nothing was read": im_pb2.ReadRequest in done,
        "nobody was removed from a group": im_pb2.GroupRemoveRequest in done,
        "no send was refused because of a block": "BLOCKED" in errors,
        "no contact list was in Redis": "contacts" in keys,
        "no group was in Redis": "group-rows" in keys,
    }
