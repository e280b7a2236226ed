"""Scripts of client/js run with Node against a platform; the package is built where it must be."""

import json
import subprocess
from typing import Any

from dev.clients.wait import DEADLINE_S
from dev.environment import ROOT

PACKAGE = ROOT / "client" / "js"
RUN_S = 4 * DEADLINE_S


def run(*command: str) -> str:
    """What the command prints; AssertionError with everything it said when it fails."""
    done = subprocess.run(
        command, cwd=PACKAGE, capture_output=True, text=True, timeout=RUN_S, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def play(script: str, **fields: Any) -> str:
    """Run a script of `test/` with these fields as JSON, as its only argument."""
    return run("node", f"test/{script}", json.dumps(fields))
