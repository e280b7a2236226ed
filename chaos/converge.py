"""After healing: wait until everything has come to rest, and say what has not in time."""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

import pymysql

from chaos.actor import Actor
from chaos.bed import Bed
from chaos.load import Load

CONVERGE_S = 60.0
CONVERGE_EMPTIED_S = 120.0
"""After Redis has lost everything."""


def converge(bed: Bed, load: Load, within_s: float, healed: float) -> list[str]:
    """Returns what did not come true within the time: nothing, when the platform is well.

    `healed`: the moment of the monotonic clock at which the time began.
    """
    deadline = healed + within_s
    load.rest()
    complaints: list[str] = []

    def wait(what: Callable[[], list[str]]) -> None:
        late = what()
        while late and time.monotonic() < deadline:
            time.sleep(0.2)
            late = what()
        complaints.extend(f"not within {within_s:g} s of healing: {one}" for one in late)

    wait(lambda: [f"{a.user} is answered" for a in load.actors if not a.at_rest.is_set()])
    wait(lambda: behind(bed))
    wait(lambda: unseen(bed, load))
    wait(lambda: [f"{a.user} shows its mailbox" for a in load.actors if not shows(bed, a)])
    late_s = time.monotonic() - deadline
    if late_s > 0 and not complaints:
        complaints.append(f"at rest {late_s:.1f} s later than {within_s:g} s after healing")
    for actor in load.actors:
        if actor.failure is not None:
            complaints.append(f"{actor.user} met what no answer may be like: {actor.failure!r}")
    return complaints


@dataclass(frozen=True)
class Mark:
    """How far everything was at one moment under load."""

    versions: dict[int, int]
    """By shard, the newest in its log."""
    answered: dict[str, int]
    """By user, how many requests."""


def mark(bed: Bed, load: Load) -> Mark:
    """As it is now; OSError or MySQLError where a database does not answer."""
    versions = {
        int(shard): int(version)
        for name in bed.store.names
        for shard, version in bed.store.query(name, f"SELECT shard, version FROM {name}.shard_log")
    }
    return Mark(versions, {actor.user: actor.client.answered for actor in load.actors})


def lagging(bed: Bed, load: Load, mark: Mark) -> list[str]:
    """Who has not been answered since, and which shards have not delivered what there was.

    Who has failed is told in the end.
    """
    late = [
        f"{actor.user} is answered"
        for actor in load.actors
        if actor.failure is None and actor.client.answered <= mark.answered[actor.user]
    ]
    return late + behind(bed, mark.versions)


def behind(bed: Bed, versions: Mapping[int, int] | None = None) -> list[str]:
    """The shards whose `delivered` has not caught up, or from which copies wait.

    With `versions`, by shard, what came after those counts for nothing.
    """
    late: list[str] = []
    for name in bed.store.names:
        try:
            rows = bed.store.query(
                name,
                f"SELECT l.shard, l.version, d.version FROM {name}.shard_log l"
                f" JOIN {name}.shard_delivered d USING (shard)",
            )
            copies = bed.store.query(
                name, f"SELECT shard, MIN(version) FROM {name}.copy_waiting GROUP BY shard"
            )
        except pymysql.MySQLError as error:
            return [f"{name} answers ({error})"]
        wanted = {shard: newest for shard, newest, _ in rows} if versions is None else versions
        late += [
            f"shard {shard} delivered up to {wanted[shard]}, it is at {delivered}"
            for shard, _, delivered in rows
            if delivered < wanted[shard]
        ]
        late += [
            f"shard {shard} copied, rows of it wait"
            for shard, version in copies
            if versions is None or version <= versions[shard]
        ]
    return late


def unseen(bed: Bed, load: Load) -> list[str]:
    """The shards whose log our own readers have not read to the end."""
    late: list[str] = []
    for shard in bed.store.shards():
        with suppress(pymysql.MySQLError):
            ((end,),) = bed.store.query(
                shard.database, f"SELECT MAX(version) FROM {shard.database}.{shard.table}"
            )
            seen = load.reader.seen[shard.number]
            if end and (not seen or seen[-1][0] < end):
                late.append(f"shard {shard.number} is read to its end")
    return late


def shows(bed: Bed, actor: Actor) -> bool:
    """Whether the client shows what MySQL holds of its mailbox."""
    client = actor.client
    wanted = {row.id: row.withdraw_time for row in bed.store.mailbox(client.record.user)}
    return {m.id: m.withdraw_time for m in tuple(client.view.messages.values())} == wanted
