"""Plays many scenarios on one platform: side by side those that leave servers alone.

They wait for networks and clocks most of the time. Those that stop a server disturb everybody, and
are played by themselves once the others are over.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, NamedTuple

from dev.clients.wait import DEADLINE_S
from tests.support.cluster import Cluster
from tests.support.sdkdriver import SDK, SDKS
from tests.support.sdkscenario import SCENARIOS, Play, is_played

SIDE_BY_SIDE = 5


class Part(NamedTuple):
    """One scenario with one SDK over one transport."""

    sdk: SDK
    transport: str
    scenario: dict[str, Any]
    deadline_s: float = DEADLINE_S

    @property
    def name(self) -> str:
        return f"{self.sdk.name}-{self.transport}-{self.scenario['name']}"

    @property
    def is_loud(self) -> bool:
        """Whether it stops a server."""
        return any("server" in step for step in self.scenario["steps"])


def parts() -> Iterator[Part]:
    """Every part there is, the loud ones last."""
    found = [
        Part(sdk, transport, scenario)
        for scenario in SCENARIOS
        for sdk in SDKS
        for transport in sdk.transports
        if is_played(scenario, sdk, transport)
    ]
    return iter(sorted(found, key=lambda part: part.is_loud))


class Concert:
    """The parts that were asked for; each is played once."""

    def __init__(self, cluster: Cluster, folder: Path, asked: Iterable[Part]) -> None:
        self._cluster = cluster
        self._folder = folder
        self._pool = ThreadPoolExecutor(SIDE_BY_SIDE)
        self._quiet: dict[str, Future[None]] = {
            part.name: self._pool.submit(self._play, part) for part in asked if not part.is_loud
        }

    def check(self, part: Part) -> None:
        """Return once the part was played; raises what went wrong in it."""
        if not part.is_loud:
            return self._quiet[part.name].result()
        wait(self._quiet.values())
        try:
            self._play(part)
        finally:
            self._cluster.mend()

    def close(self) -> None:
        """What did not begin yet is not played any more."""
        self._pool.shutdown(cancel_futures=True)

    def _play(self, part: Part) -> None:
        folder = self._folder / part.name
        folder.mkdir()
        play = Play(self._cluster, part.sdk, part.transport, part.scenario, folder, part.deadline_s)
        try:
            play.run()
        finally:
            play.close()
