"""Process trees, from /proc."""

from pathlib import Path


def tree(pid: int) -> list[int]:
    """`pid` and all its descendants, those that still run."""
    found = [pid]
    for parent in found:
        try:
            for task in Path(f"/proc/{parent}/task").iterdir():
                found += map(int, (task / "children").read_text().split())
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found
