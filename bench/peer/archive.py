"""What the platform's tables hold of a run, message by message.

MariaDB counts the rows that the platform writes, but among them are others than messages, and a
message whose sender and receiver share a shard is one row in both mailboxes.
"""

from collections.abc import Sequence

from bench.rows import Rows

FIRST_GROUP_SHARD = 2048  # shards from here on hold groups (models/shards.py)


def places_held(rows: Rows, senders: Sequence[str], prefix: str) -> int:
    """In how many places the messages lie whose sequence begins so.

    One to one those are the mailboxes of both; in a group it is the group's log.
    """
    found = 0
    for shard in rows.shards.values():
        counts = rows.query(
            f"SELECT sender, receiver, COUNT(*) FROM {shard.database}.{shard.table}"
            " FORCE INDEX (by_sequence) WHERE sender IN %s AND sequence LIKE %s"
            " GROUP BY sender, receiver",
            list(senders),
            f"{prefix}%",
        )
        for sender, receiver, count in counts:
            if shard.number >= FIRST_GROUP_SHARD:
                found += int(count)
            else:
                homes = [rows.shard_of(sender), rows.shard_of(receiver)]
                found += int(count) * homes.count(shard)
    return found
