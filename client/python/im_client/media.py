"""Files, images, voice and video: the application uploads, messages carry references.

The platform's messages never hold the bytes. An `Uploader` puts them where the application keeps
its files and answers with a reference, a storage key or an https URL.
"""

import mimetypes
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from im_client._proto import im_pb2
from im_client.called import called


@dataclass(frozen=True, slots=True)
class Upload:
    """What is to be uploaded: the bytes, or a path to them."""

    source: Path | bytes
    name: str
    mime: str
    size_bytes: int

    def read(self) -> bytes:
        """The bytes."""
        return self.source if isinstance(self.source, bytes) else self.source.read_bytes()


Uploader = Callable[[Upload], str | Awaitable[str]]
"""Stores an upload and answers its reference; what it raises reaches who sends.

One that is not a coroutine function runs in a thread of its own.
"""


def describe(source: Path | str | bytes, name: str = "", mime: str = "") -> Upload:
    """An upload of a file or of bytes; type and name are guessed from the path."""
    if isinstance(source, bytes):
        size, name = len(source), name or "file"
    else:
        source = Path(source)
        size, name = source.stat().st_size, name or source.name
    mime = mime or mimetypes.guess_type(name)[0] or "application/octet-stream"
    return Upload(source, name, mime, size)


async def store(upload: Upload, uploader: Uploader) -> im_pb2.Media:
    """Upload; the reference as messages carry it."""
    ref = await called(uploader, upload)
    return im_pb2.Media(
        ref=str(ref), mime=upload.mime, size_bytes=upload.size_bytes, name=upload.name
    )


def content_of(media: im_pb2.Media) -> im_pb2.Content:
    """A message body that shows it: an image, voice, video, or a file."""
    match media.mime.partition("/")[0]:
        case "image":
            return im_pb2.Content(image=im_pb2.Image(media=media))
        case "audio":
            return im_pb2.Content(voice=im_pb2.Voice(media=media))
        case "video":
            return im_pb2.Content(video=im_pb2.Video(media=media))
    return im_pb2.Content(file=im_pb2.File(media=media))
