"""Clients of the Python SDK in a test: closed with it, and all they heard is kept."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dev.clients.wait import wait_until
from im_client import Client, Event, MessageEvent, Options
from tests.support.cluster import Cluster
from tests.support.sdkplatform import platform_for_sdks  # noqa: F401

QUICK = {
    "backoff_least_s": 0.05,
    "backoff_most_s": 0.5,
    "tidy_within_s": 0.0,
    "platform": "web",
}


class Phones:
    """Clients of a platform, closed at the end; `heard` keeps what each was told."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.cluster = cluster
        self._folder = folder
        self._open: list[Client] = []
        self.heard: dict[Client, list[Event]] = {}

    def make(
        self, user: str, *, token: Any = None, name: str = "", endpoint: str = "", **options: Any
    ) -> Client:
        """A client that was not started, with a store of its own, by the name of its file."""
        cluster = self.cluster
        client = Client(
            user,
            token or cluster.token(user),
            [endpoint or f"tcp://127.0.0.1:{cluster.platform.port('gateway')}"],
            store=self._folder / f"{name or user}.db",
            options=Options(**{**QUICK, **options}),
        )
        self._open.append(client)
        self.heard[client] = []
        client.on(Event, self.heard[client].append)
        return client

    def start(self, user: str, **more: Any) -> Client:
        """One that is ready."""
        client = self.make(user, **more)
        client.start()
        client.wait_ready()
        return client

    def messages(self, client: Client) -> list[MessageEvent]:
        """What the client was told of messages."""
        return [event for event in self.heard[client] if isinstance(event, MessageEvent)]

    def texts(self, client: Client) -> list[str]:
        """The texts of those."""
        return [event.message.text for event in self.messages(client)]

    def wait_texts(self, client: Client, *texts: str) -> None:
        """Wait until the client was told of these messages, and no others."""
        wait_until(lambda: len(self.messages(client)) >= len(texts), what=f"messages {texts}")
        assert self.texts(client) == list(texts)

    def wait(self, client: Client, fits: Callable[[Any], object]) -> Any:
        """The first event that fits."""
        return wait_until(
            lambda: next((event for event in self.heard[client] if fits(event)), None),
            what="the event",
        )

    def close(self) -> None:
        for client in self._open:
            client.close()


@pytest.fixture
def phones(platform_for_sdks: Cluster, tmp_path: Path) -> Iterator[Phones]:  # noqa: F811
    found = Phones(platform_for_sdks, tmp_path)
    try:
        yield found
    finally:
        found.close()
