"""A side of the comparison that does nothing, and what a good try of a rate reports."""

from collections.abc import Mapping
from typing import Any

from bench.peer.sides import Side

GOOD: dict[str, Any] = {
    "cut_short": False,
    "audience": 1,
    "prefix": "p1-1-",
    "heard_rate": 1000.0,
    "lost": 0,
    "doubled": 0,
    "disordered": 0,
    "strayed": 0,
    "refused": {},
    "push": {"p99_ms": 20.0},
    "send": {"p99_ms": 1.0},
    "cpu_share": 0.2,
    "machine_share": 0.7,
}


class Named(Side):
    """A side of that name, of which only starts and stops are remembered."""

    def __init__(self, name: str, events: list[str]) -> None:
        self.name = name
        self.rows = {}
        self._events = events

    def start(self) -> None:
        self._events.append(f"{self.name} starts")

    def stop(self) -> None:
        self._events.append(f"{self.name} stops")

    @property
    def pids(self) -> Mapping[str, int]:
        return {}

    def party(self, users: list[str]) -> dict[str, Any]:
        return {}

    def room(self, users: list[str], party: Mapping[str, Any]) -> str:
        return ""

    def stored(self, party: Mapping[str, Any], prefix: str, written: int) -> int:
        return written
