"""`/healthz`, `/readyz` and, on the metrics port alone, `/metrics`."""

import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from flask import Flask, Response, jsonify, request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector

from models.broker import QUEUES
from models.core import Core
from models.log import rows_behind
from models.waiting import count_waiting


class Health:
    """Tells whether this process lives, and whether it can serve."""

    def __init__(self, core: Core, metrics_port: int) -> None:
        self._core = core
        self._metrics_port = metrics_port
        self._metrics = CollectorRegistry()
        if core.settings.metrics_dir:
            MultiProcessCollector(self._metrics, path=core.settings.metrics_dir)  # type: ignore[no-untyped-call]
        else:
            self._metrics = core.metrics.registry
        self._metrics.register(Backlog(core))

    def add_routes(self, app: Flask) -> None:
        app.add_url_rule("/healthz", view_func=self.healthz)
        app.add_url_rule("/readyz", view_func=self.readyz)
        app.add_url_rule("/metrics", view_func=self.metrics)

    def healthz(self) -> Response:
        """200 while the process answers at all."""
        return jsonify(status="ok")

    def readyz(self) -> tuple[Response, int]:
        """200 when every dependency answers; else 503 and which one does not.

        While Redis is down sends are still stored: a load balancer that should go on taking them
        asks `/healthz`.
        """
        checks: dict[str, Callable[[], object]] = {
            f"mysql:{database.name}": partial(database.query, "SELECT 1")
            for database in self._core.shards.databases
        }
        checks["redis"] = self._core.redis.ping
        states = {name: _state(check) for name, check in checks.items()}
        ready = all(state == "ok" for state in states.values())
        return jsonify(ready=ready, dependencies=states), 200 if ready else 503

    def metrics(self) -> Response:
        """Prometheus text of all processes on this machine, on the loopback metrics port only."""
        if request.environ.get("SERVER_PORT") != str(self._metrics_port):
            return Response("not here", 404, content_type="text/plain")
        return Response(generate_latest(self._metrics), content_type=CONTENT_TYPE_LATEST)


class Backlog:
    """Queue lengths, undelivered rows and waiting copies, read when they are asked for."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def describe(self) -> list[Any]:
        return []

    def collect(self) -> list[GaugeMetricFamily]:
        behind = GaugeMetricFamily(
            "im_undelivered_rows", "Rows behind the delivery position.", labels=["shard"]
        )
        copies = GaugeMetricFamily(
            "im_waiting_copies",
            "Copies of rows of one database that wait for another.",
            labels=["source", "database"],
        )
        queues = GaugeMetricFamily("im_task_queue", "Tasks waiting.", labels=["queue"])
        core = self._core
        for database, shards in core.shards.by_database(core.shards.shards).items():
            with suppress(Exception):  # what cannot be read now is left out
                for shard, rows in rows_behind(shards).items():
                    behind.add_metric([str(shard)], rows)
                waiting = count_waiting(database, core.shards)
                for target in core.shards.databases:
                    if target is not database:
                        copies.add_metric([database.name, target.name], waiting[target])
        with suppress(Exception):
            for queue in sorted(set(QUEUES.values())):
                queues.add_metric([queue], core.redis.llen(queue))
        return [behind, copies, queues]


def _state(check: Callable[[], object]) -> str:
    started = time.monotonic()
    try:
        check()
    except Exception as error:
        return f"failed after {time.monotonic() - started:.1f} s: {type(error).__name__}"
    return "ok"
