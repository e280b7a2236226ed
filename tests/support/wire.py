"""For tests: see `dev.clients.wire`."""

from dev.clients.wire import *  # noqa: F403
