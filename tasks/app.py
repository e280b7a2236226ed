"""The worker's side of Celery: `celery -A tasks.app worker`.

Shells around `models.deliver`; each worker process opens its own stores after the fork.
"""

import gc
from functools import lru_cache
from typing import Any

import structlog
from celery.signals import worker_process_init, worker_process_shutdown

from models import keys
from models.broker import (
    CATCH_UP,
    DELIVER,
    FANOUT,
    SWEEP,
    catch_up_enqueuer,
    deliver_enqueuer,
    fanout_enqueuer,
    make_celery,
)
from models.catchup import CatchUp
from models.core import Core, open_core
from models.deliver import Deliverer
from models.errors import IMError
from models.fanout import Fanout, is_behind
from models.logs import setup_logs
from models.onlyone import only_one
from models.redisclient import RedisError
from models.settings import Settings

log = structlog.get_logger()

SWEEPING_MS = 6_000
"""A sweep takes as long as its slowest database. Where it died, the next waits for so long."""

LISTEN_S = 1.0
"""An idle delivery stays this long, in case more is sent."""

settings = Settings()
app = make_celery(settings)
enqueue = deliver_enqueuer(app)
enqueue_fanout = fanout_enqueuer(app)
enqueue_catch_up = catch_up_enqueuer(app)


@lru_cache(maxsize=1)
def core() -> Core:
    """This process' stores, opened on first use and then kept."""
    return open_core(settings)


@lru_cache(maxsize=1)
def deliverer() -> Deliverer:
    stores = core()
    return Deliverer(
        settings,
        stores.shards,
        stores.redis,
        stores.scripts,
        stores.metrics,
        LISTEN_S,
        enqueue,
        enqueue_fanout,
    )


@lru_cache(maxsize=1)
def catching_up() -> CatchUp:
    stores = core()
    return CatchUp(settings, stores.shards, stores.redis, stores.scripts, enqueue)


def enqueue_apart(shards: list[int]) -> None:
    """Enqueue deliveries, one for each database: where one is ill, it holds up no other.

    Shards that are newer than this process go to one that knows them.
    """
    known = core().shards.shards
    for group in core().shards.by_database(known.keys() & shards).values():
        enqueue([shard.number for shard in group])
    if unknown := [number for number in shards if number not in known]:
        enqueue(unknown)


@worker_process_init.connect  # type: ignore[untyped-decorator]
def _open(**_: Any) -> None:
    setup_logs(settings, "worker")
    try:
        deliverer().sweep()  # connects, so that the first delivery need not
    except (IMError, RedisError) as error:
        translated("connecting", error)
    gc.freeze()  # what the parent loaded stays; batches make much garbage but no cycles
    gc.set_threshold(50_000, 20, 50)


@worker_process_shutdown.connect  # type: ignore[untyped-decorator]
def _close(**_: Any) -> None:
    if core.cache_info().currsize:
        core().close()


def translated(what: str, error: Exception) -> None:
    """The translator of `tasks`: what failed is logged; the sweep comes back to it."""
    if isinstance(error, IMError):
        log.warning(f"{what} failed", code=error.code.name, error=error.message)
    else:
        log.warning(f"{what} failed", error=type(error).__name__)


@app.task(name=DELIVER)  # type: ignore[untyped-decorator]
def deliver(shards: list[int]) -> None:
    """Deliver these shards until nothing is left of them."""
    try:
        left = deliverer().deliver(shards)
    except (IMError, RedisError) as error:
        translated("delivery", error)
        return
    enqueue_apart(left)


@app.task(name=FANOUT)  # type: ignore[untyped-decorator]
def fanout() -> None:
    """Bring the unread counts of small groups that moved up to date."""
    try:
        stores = core()
        Fanout(stores.shards, stores.redis, stores.scripts).run()
    except (IMError, RedisError) as error:
        translated("fan-out", error)


@app.task(name=SWEEP)  # type: ignore[untyped-decorator]
def sweep() -> None:
    """Find shards whose wake-up was lost, and wake them; one at a time."""
    try:
        with only_one(core().scripts, keys.SWEEPING, SWEEPING_MS) as taken:
            if taken:
                _sweep()
    except (IMError, RedisError) as error:
        translated("sweep", error)


def _sweep() -> None:
    lagging = deliverer().sweep()
    if lagging:
        core().metrics.sweep_lagging.inc(len(lagging))
        enqueue_apart(lagging)
    if is_behind(core().redis):
        enqueue_fanout()
    answered = deliverer().answered
    if catching_up().wanted(answered):
        enqueue_catch_up([database.name for database in answered])


@app.task(name=CATCH_UP)  # type: ignore[untyped-decorator]
def catch_up(names: list[str]) -> None:
    """Bring copies that waited for a database to it, between the databases of these names."""
    try:
        catching_up().run(names)
    except (IMError, RedisError) as error:
        translated("catching up", error)
