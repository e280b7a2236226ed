"""For tests: see `dev.clients.wait`."""

from dev.clients.wait import *  # noqa: F403
