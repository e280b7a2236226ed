"""Keeps what members of small groups have not read up to date, in chunks of members.

Nothing depends on it: a count that is behind is noticed and made anew (models/groupunread.py). So a
task that dies in the middle, runs twice or never only moves work to the next reader.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from models import keys
from models.groups import member_names
from models.redisclient import Scripts, call_all, evalsha
from models.shards import ShardMap

MEMBERS_PER_CALL = 50
MEMBERS_PER_STEP = 500
GROUPS_PER_TAKE = 20
CALLS_MS = 250
"""A task is called for at most this often: it serves all messages that came meanwhile."""

Enqueue = Callable[[], None]


def mark(client: Any, groups: Iterable[str], enqueue: Enqueue) -> None:
    """Let the members' counts follow soon; what a task has just missed is left for the sweep."""
    pipe = client.pipeline(transaction=False)
    pipe.sadd(keys.BEHIND, *groups)
    pipe.set(keys.BEHIND_CALLED, "1", nx=True, px=CALLS_MS)
    if pipe.execute()[1]:
        enqueue()


def is_behind(client: Any) -> bool:
    """Whether groups are waiting."""
    return bool(client.exists(keys.BEHIND))


class Fanout:
    """The task."""

    def __init__(self, shards: ShardMap, client: Any, scripts: Scripts) -> None:
        self._shards = shards
        self._redis = client
        self._script = scripts.group_fanout

    def run(self) -> int:
        """Bring all marked groups up to date; how many that were."""
        done = 0
        while groups := self._redis.spop(keys.BEHIND, GROUPS_PER_TAKE):
            for group in groups:
                self._bring_up(group.decode())
                done += 1
        return done

    def _bring_up(self, group: str) -> None:
        shard = self._shards.of_group(group)
        after = ""
        while users := member_names(shard, group, after, MEMBERS_PER_STEP):
            self._call(group, users)
            after = users[-1]

    def _call(self, group: str, users: Sequence[str]) -> None:
        own = [keys.group_window(group), keys.group_rows(group)]

        def queue(pipe: Any) -> None:
            for start in range(0, len(users), MEMBERS_PER_CALL):
                chunk = users[start : start + MEMBERS_PER_CALL]
                hashes = [keys.group_unread(user) for user in chunk]
                evalsha(pipe, self._script, [*own, *hashes], [group, *chunk])

        call_all(self._redis, self._script, queue)
