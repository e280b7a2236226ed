"""Contact lists and unread counts: the answers, and what Redis holds, are what MySQL gives."""

from typing import Any

from chaos.evidence import Evidence
from chaos.groupmodel import Model
from proto import im_pb2

AS_OF = b"_"


def _newest(evidence: Evidence, user: str) -> dict[str, str]:
    """By peer, the id of the newest message."""
    newest: dict[str, str] = {}
    for row in evidence.mailboxes[user]:
        peer = row.receiver if row.sender == user else row.sender
        newest[peer] = max(newest.get(peer, ""), row.id)
    return newest


def _unread(evidence: Evidence, user: str) -> dict[str, int]:
    """By peer, counted row by row."""
    counts: dict[str, int] = {}
    for row in evidence.mailboxes[user]:
        bound = evidence.marks.get((user, row.sender), "")
        if row.sender != user and not row.withdraw_time and row.id > bound:
            counts[row.sender] = counts.get(row.sender, 0) + 1
    return counts


def contact_lists(evidence: Evidence) -> list[str]:
    """The newest message of each conversation, and the unread count, as they are answered."""
    problems = []
    for user, person in evidence.people.items():
        listed = [c for c in person.contacts if c.type == im_pb2.PERSON]
        contacts = {c.peer: c for c in listed}
        newest, unread = _newest(evidence, user), _unread(evidence, user)
        if len(contacts) < len(listed):
            problems.append(f"{user} has somebody twice: {[c.peer for c in listed]}")
        if contacts.keys() != newest.keys():
            problems.append(f"{user} has {len(contacts)} contacts, not {len(newest)}")
        for peer in contacts.keys() & newest.keys():
            problems += _compare(
                f"{user} with {peer}",
                (contacts[peer].last.id, contacts[peer].unread),
                (newest[peer], unread.get(peer, 0)),
            )
    return problems


def caches(evidence: Evidence) -> list[str]:
    """The hashes in Redis, where there are any: before anybody asked for contacts, and after."""
    problems = []
    for when, dump in zip(("before", "after"), evidence.redis, strict=False):
        for user in evidence.people:
            contacts = dump.get(f"contacts:{{{user}}}")
            counts = dump.get(f"unread:{{{user}}}")
            if not contacts or not counts or AS_OF not in contacts or AS_OF not in counts:
                continue
            newest, unread = _newest(evidence, user), _unread(evidence, user)
            cached = {peer: value[:32].decode() for peer, value in _of_people(contacts)}
            for peer in cached.keys() | newest.keys():
                problems += _compare(
                    f"Redis, {when} asking: {user} with {peer}",
                    (cached.get(peer, ""), int(dict(_of_people(counts)).get(peer, 0))),
                    (newest.get(peer, ""), unread.get(peer, 0)),
                )
    return problems


def _of_people(fields: dict[bytes, bytes]) -> list[tuple[str, Any]]:
    prefix = f"{im_pb2.PERSON}:"
    return [
        (name.decode().removeprefix(prefix), value)
        for name, value in fields.items()
        if name.decode().startswith(prefix)
    ]


def _compare(where: str, got: tuple[str, int], wanted: tuple[str, int]) -> list[str]:
    problems = []
    if got[0] != wanted[0]:
        problems.append(f"{where}: newest is {got[0]}, not {wanted[0]}")
    if got[1] != wanted[1]:
        problems.append(f"{where}: {got[1]} unread, not {wanted[1]}")
    return problems


def group_counts(evidence: Evidence) -> list[str]:
    """Newest message, unread messages and mentions of each group, as they are answered."""
    problems = []
    for group, model in evidence.models.items():
        if isinstance(model, AssertionError):
            continue
        bounds = bounds_of(evidence, model)
        for user, person in evidence.people.items():
            contacts = [c for c in person.contacts if c.peer == group]
            if len(contacts) != (user in model.now.members):
                problems.append(f"{user} has {group} {len(contacts)} times in the list")
            elif contacts:
                (contact,) = contacts
                got = (contact.last.id, contact.unread, contact.mentions)
                wanted = (model.rows[-1].id, *model.unread(user, bounds.get(user, "")))
                if got != wanted:
                    problems.append(f"{user} has {got} of {group}, not {wanted}")
    return problems


def bounds_of(evidence: Evidence, model: Model) -> dict[str, str]:
    """By member, up to which id the group is read or hidden."""
    database = model.rows[0].shard.database
    return dict(
        evidence.store.query(
            database,
            "SELECT user, LOWER(HEX(GREATEST(read_id, cleared_id)))"
            f" FROM {database}.member WHERE group_id = '{model.group}'",
        )
    )
