"""For tests: see `dev.clients.ws`."""

from dev.clients.ws import *  # noqa: F403
