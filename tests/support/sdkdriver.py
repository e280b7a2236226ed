"""One driver process of an SDK: a client in its own process, spoken to in JSON lines."""

import json
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dev.clients.wait import DEADLINE_S, wait_until
from dev.environment import ROOT

ANSWER_S = DEADLINE_S + 10
"""How long an answer may take: a little more than what is asked to wait waits."""


@dataclass(frozen=True, slots=True)
class SDK:
    """How its driver is started, and the transports it has."""

    name: str
    command: tuple[str, ...]
    transports: tuple[str, ...]
    chosen_by: str = ""
    """The environment variable that names the transport to use, where an address has several."""

    def over(self, transport: str) -> tuple[str, ...]:
        """The command for a client that uses this transport."""
        if self.chosen_by and transport in ("events", "comet"):
            return ("env", f"{self.chosen_by}={transport}", *self.command)
        return self.command


PYTHON = SDK(
    "python",
    (sys.executable, "client/python/conformance/driver.py"),
    ("tcp", "tls", "ws", "comet"),
)
JS = SDK(
    "js",
    ("node", "client/js/conformance/driver.mjs"),
    ("ws", "events", "comet"),
    chosen_by="IM_DRIVER_TRANSPORTS",
)
SDKS = (PYTHON, JS)


class Driver:
    """The process and what it said; `events` are all of them, in the order they came."""

    def __init__(self, command: tuple[str, ...], log: Path) -> None:
        self.events: list[dict[str, Any]] = []
        self._answers: dict[int, dict[str, Any]] = {}
        self._strange: list[str] = []
        self._id = 0
        self._log = log
        with log.open("ab") as stderr:
            self.process = subprocess.Popen(
                command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr
            )
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def ask(self, op: str, **fields: Any) -> dict[str, Any]:
        """The driver's answer, whatever it is."""
        self._id += 1
        request = {"id": self._id, "op": op, **fields}
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(request).encode() + b"\n")
            self.process.stdin.flush()
        except OSError:
            raise AssertionError(f"the driver has ended:\n{self.log()}") from None
        wanted = self._id

        def answered() -> bool:
            assert not self._strange, f"no JSON on stdout: {self._strange}"
            assert wanted in self._answers or self._thread.is_alive(), (
                f"the driver ended before it answered {op}:\n{self.log()}"
            )
            return wanted in self._answers

        wait_until(answered, ANSWER_S, what=f"the driver's answer to {op}")
        return self._answers.pop(wanted)

    def log(self) -> str:
        """The end of what it wrote to stderr."""
        return self._log.read_text(errors="replace")[-3000:]

    def close(self) -> None:
        """End of input: an orderly end, which the driver must manage by itself."""
        assert self.process.stdin is not None
        with suppress(OSError):
            self.process.stdin.close()
        try:
            code = self.process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the driver does not end:\n{self.log()}") from None
        self._thread.join(DEADLINE_S)
        assert self.process.stdout is not None
        self.process.stdout.close()
        assert code == 0, f"the driver ended with {code}:\n{self.log()}"
        assert not self._strange, f"no JSON on stdout: {self._strange}"

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait()
        self._thread.join(DEADLINE_S)
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            with suppress(OSError):
                stream.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with suppress(ValueError, OSError):
            for line in self.process.stdout:
                try:
                    value = json.loads(line)
                    if "event" in value:
                        self.events.append(value)
                    else:
                        self._answers[value["id"]] = value
                except (ValueError, KeyError, TypeError):
                    self._strange.append(line.decode(errors="replace"))
