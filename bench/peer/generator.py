"""The load generator's process, as the comparison drives it."""

import json
import subprocess
import sys
import threading
from typing import Any

from bench.scenarios import RunFailed

TIMEOUT_S = 600.0  # it has shorter limits of its own


class Generator:
    """`bench.peer.load` with one party; use it as a context manager."""

    def __init__(self, party: dict[str, Any]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.peer.load"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._watchdog = threading.Timer(TIMEOUT_S, self._process.kill)
        self._watchdog.start()
        self._tell(party)

    def __enter__(self) -> "Generator":
        return self

    def __exit__(self, *_: object) -> None:
        self._watchdog.cancel()
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()

    def do(self, what: str, told: Any) -> dict[str, Any]:
        """The answer to one order (`bench/peer/load.py`); `RunFailed` where it could not be."""
        self._tell({what: told})
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RunFailed(f"the load generator ended with code {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        if "failed" in answer:
            raise RunFailed(answer["failed"])
        return answer

    def _tell(self, value: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(value) + "\n")
        self._process.stdin.flush()
