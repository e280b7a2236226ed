"""docs/python-sdk.md does what it says, as it stands there; and the package can be installed."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from dev.clients.wait import DEADLINE_S
from dev.environment import ROOT
from tests.support.cluster import Cluster
from tests.support.sdkplatform import platform_for_sdks  # noqa: F401
from tests.support.sdkterminal import check_width

PAGE = ROOT / "docs/python-sdk.md"
PACKAGE = ROOT / "client/python"
_BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)


def _run(command: list[str], folder: Path, **env: str) -> str:
    """What a program prints, which must succeed."""
    done = subprocess.run(
        command,
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(PACKAGE), "COLUMNS": "80", **env},
        capture_output=True,
        text=True,
        timeout=4 * DEADLINE_S,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout


def test_the_quick_start(platform_for_sdks: Cluster, tmp_path: Path) -> None:
    # Given the addresses of this platform instead of those of `make run`
    platform = platform_for_sdks.platform
    ports = {
        8100: platform.port("usercenter"),
        8000: platform.port(),
        8002: platform.port("gateway"),
    }
    page = PAGE.read_text()
    for usual, port in ports.items():
        assert f":{usual}" in page
        page = page.replace(f"127.0.0.1:{usual}", f"127.0.0.1:{port}")
    command = tmp_path / "im"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m im_client.terminal.main "$@"\n')
    command.chmod(0o755)
    # When its blocks run one after the other, then they print what the page says
    printed = ""
    kinds = []
    for kind, block in _BLOCK.findall(page):
        kinds.append(kind)
        if kind == "python":
            printed = _run([sys.executable, "-c", block], tmp_path)
        elif kind == "text":
            assert printed == block
        elif kind == "sh":
            path = f"{tmp_path}:{os.environ['PATH']}"
            script = ["bash", "-euc", block]
            printed = _run(script, tmp_path, PATH=path, LC_ALL="C.UTF-8")
            check_width(printed)
        else:
            assert kind == "console"
    assert kinds == ["console", "sh", "python", "text", "python", "text", "sh"]
    # The terminal client saw the same conversations
    for text in ("How are you?", "Sent to bob.", "Hikers", "Logged in as alice."):
        assert text in printed
    assert "auth" in (tmp_path / "frames.txt").read_text()


def test_the_package_can_be_built_and_installed(tmp_path: Path) -> None:
    # Given a copy, because building leaves files behind
    source = tmp_path / "source"
    shutil.copytree(PACKAGE, source)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q", "--no-input"]
    options = ["--no-deps", "--no-build-isolation", "--no-index"]
    # When it is built and installed
    _pip([*pip, "wheel", *options, "-w", str(tmp_path), str(source)])
    (wheel,) = tmp_path.glob("im_client-*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    _pip([*pip, "install", *options, "--target", str(tmp_path / "site"), str(wheel)])
    # Then everything is in it, types too, and the command works
    modules = {f"im_client/{path.relative_to(PACKAGE / 'im_client')}" for path in _modules()}
    assert modules <= names
    assert {"im_client/py.typed", "im_client/_proto/im_pb2.pyi"} <= names
    assert not [name for name in names if name.startswith(("conformance", "proto/", "tests"))]
    done = subprocess.run(
        [str(tmp_path / "site/bin/im"), "--help"],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
    )
    assert "Instant messaging in a terminal." in done.stdout, done.stderr


def _modules() -> list[Path]:
    return list((PACKAGE / "im_client").rglob("*.py"))


def _pip(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=4 * DEADLINE_S)
    assert done.returncode == 0, done.stderr
