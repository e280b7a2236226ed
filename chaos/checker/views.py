"""What clients show in the end is what is stored; each message once, and in order."""

from itertools import pairwise

from chaos.evidence import Evidence, Person
from chaos.groupmodel import Model, is_theirs
from dev.store import Stored
from proto import im_pb2


def views_equal_mailboxes(evidence: Evidence) -> list[str]:
    """The client that lived through it, and a new one, show each row as MySQL has it."""
    problems = []
    for user, person in evidence.people.items():
        wanted = {row.id: of_row(row) for row in evidence.mailboxes[user]}
        kept = {message.id: of_message(message) for message in person.view.messages.values()}
        synced = [of_message(message) for message in person.synced]
        if kept != wanted:
            problems.append(f"{user} shows another mailbox: {_difference(kept, wanted)}")
        if synced != [*wanted.values()]:
            got = {str(one[0]): one for one in synced}
            problems.append(f"a sync of {user} reads another: {_difference(got, wanted)}")
    return problems


def shown_once_and_in_order(evidence: Evidence) -> list[str]:
    """No message came twice as a new one, and each sender's came in the order they were sent."""
    problems = []
    for user, person in evidence.people.items():
        problems += [f"{user} was shown {identifier} twice" for identifier in person.view.twice]
        shown = [person.view.messages[identifier] for identifier in person.view.shown]
        names = [(message.sender, message.sequence) for message in shown]
        if len(set(names)) < len(names):
            problems.append(f"{user} was shown {len(names) - len(set(names))} messages twice")
        for sender in evidence.people:
            sequences = [
                message.sequence
                for message in shown
                if message.sender == sender and _is_in_order(evidence, message)
            ]
            problems += [
                f"{user} was shown {one} before {other}"
                for one, other in pairwise(sequences)
                if one > other
            ]
    return problems


def _is_in_order(evidence: Evidence, message: im_pb2.Message | Stored) -> bool:
    """Whether the sender waited for its ack: who gave up may see it stored late."""
    ops = evidence.sends.get((message.sender, message.sequence), [])
    return bool(ops) and ops[0].acked


def group_views_equal_groups(evidence: Evidence) -> list[str]:
    """Members have all of their time in it, as the log has it; what they hold is of that time.

    In the log, each sender's messages are in the order they were sent.
    """
    problems = []
    for group, model in evidence.models.items():
        if isinstance(model, AssertionError):
            problems.append(f"{group}: nobody may have done this: {model}")
            continue
        problems += [f"{group}: {problem}" for problem in _out_of_order(evidence, model)]
        for user, person in evidence.people.items():
            problems += [f"{group}: {problem}" for problem in _group(model, user, person)]
    return problems


def _out_of_order(evidence: Evidence, model: Model) -> list[str]:
    """`model.rows` are in the order of their places, from which a recall moves nothing."""
    problems = []
    for sender in evidence.people:
        sequences = [
            row.sequence
            for row in model.rows
            if row.sender == sender and _is_in_order(evidence, row)
        ]
        problems += [
            f"{one} lies before {other}" for one, other in pairwise(sequences) if one > other
        ]
    return problems


def _group(model: Model, user: str, person: Person) -> list[str]:
    problems = []
    here = user in model.now.members
    shown = {row.id: of_row(row) for row in model.shown(user)} if here else {}
    fresh = {m.id: of_message(m) for m in person.fresh.get(model.group, {}).values()}
    if fresh != shown:
        problems.append(f"a sync of {user} reads another: {_difference(fresh, shown)}")
    if (model.group in person.groups.cursors) != here:
        problems.append(f"{user} is {'in it' if here else 'not in it'} and does not know")
    kept = person.groups.messages.get(model.group, {})
    stays = model.stays(user)
    problems += [
        f"{user} holds {message.id}, which is not of their time"
        for message in kept.values()
        if not is_theirs(message, stays)
    ]
    mine = {one: of_message(kept[one]) for one in kept if one in shown}
    if mine != shown:
        problems.append(f"{user} shows another: {_difference(mine, shown)}")
    return problems


def of_message(message: im_pb2.Message) -> tuple[object, ...]:
    content = im_pb2.Content.FromString(message.content.SerializeToString())
    return (
        message.id, message.version, message.sequence, message.sender, message.receiver,
        message.send_time, message.withdraw_time, str(content),
    )  # fmt: skip


def of_row(row: Stored) -> tuple[object, ...]:
    content = im_pb2.Content.FromString(row.content)
    return (
        row.id, row.version, row.sequence, row.sender, row.receiver,
        row.send_time, row.withdraw_time, str(content),
    )  # fmt: skip


def _difference(got: dict[str, tuple[object, ...]], wanted: dict[str, tuple[object, ...]]) -> str:
    lacks = [one for one in wanted if one not in got]
    more = [one for one in got if one not in wanted]
    other = [one for one in got if one in wanted and got[one] != wanted[one]]
    parts = {"lacking": lacks, "too many": more, "other": other}
    found = [f"{len(ids)} {name} ({ids[0]})" for name, ids in parts.items() if ids]
    return ", ".join(found) or "in another order"
