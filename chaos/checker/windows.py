"""What Redis holds of groups: the windows over their logs, their newest versions, cached counts."""

from collections.abc import Mapping
from typing import Any

from chaos.checker.counts import bounds_of
from chaos.checker.views import of_message, of_row
from chaos.evidence import Evidence
from chaos.groupmodel import Model
from proto import im_pb2

Dump = Mapping[str, Any]
AS_OF, LOW = b"_v", b"_low"


def group_caches(evidence: Evidence) -> list[str]:
    """Where there are any: before anybody asked for contacts, and after."""
    problems = []
    for model in evidence.models.values():
        if isinstance(model, AssertionError):
            continue
        bounds = bounds_of(evidence, model)
        for when, dump in zip(("before", "after"), evidence.redis, strict=False):
            found = [*_version(dump, model), *_window(dump, model)]
            for user in evidence.people.keys() & model.now.members.keys():
                found += _count(dump, model, user, bounds.get(user, ""))
            problems += [f"Redis, {when} asking: {model.group}: {problem}" for problem in found]
    return problems


def _version(dump: Dump, model: Model) -> list[str]:
    """At rest everything is published."""
    version = dump.get(f"group-version:{{{model.group}}}")
    if version is None or int(version) == model.latest:
        return []
    return [f"published up to {int(version)}, the log is at {model.latest}"]


def _window(dump: Dump, model: Model) -> list[str]:
    """Between the versions it names, the window is the log.

    Readers believe it only while both keys have the same number of messages.
    """
    places = dump.get(f"group:{{{model.group}}}") or {}
    rows = dict(dump.get(f"group-rows:{{{model.group}}}") or {})
    low, as_of = int(rows.pop(LOW, 0)), int(rows.pop(AS_OF, 0))
    if not as_of or len(places) != len(rows):
        return []
    if as_of > model.latest:
        return [f"the window is true for {as_of}, the log is at {model.latest}"]
    cached = [_of_entry(value) for value in rows.values()]
    logged = [of_row(row) for row in model.rows if low < row.version <= as_of]
    problems = []
    if {one[0]: one[1] for one in cached} != {i.decode(): int(v) for i, v in places.items()}:
        problems.append("the two keys of the window differ")
    if sorted(cached) != sorted(logged):
        lacks, more = set(logged) - set(cached), set(cached) - set(logged)
        problems.append(f"the window lacks {sorted(lacks)[:1]} and has {sorted(more)[:1]}")
    return problems


def _of_entry(value: bytes) -> tuple[object, ...]:
    """The message of `what it is, a line feed, one entry of MessagesPush.messages`."""
    (message,) = im_pb2.MessagesPush.FromString(value.partition(b"\n")[2]).messages
    return of_message(message)


def _count(dump: Dump, model: Model, user: str, bound: str) -> list[str]:
    """A cached count that readers would believe: of this version, and behind this bound."""
    cached = (dump.get(f"group-unread:{{{user}}}") or {}).get(model.group.encode())
    if cached is None:
        return []
    version, unread, mentions, behind = cached.decode().split(":")
    bound = max(bound, model.now.members[user].join)
    if int(version) != model.latest or behind != bound:
        return []
    got, wanted = (int(unread), int(mentions)), model.unread(user, bound)
    return [f"{user} has {got} unread, not {wanted}"] if got != wanted else []
