"""Ports for private servers."""

import os
import socket
import subprocess
import sys

import pytest

from dev import ports
from dev.environment import ROOT

FIRST = 100_000 + 8 * os.getpid()
FEW = range(FIRST, FIRST + 8)
"""Numbers that nobody else gives away; nothing is opened on them."""


def test_a_port_is_given_away_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also while nobody listens on it yet, and also to another process."""
    # Given so few that a free one is hard to miss
    monkeypatch.setattr(ports, "PRIVATE", FEW)
    monkeypatch.setattr(ports, "is_free", lambda port: True)
    held: list[socket.socket] = []
    monkeypatch.setattr(ports, "_reserved", held)

    # When
    mine = {ports.free_port() for _ in FEW[1:]}

    # Then
    assert len(mine) == len(FEW) - 1
    (left,) = set(FEW) - mine
    script = (
        "from dev import ports\n"
        f"ports.PRIVATE, ports.is_free = {FEW!r}, lambda port: True\n"
        "print(ports.free_port())"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == str(left), done.stderr
    for name in held:
        name.close()
