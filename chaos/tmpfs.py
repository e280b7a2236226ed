"""A small disk that can be filled: a tmpfs, where we may mount one."""

import os
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Self

STEP_BYTES = 1 << 20


class Tmpfs:
    """Mounted at `root` while the context lasts; where it cannot be, `root` is a plain folder."""

    def __init__(self, root: Path, size_mb: int) -> None:
        self.root = root.resolve()
        self.mounted = False
        self.reason = ""
        """Why it is not mounted."""
        self._size_mb = size_mb

    def __enter__(self) -> Self:
        self.root.mkdir(parents=True, exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={self._size_mb}m", "tmpfs", str(self.root)]
        try:
            done = subprocess.run(command, capture_output=True, text=True)
        except OSError as error:
            self.reason = str(error)
        else:
            self.mounted = not done.returncode
            self.reason = done.stderr.strip()
        return self

    def __exit__(self, *_: object) -> None:
        if self.mounted:
            subprocess.run(["umount", "--lazy", str(self.root)], check=True)

    def fill(self) -> int:
        """Leaves no byte free; returns how many were taken."""
        taken = 0
        with self._filler.open("wb", buffering=0) as file, suppress(OSError):
            while True:
                taken += os.write(file.fileno(), bytes(STEP_BYTES))
        return taken

    def free(self) -> None:
        """Gives back what `fill` took."""
        self._filler.unlink(missing_ok=True)

    @property
    def _filler(self) -> Path:
        return self.root / "filler"
