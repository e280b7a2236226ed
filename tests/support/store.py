"""For tests: see `dev.store`."""

from dev.store import *  # noqa: F403
