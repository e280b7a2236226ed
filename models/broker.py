"""The Celery application: one configuration for who enqueues and who works.

Celery on Redis loses tasks in every setting, so a task is only ever a wake-up; its arguments are
ids, and their text is kept out of Redis and Flower.
"""

from collections.abc import Callable

from celery import Celery

from models.settings import Settings

DELIVER = "tasks.deliver"
SWEEP = "tasks.sweep"
FANOUT = "tasks.fanout"
CATCH_UP = "tasks.catch_up"
CATCH_UP_EXPIRES_S = 5
"""Which databases answer may be another matter then."""

QUEUES = {
    DELIVER: "deliver",
    SWEEP: "maintenance",
    CATCH_UP: "maintenance",
    FANOUT: "fanout",
}


def make_celery(settings: Settings) -> Celery:
    """An application connected to the broker of the settings."""
    app = Celery("im", broker=settings.celery_broker, set_as_current=False)
    app.conf.update(
        accept_content=["json"],
        task_serializer="json",
        result_backend=None,
        task_ignore_result=True,
        task_store_errors_even_if_ignored=False,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_track_started=False,
        task_routes={name: {"queue": queue} for name, queue in QUEUES.items()},
        task_default_queue="maintenance",
        task_publish_retry=False,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_send_task_events=False,
        worker_proc_alive_timeout=10 + 2 * settings.mysql_timeout_s,  # databases may be frozen
        broker_connection_retry_on_startup=True,
        broker_pool_limit=32,  # Flower holds one per inspector while it asks for another
        broker_transport_options={
            "socket_timeout": 2,
            "socket_connect_timeout": 1,
            "unacked_restore_throttle": 1,
            "visibility_timeout": 60,
        },
        beat_schedule={
            "sweep": {
                "task": SWEEP,
                "schedule": settings.sweep_interval_s,
                "options": {"expires": settings.sweep_interval_s * 2},
            }
        },
        timezone="UTC",
    )
    return app


def deliver_enqueuer(app: Celery) -> Callable[[list[int]], None]:
    """A function that enqueues the delivery of shards."""

    def enqueue(shards: list[int]) -> None:
        app.send_task(DELIVER, args=[shards], argsrepr="", kwargsrepr="", retry=False)

    return enqueue


def fanout_enqueuer(app: Celery) -> Callable[[], None]:
    """A function that enqueues the task for the unread counts of small groups."""

    def enqueue() -> None:
        app.send_task(FANOUT, retry=False)

    return enqueue


def catch_up_enqueuer(app: Celery) -> Callable[[list[str]], None]:
    """A function that enqueues the task for copies that wait, with the databases that answer."""

    def enqueue(names: list[str]) -> None:
        app.send_task(
            CATCH_UP,
            args=[names],
            argsrepr="",
            kwargsrepr="",
            retry=False,
            expires=CATCH_UP_EXPIRES_S,
        )

    return enqueue
