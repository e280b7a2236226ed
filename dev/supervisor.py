"""Runs commands, prints their output with a prefix, and starts one again when it ends.

honcho gives the format of the output; its manager ends everything when one process ends, which is
the opposite of what this is for.
"""

import sys
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

from honcho.colour import get_colours
from honcho.printer import Message, Printer

from dev.child import Child

BACKOFF_FIRST_S = 0.5
BACKOFF_MAX_S = 10.0
HEALTHY_S = 30.0


class Output:
    """Writes whole lines, prefixed, from many threads; falls silent when nobody reads any more."""

    def __init__(self, width: int) -> None:
        self._printer = Printer(sys.stdout, width=width)
        self._colours = get_colours()
        self._colour_of: dict[str, str] = {}
        self._lock = threading.Lock()
        self._broken = False

    def line(self, name: str, data: bytes | str) -> None:
        with self._lock:
            if name not in self._colour_of:
                self._colour_of[name] = next(self._colours)
            self._write(name, data)

    def block(self, text: str) -> None:
        """Prints text as it is, in one piece."""
        with self._lock:
            if not self._broken:
                print(text, flush=True)

    def _write(self, name: str, data: bytes | str) -> None:
        if self._broken:
            return
        message = Message("line", data, datetime.now(), name, self._colour_of[name])
        try:
            self._printer.write(message)
        except OSError:
            self._broken = True


class Supervisor:
    """Commands that are kept running until `stop`."""

    def __init__(self, output: Output, cwd: Path) -> None:
        self._output = output
        self._cwd = cwd
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._children: list[Child] = []
        self._threads: list[threading.Thread] = []

    def run(self, name: str, command: str, env: Mapping[str, str]) -> None:
        """Starts the command and, with a growing pause, starts it again whenever it ends."""
        child = Child(command, env=env, cwd=self._cwd)
        self._children.append(child)
        thread = threading.Thread(target=self._keep, args=(name, child), name=name)
        self._threads.append(thread)
        thread.start()

    def stop(self, timeout_s: float = 10.0) -> None:
        """Asks every process to end, and ends with SIGKILL what is left after `timeout_s`."""
        with self._lock:
            self._stopping.set()
        for child in self._children:
            child.resume()
            child.terminate()
        deadline = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        for child in self._children:
            child.kill()
        for thread in self._threads:
            thread.join()

    def _keep(self, name: str, child: Child) -> None:
        pause_s = BACKOFF_FIRST_S
        while self._start(name, child):
            started = time.monotonic()
            code = child.wait()
            child.kill()
            if self._stopping.is_set():
                break
            if time.monotonic() - started > HEALTHY_S:
                pause_s = BACKOFF_FIRST_S
            self._output.line(name, f"ended with code {code}; starting again in {pause_s:g} s")
            self._stopping.wait(pause_s)
            pause_s = min(pause_s * 2, BACKOFF_MAX_S)

    def _start(self, name: str, child: Child) -> bool:
        with self._lock:
            if self._stopping.is_set():
                return False
            child.start()
        threading.Thread(target=self._copy, args=(name, child.lines()), daemon=True).start()
        return True

    def _copy(self, name: str, lines: Iterator[bytes]) -> None:
        for line in lines:
            self._output.line(name, line)
