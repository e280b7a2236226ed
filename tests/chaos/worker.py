"""The worker as `IM_SABOTAGE` breaks it: `celery -A tests.chaos.worker`."""

from tests.chaos import sabotage

sabotage.apply()

from tasks.app import app as app  # noqa: E402
