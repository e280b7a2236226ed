"""Brings copies that waited for a database to it (models/waiting.py); what a task of its own does.

Databases may be ill in every way: one that takes no writes holds up one such task, for the time of
one attempt every few seconds. Dying anywhere is harmless: what was not brought waits on, what was
brought is not stored again, and shards that grew are found by the sweep.
"""

import random
import time
from collections.abc import Iterable, Sequence
from typing import Any

import structlog

from models import keys
from models.errors import IMError
from models.mysql import Database
from models.onlyone import only_one
from models.redisclient import Scripts
from models.settings import Settings
from models.shards import Shard, ShardMap
from models.waiting import Answering, bring, waiting
from models.wake import Enqueue, call

log = structlog.get_logger()

RUN_MAX_S = 3.0
PAIR_MAX_S = 1.0
"""One shard has this long for another, so that all get their turns."""

LOCK_MS = 15_000
"""One task brings at a time; where it died, the next waits for as long as this."""


Pairs = dict[tuple[Database, Database], list[tuple[Shard, Shard]]]


class CatchUp:
    """The task, and how the sweep sees that it is needed."""

    def __init__(
        self,
        settings: Settings,
        shards: ShardMap,
        client: Any,
        scripts: Scripts,
        enqueue: Enqueue,
    ) -> None:
        self._shards = shards
        self._redis = client
        self._scripts = scripts
        self._enqueue = enqueue
        self._answering = Answering(client, settings)

    def wanted(self, databases: Sequence[Database]) -> bool:
        """Whether something waits in these databases for another of them, and none is at it."""
        if len(databases) < 2 or self._redis.exists(keys.CATCH_UP):
            return False
        return bool(self._pairs(databases))

    def run(self, names: Iterable[str]) -> None:
        """Bring what waits in the databases of these names for others of them."""
        wanted = set(names)
        databases = [one for one in self._shards.databases if one.name in wanted]
        with only_one(self._scripts, keys.CATCH_UP, LOCK_MS) as taken:
            if taken:
                self._bring_all(self._pairs(databases))

    def _pairs(self, databases: Sequence[Database]) -> Pairs:
        """Sources and targets, by their databases; what is shut or cannot be read is left out."""
        found: Pairs = {}
        for database in databases:
            try:
                pairs = waiting(database, self._shards)
            except IMError as error:
                log.warning("database left out", database=database.name, why=error.message)
                continue
            for source, target in pairs:
                if target.database in databases:
                    found.setdefault((database, target.database), []).append((source, target))
        return {ends: pairs for ends, pairs in found.items() if not self._answering.is_shut(*ends)}

    def _bring_all(self, found: Pairs) -> None:
        """Bring by turns, beginning anywhere."""
        deadline = time.monotonic() + RUN_MAX_S
        for source, target in random.sample([*found], len(found)):
            pairs = found[source, target]
            try:
                if self._bring(random.sample(pairs, len(pairs)), deadline):
                    self._answering.took_all(source, target)
            except IMError as error:
                self._answering.refused(source, target)
                log.warning(
                    "copies wait on", source=source.name, target=target.name, why=error.message
                )

    def _bring(self, pairs: Sequence[tuple[Shard, Shard]], deadline: float) -> bool:
        """Bring for these; returns whether nothing is left."""
        everything = True
        for pair in pairs:
            now = time.monotonic()
            if now > deadline:
                return False
            brought = bring(self._shards, *pair, min(deadline, now + PAIR_MAX_S))
            everything = everything and brought.everything
            fresh = call(self._scripts, brought.grown) if brought.grown else []
            if fresh:
                self._enqueue(fresh)
        return everything
