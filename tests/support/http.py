"""For tests: see `dev.clients.http`."""

from dev.clients.http import *  # noqa: F403
