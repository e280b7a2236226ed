"""Contact lists are the same when their caches are gone: what is rebuilt is what was kept."""

from dataclasses import replace

from chaos.checker.counts import contact_lists, group_counts
from chaos.evidence import Evidence
from proto import im_pb2


def rebuilt_lists(evidence: Evidence) -> list[str]:
    """As answered without caches: what was answered with them, and what a recount gives."""
    problems = []
    people = {}
    for user, person in evidence.people.items():
        if person.rebuilt is None:  # who was not answered has complained
            continue
        people[user] = replace(person, contacts=person.rebuilt)
        kept, rebuilt = (
            {(one.type, one.peer): _shown(one) for one in contacts}
            for contacts in (person.contacts, person.rebuilt)
        )
        problems += [
            f"{user} with {key[1]}: {kept.get(key)} with caches, {rebuilt.get(key)} without"
            for key in sorted(kept.keys() | rebuilt.keys())
            if kept.get(key) != rebuilt.get(key)
        ]
    recounted = replace(evidence, people=people)
    found = [*contact_lists(recounted), *group_counts(recounted)]
    return problems + [f"without caches: {problem}" for problem in found]


def _shown(contact: im_pb2.Contact) -> tuple[object, ...]:
    """All but names and pictures, which are the user centre's and the group's own."""
    last = contact.last
    return (
        (last.id, last.version, last.withdraw_time, last.content.ByteSize()),
        (contact.unread, contact.mentions, contact.read, contact.peer_read, contact.muted),
    )
