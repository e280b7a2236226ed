"""Wall clocks of processes that can be moved while they run; see chaos/skewed/sitecustomize.py."""

import struct
from pathlib import Path

SKEWED = Path(__file__).parent / "skewed"


class Clocks:
    """One file for each process, in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def env(self, name: str) -> dict[str, str]:
        """What a process must be started with, for its clock to obey."""
        self._folder.mkdir(parents=True, exist_ok=True)
        if not self._file(name).exists():
            self._file(name).write_bytes(struct.pack("d", 0.0))
        return {"PYTHONPATH": str(SKEWED), "CHAOS_CLOCK": str(self._file(name))}

    def jump(self, name: str, wrong_by_s: float) -> None:
        """From now on the clock is wrong by so much: ahead, or behind when it is negative."""
        with self._file(name).open("r+b") as file:
            file.write(struct.pack("d", wrong_by_s))

    def _file(self, name: str) -> Path:
        return self._folder / name
