"""The load generator's process, as the comparison drives it."""

from typing import Any

from bench.loader import LoadProcess, RunFailed

TIMEOUT_S = 1800.0  # of a whole search; each order has shorter limits of its own


class Generator(LoadProcess):
    """`bench.peer.load` with one party."""

    def __init__(self, party: dict[str, Any]) -> None:
        super().__init__("bench.peer.load", party, TIMEOUT_S)

    def do(self, what: str, told: Any) -> dict[str, Any]:
        """The answer to one order (`bench/peer/load.py`); `RunFailed` where it could not be."""
        self.tell({what: told})
        answer = self.hear()
        if "failed" in answer:
            raise RunFailed(answer["failed"])
        return answer
