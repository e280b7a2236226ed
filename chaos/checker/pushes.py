"""What was pushed: between its `previous` and its last version a push lacks nothing of the log."""

from collections.abc import Sequence

from chaos.evidence import Evidence
from chaos.groupmodel import Model, place_of
from dev.store import Stored
from proto import im_pb2


def group_pushes_lack_nothing(evidence: Evidence) -> list[str]:
    """Who has everything up to `previous` has everything up to the last version, taking the push.

    Pushes may be lost, and may come twice; so each is held against the log and not against the one
    before it. A hole between two is what clients sync for, and what they show then is compared
    elsewhere.
    """
    problems = []
    for user, person in evidence.people.items():
        for _, push in person.record.pushed:
            model = evidence.models.get(push.group)
            if isinstance(model, Model):
                where = f"{user} was pushed {push.group} behind {push.previous}"
                problems += [f"{where}: {problem}" for problem in _wrong(push, model.rows)]
    return problems


def _wrong(push: im_pb2.MessagesPush, rows: Sequence[Stored]) -> list[str]:
    """A row that was recalled has moved: it must be where it is now, and may be where it was."""
    versions = [push.previous, *(message.version for message in push.messages)]
    if versions != sorted(set(versions)):
        return [f"versions {versions} do not ascend"]
    problems = []
    stored = {row.id: row for row in rows}
    for message in push.messages:
        row = stored.get(message.id)
        if row is None or message.version not in (place_of(row.id), row.version):
            problems.append(f"{message.id} at {message.version}, which is not in the log")
    pushed = {message.id for message in push.messages}
    problems += [
        f"lacks {row.id} at {row.version}"
        for row in rows
        if push.previous < row.version <= versions[-1] and row.id not in pushed
    ]
    return problems
