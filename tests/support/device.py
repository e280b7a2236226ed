"""For tests: see `dev.clients.device`."""

from dev.clients.device import *  # noqa: F403
