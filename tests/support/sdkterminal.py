"""The `im` command in tests: run as a process with pipes, or on a terminal of 80 columns."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from dev.clients.wait import DEADLINE_S, wait_until
from dev.environment import ROOT
from im_client.terminal.screen import width

COLUMNS = 80
_COMMAND = (sys.executable, "-m", "im_client.terminal.main")
_UP, _CLEAR = "\x1b[A", "\r\x1b[2K"
_PIECES = re.compile(rf"{re.escape(_UP)}|{re.escape(_CLEAR)}|\r?\n")


class Terminal:
    """One person at a terminal: a home folder, and the language of the locale."""

    def __init__(self, home: Path, language: str = "en_GB.UTF-8") -> None:
        self.home = home
        self._env = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT / "client/python"),
            "PYTHONUNBUFFERED": "1",
            "IM_HOME": str(home),
            "LC_ALL": language,
            "PYTHONUTF8": "1",
            "COLUMNS": str(COLUMNS),
            "TZ": "UTC",
        }

    def run(self, *words: str, typed: str = "", code: int = 0) -> str:
        """Run a command to its end; what it printed, after checking its code and its width."""
        done = subprocess.run(
            [*_COMMAND, *words],
            env=self._env,
            input=typed,
            capture_output=True,
            text=True,
            timeout=2 * DEADLINE_S,
        )
        output = done.stdout + done.stderr
        assert done.returncode == code, output
        check_width(done.stdout)
        return output

    def open(self, *words: str) -> "Screen":
        """Start a command on a terminal of its own."""
        return Screen([*_COMMAND, *words], self._env)


class Screen:
    """A process on a pseudo terminal; `text` is what its screen shows, as if it never scrolled."""

    def __init__(self, command: Sequence[str], env: dict[str, str]) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
        self._process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, env=env, start_new_session=True
        )
        os.close(slave)
        self._data = b""

    @property
    def text(self) -> str:
        """What was shown so far."""
        while select.select([self._master], [], [], 0)[0]:
            try:
                data = os.read(self._master, 65536)
            except OSError:  # the process has ended
                break
            self._data += data
        return shown(self._data.decode(errors="replace"))

    def wait(self, text: str) -> None:
        """Wait until this was shown."""
        try:
            wait_until(lambda: text in self.text, what=repr(text))
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.text}") from None

    def type(self, line: str) -> None:
        """Type a line."""
        os.write(self._master, line.encode() + b"\n")

    def end(self) -> int:
        """Wait for the end; the exit code."""

        def ended() -> bool:
            _ = self.text  # or its writes would block
            return self._process.poll() is not None

        wait_until(ended, what="the end of the command")
        check_width(self.text)
        return self._process.returncode

    def close(self) -> None:
        """Leave nothing behind."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        with suppress(OSError):
            os.close(self._master)


def check_width(output: str) -> None:
    """Every line fits the screen."""
    for line in output.splitlines():
        assert width(line) <= COLUMNS, f"{width(line)} columns: {line}"


def shown(output: str) -> str:
    """What is left on a screen of output that only goes up a line and clears lines."""
    lines, start = [""], 0
    for found in _PIECES.finditer(output):
        lines[-1] += output[start : found.start()]
        start = found.end()
        if found[0] == _UP:
            if len(lines) > 1:
                lines.pop()
        elif found[0] == _CLEAR:
            lines[-1] = ""
        else:
            lines.append("")
    lines[-1] += output[start:]
    return "\n".join(lines)
