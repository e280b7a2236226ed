"""Takes one promise out of the platform, to see whether the checker notices.

`IM_SABOTAGE` names what is taken out of a process that `tests.chaos.web` or `tests.chaos.worker`
starts; production code knows nothing of it.
"""

import os
import random
from typing import Any

import models.log
import models.redisclient
from chaos.bed import Bed
from models.deliver import Deliverer
from models.log import append_statements
from models.redisclient import Scripts

GUARD = "if version > as_of then"
LATE_S = 0.05


def apply() -> None:
    """Break this process as it was told to be."""
    breaks = {"sweep": _no_sweep, "version": _version_outside, "replay": _no_guard}
    if (name := os.environ.get("IM_SABOTAGE", "")) in breaks:
        breaks[name]()


def _no_sweep() -> None:
    """Beat asks, and no shard is ever found to lag."""
    Deliverer.sweep = lambda self: []  # type: ignore[method-assign]


def _version_outside() -> None:
    """The counter is committed before the rows are inserted, so they may come late."""

    def late(*args: Any, **options: Any) -> list[str]:
        ends, *inserts = append_statements(*args, **options)
        return [ends, "COMMIT", f"DO SLEEP({random.random() * LATE_S})", "BEGIN", *inserts]

    models.log.append_statements = late  # type: ignore[attr-defined]


def _no_guard() -> None:
    """A row that is applied again is counted again."""
    lua = (models.redisclient.LUA / "effects.lua").read_text()
    assert GUARD in lua
    unguarded = lua.replace(GUARD, "if as_of < math.huge then")
    make = Scripts.__init__

    def without(self: Scripts, client: object) -> None:
        make(self, client)
        self.effects = self.client.register_script(unguarded)

    Scripts.__init__ = without  # type: ignore[method-assign]


def drop_dedupe(bed: Bed) -> None:
    """A sequence may be stored again: what forbids it is a unique key."""
    for shard in bed.store.shards():
        bed.store.query(
            shard.database,
            f"ALTER TABLE {shard.database}.{shard.table} DROP KEY by_sequence,"
            " ADD KEY by_sequence (sender, sequence)",
        )
