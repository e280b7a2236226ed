"""A child process in a session of its own, whose whole process group ends when we end.

Why not PR_SET_PDEATHSIG: it fires when the *thread* that forked ends, and it is not inherited, so
gunicorn's and Celery's own children would stay. Instead every child gets a lifeline: a shell that
reads from a pipe we hold. When we die in whatever way, the pipe closes and the shell ends the
group. A child that was stopped releases its lifeline first, so a reused id is never signalled.
"""

import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

LIFELINE = """
read -r _ && exit
kill -s TERM -- "-$0"
sleep 3
kill -s KILL -- "-$0"
"""


class Child:
    """One command (a list, or a string for `sh -c`) that can be started again after it ended.

    `log` is a file the output is appended to; without it, `lines()` yields the output.
    """

    def __init__(
        self,
        command: Sequence[str] | str,
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        log: Path | None = None,
    ) -> None:
        self._command = command
        self._env = env
        self._cwd = cwd
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._lifeline: subprocess.Popen[bytes] | None = None
        self._killing = threading.Lock()

    @property
    def pid(self) -> int:
        """Id of the process and of its group; RuntimeError before the first start."""
        if self._process is None:
            raise RuntimeError("not started")
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def returncode(self) -> int | None:
        return None if self._process is None else self._process.poll()

    def start(self) -> None:
        if self.alive:
            raise RuntimeError("already running")
        self.kill()
        output: IO[bytes] | int = subprocess.PIPE if self._log is None else self._log.open("ab")
        try:
            self._process = subprocess.Popen(
                self._command,
                shell=isinstance(self._command, str),
                env=self._env,
                cwd=self._cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        finally:
            if not isinstance(output, int):
                output.close()
        self._lifeline = subprocess.Popen(
            ["sh", "-c", LIFELINE, str(self._process.pid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def lines(self) -> Iterator[bytes]:
        """Output of the running process, until its last holder closes it."""
        assert self._process is not None
        assert self._process.stdout is not None
        with self._process.stdout as stdout:
            yield from stdout

    def wait(self, timeout_s: float | None = None) -> int:
        """Exit code of the process; subprocess.TimeoutExpired when it does not end in time."""
        assert self._process is not None
        return self._process.wait(timeout_s)

    def terminate(self) -> None:
        """Asks the process, and not its children, to end."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.terminate()

    def stop(self, timeout_s: float = 10.0) -> None:
        """Ends the process in an orderly way, then whatever is left of its group at once."""
        self.resume()
        self.terminate()
        if self._process is not None:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout_s)
        self.kill()

    def kill(self) -> None:
        """Ends the whole group with SIGKILL and waits for it; safe from several threads."""
        with self._killing:
            self._signal(signal.SIGKILL)
            if self._process is not None:
                self._process.wait()
            self._release()

    def pause(self) -> None:
        """Freezes the whole group, as a stuck disk or a hung machine would."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        if self._lifeline is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, number)

    def _release(self) -> None:
        if self._lifeline is not None:
            with suppress(BrokenPipeError):
                self._lifeline.communicate(b"\n")
            self._lifeline = None
