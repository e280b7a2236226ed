"""A run proves nothing in which nothing was promised or nothing was pushed."""

from chaos.evidence import Evidence


def something_was_tested(evidence: Evidence) -> list[str]:
    """Sends were acknowledged, and both kinds of messages were pushed to somebody."""
    acked = any(op.acked for ops in evidence.sends.values() for op in ops)
    pushes = [push for person in evidence.people.values() for _, push in person.record.pushed]
    happened = {
        "no send was acknowledged": acked,
        "no message of a mailbox was pushed": any(not push.group for push in pushes),
        "no message of a group was pushed": any(push.group for push in pushes),
    }
    return [problem for problem, did in happened.items() if not did]
