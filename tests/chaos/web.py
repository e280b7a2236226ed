"""The web process as `IM_SABOTAGE` breaks it: `gunicorn tests.chaos.web:app`."""

from tests.chaos import sabotage

sabotage.apply()

from web.wsgi import app as app  # noqa: E402
