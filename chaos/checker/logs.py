"""Versions ascend in the order of commits: who reads by cursor misses nothing."""

from itertools import pairwise

from chaos.evidence import Evidence
from chaos.groupmodel import place_of


def readers_missed_nothing(evidence: Evidence) -> list[str]:
    """Our own readers, who read `version > cursor` all the time, met every row as it is now."""
    problems = []
    for shard in evidence.store.shards():
        seen = set(evidence.seen.get(shard.number, []))
        missed = [
            row.version
            for row in evidence.rows
            if row.shard == shard and (row.version, row.id) not in seen
        ]
        if missed:
            problems.append(f"shard {shard.number}: {len(missed)} rows missed, first {missed[0]}")
        stored = {row.version: row.id for row in evidence.rows if row.shard == shard}
        ids = set(stored.values())
        phantoms = [one for one in seen if one[1] not in ids]
        if phantoms:
            problems.append(f"shard {shard.number}: {len(phantoms)} rows were read and are gone")
        for version, identifier in seen:
            if stored.get(version, identifier) != identifier:
                problems.append(f"shard {shard.number}: version {version} was given twice")
    return problems


def versions_and_ids_ascend(evidence: Evidence) -> list[str]:
    """In the shard a message was born in, ids ascend like the versions they hold."""
    problems = []
    for shard in evidence.store.shards():
        rows = [row for row in evidence.rows if row.shard == shard]
        born = sorted(
            (row for row in rows if int(row.id[13:16], 16) == shard.number),
            key=lambda row: row.id,
        )
        for one, other in pairwise(born):
            if place_of(one.id) >= place_of(other.id) or one.send_time > other.send_time:
                problems.append(f"shard {shard.number}: {one.id} and {other.id} out of order")
        for row in born:
            if not row.withdraw_time and row.version != place_of(row.id):
                problems.append(f"shard {shard.number}: {row.id} has moved to {row.version}")
        ((end,),) = evidence.store.query(
            shard.database,
            f"SELECT version FROM {shard.database}.shard_log WHERE shard = {shard.number}",
        )
        if rows and rows[-1].version > end:
            problems.append(f"shard {shard.number}: a row beyond the counter")
    return problems
