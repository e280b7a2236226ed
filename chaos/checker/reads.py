"""What was acknowledged as read is stored as read."""

from chaos.evidence import Evidence
from proto import im_pb2


def reads_are_stored(evidence: Evidence) -> list[str]:
    """The stored read position is at least each acknowledged one; users read what they received.

    That of a group goes with the membership: reads of an earlier stay are before its first row.
    """
    problems = []
    for op in evidence.ops:
        if not op.acked or not op.is_a(im_pb2.ReadRequest):
            continue
        peer, wanted = op.request.peer, op.request.id
        if op.request.type == im_pb2.GROUP:
            model = evidence.models[peer]
            if isinstance(model, AssertionError):
                continue
            member = model.now.members.get(op.user)
            if member is None or wanted < member.join:
                continue
        read = evidence.reads.get((op.user, peer), "")
        if read < wanted:
            problems.append(f"{op.user} read {peer} up to {wanted}, stored is {read or 'nothing'}")
    return problems
