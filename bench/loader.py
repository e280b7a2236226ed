"""The processes of the load generator, as the scenarios see them."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, Self

TIMEOUT_S = 300.0  # a generator has shorter limits of its own
START_IN_S = 0.3


class RunFailed(Exception):
    """A scenario could not be carried out; there are no figures."""


class GeneratorLimited(RunFailed):
    """The load generator was the bottleneck: the figures would be its own."""


class LoadProcess:
    """A process that is told JSON lines and answers in them; use it as a context manager."""

    def __init__(self, module: str, order: dict[str, Any], timeout_s: float) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._watchdog = threading.Timer(timeout_s, self._process.kill)
        self._watchdog.start()
        self.tell(order)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._watchdog.cancel()
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()

    def tell(self, value: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(value) + "\n")
        self._process.stdin.flush()

    def hear(self) -> dict[str, Any]:
        """The next line; `RunFailed` when it has ended."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RunFailed(f"the load generator ended with code {self._process.wait()}")
        heard: dict[str, Any] = json.loads(line)
        return heard


class Loader(LoadProcess):
    """`bench.load` with one order."""

    def __init__(self, order: dict[str, Any], timeout_s: float) -> None:
        super().__init__("bench.load", order, timeout_s)

    def wait_for(self, event: str) -> dict[str, Any]:
        """The next event, which must be this one; `RunFailed` otherwise."""
        got = self.hear()
        if got["event"] != event:
            raise RunFailed(got.get("why", f"{got['event']} instead of {event}"))
        return got


class Loaders:
    """Several of them in step; use it as a context manager."""

    def __init__(self, orders: Sequence[dict[str, Any]], timeout_s: float) -> None:
        self._stack = ExitStack()
        with ExitStack() as stack:
            self._all = [stack.enter_context(Loader(order, timeout_s)) for order in orders]
            self._stack = stack.pop_all()

    def __enter__(self) -> "Loaders":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def start(self) -> None:
        """Let all begin at the same moment: `perf_counter` is one clock on Linux."""
        start_s = time.perf_counter() + START_IN_S
        for loader in self._all:
            loader.tell(start_s)

    def wait_for(self, event: str) -> list[dict[str, Any]]:
        """That event of each; `RunFailed` when one of them tells of another."""
        return [loader.wait_for(event) for loader in self._all]
