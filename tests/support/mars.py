"""For tests: see `dev.clients.mars`."""

from dev.clients.mars import *  # noqa: F403
