"""Where files go: to a command, or to an address. Messages then carry the reference it answers."""

import asyncio
import shlex
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx

from im_client.media import Upload

TIMEOUT_S = 300.0


class UploadFailed(Exception):
    """The file did not get there; the text says why."""


def by_reference(ref: str) -> Callable[[Upload], str]:
    """The file is there already, under this reference."""
    return lambda upload: ref


def by_command(command: str) -> Callable[[Upload], Awaitable[str]]:
    """Run a command with the path as its last argument; it prints the reference."""

    async def upload(file: Upload) -> str:
        assert isinstance(file.source, Path)
        process = await asyncio.create_subprocess_exec(
            *shlex.split(command), str(file.source), stdout=asyncio.subprocess.PIPE
        )
        out, _ = await process.communicate()
        ref = out.decode(errors="replace").strip()
        if process.returncode or not ref:
            raise UploadFailed(f"{command}: exit code {process.returncode}")
        return ref.splitlines()[-1]

    return upload


def by_address(url: str, ca: str) -> Callable[[Upload], Awaitable[str]]:
    """POST the bytes with their type; the answer is `{"ref": …}`, or a Location header."""

    async def upload(file: Upload) -> str:
        headers = {"Content-Type": file.mime}
        try:
            async with httpx.AsyncClient(verify=ca or True, timeout=TIMEOUT_S) as http:
                params = {"name": file.name}
                answer = await http.post(url, content=file.read(), headers=headers, params=params)
        except httpx.HTTPError as error:
            raise UploadFailed(str(error)) from error
        if not answer.is_success:
            raise UploadFailed(f"HTTP {answer.status_code}")
        ref = str(answer.headers.get("Location", ""))
        if "json" in answer.headers.get("Content-Type", ""):
            ref = str(answer.json().get("ref", ref))
        if not ref:
            raise UploadFailed("the answer names no reference")
        return ref

    return upload
