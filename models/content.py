"""The rules of message bodies: what each kind of `Content` may hold.

Bodies are checked once, when they are sent, and kept as the bytes they came in; nothing here
changes them, and fields this server does not know are left alone. Media bytes never travel in a
message: a reference is a key of the storage service or an https URL, so that no client is ever
handed a `data:`, `javascript:`, `file:` or plain http address.
"""

import math
import re
from collections.abc import Callable
from typing import Any

from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet

from models.errors import Code, IMError
from models.ids import check_message_id, check_user
from proto import im_pb2

CONTENT_BYTES_MAX = 32 * 1024
TEXT_BYTES_MAX = 8192
REF_BYTES_MAX = 1024
MIME_PART_BYTES_MAX = 127
NAME_BYTES_MAX = 255
MEDIA_BYTES_MAX = 4 * 1024**3
SIDE_PX_MAX = 65535
DURATION_MS_MAX = 24 * 3600 * 1000
PLACE_NAME_BYTES_MAX = 256
PLACE_ADDRESS_BYTES_MAX = 512
CARD_NAME_BYTES_MAX = 128
CUSTOM_TYPE_BYTES_MAX = 64
CUSTOM_DATA_BYTES_MAX = 16384
CUSTOM_SUMMARY_BYTES_MAX = 512
MENTIONS_MAX = 50

# A key has no colon (so no scheme), no percent sign, no empty, "." or ".." segment.
_KEY = re.compile(r"(?!.*(?:^|/)\.{0,2}(?:/|$))[A-Za-z0-9._/=+@~-]+")
# No user part: "https://bank.example@evil.example" shows one host and goes to another.
_HTTPS = re.compile(
    r"https://(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?"
    r"(?:[/?#][a-z0-9._~:/?#\[\]@!$&'()*+,;=%-]*)?",
    re.IGNORECASE,
)
_MIME_PART = rf"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{{0,{MIME_PART_BYTES_MAX - 1}}}"
_MIME = re.compile(rf"({_MIME_PART})/{_MIME_PART}")  # RFC 6838, section 4.2
# Controls, line separators, and the marks that make "gpj.exe" read as "exe.jpg".
_NAME_REFUSED = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069/\\]")
_WRAPPERS = (b"\x32", b"\x1a", b"\x12")  # Message.content, Contact.last, ContactsResponse.contacts
_CUSTOM_TYPE = re.compile(rf"[A-Za-z0-9._/-]{{1,{CUSTOM_TYPE_BYTES_MAX}}}")


def check_content(data: bytes) -> im_pb2.Content:
    """Parse the bytes of a `Content` and return it; raise `IMError` if it breaks a rule.

    TOO_LARGE over `CONTENT_BYTES_MAX`, BAD_REQUEST when the bytes are no `Content`,
    INVALID_CONTENT for everything else. A plain text costs about a microsecond.
    """
    if len(data) > CONTENT_BYTES_MAX:
        raise IMError(Code.TOO_LARGE, f"content of {len(data)} bytes, at most {CONTENT_BYTES_MAX}")
    try:
        content = _parse_as_deep_as_readers_do(data)
    except DecodeError as error:
        raise IMError(Code.BAD_REQUEST, "the bytes are not a Content") from error
    body = content.WhichOneof("body")
    if body is None:
        raise _invalid("the content has no body of a known kind")
    if body not in _CHECKS:
        raise _invalid("only the server says what happened to a group")
    # Parsing keeps the last of several bodies; then, and rarely else, the sizes differ.
    if content.ByteSize() != len(data):
        _check_single_body(data)
    _CHECKS[body](getattr(content, body))
    if content.reply_to:
        _within("reply_to", check_message_id, content.reply_to)
    if content.mentions:
        _check_mentions(content.mentions)
    return content


def _parse_as_deep_as_readers_do(data: bytes) -> im_pb2.Content:
    """The Content inside a contact list, the deepest place it is ever read in.

    protobuf refuses what is nested too deeply, counted from the outermost message: a Content full
    of unknown groups could be fine on its own and unreadable in every answer.
    """
    outer = data
    for tag in _WRAPPERS:
        outer = tag + _varint(len(outer)) + outer
    return im_pb2.ContactsResponse.FromString(outer).contacts[0].last.content


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _invalid(why: str) -> IMError:
    return IMError(Code.INVALID_CONTENT, why)


def _within(field: str, check: Callable[[str], str], value: str) -> None:
    """Run a check of `models.ids`; its refusal becomes a refusal of the content."""
    try:
        check(value)
    except IMError as error:
        raise _invalid(f"{field}: {error.message}") from error


def _check_bytes(field: str, value: str, bytes_max: int) -> None:
    if len(value.encode()) > bytes_max:
        raise _invalid(f"{field} is longer than {bytes_max} bytes")


def _check_most(field: str, value: int, most: int) -> None:
    if value > most:
        raise _invalid(f"{field} is {value}, at most {most}")


def _check_single_body(data: bytes) -> None:
    """Count the bodies on the wire, by reading the bytes as fields of a message without any."""
    fields = UnknownFieldSet(im_pb2.PingRequest.FromString(data))
    numbers = [fields[index].field_number for index in range(len(fields))]
    if sum(number in _BODY_FIELDS for number in numbers) != 1:
        raise _invalid("the content has more than one body")


def _check_mentions(mentions: Any) -> None:
    if len(mentions) > MENTIONS_MAX:
        raise _invalid(f"{len(mentions)} mentions, at most {MENTIONS_MAX}")
    for user in mentions:
        _within("mentions", check_user, user)
    if len(set(mentions)) != len(mentions):
        raise _invalid("a user is mentioned twice")


def check_ref(field: str, ref: str) -> None:
    """Refuse what is no reference into the storage service."""
    if not ref:
        raise _invalid(f"{field} is missing")
    if len(ref) > REF_BYTES_MAX:
        raise _invalid(f"{field} is longer than {REF_BYTES_MAX} bytes")
    if not (_KEY.fullmatch(ref) or _HTTPS.fullmatch(ref)):
        raise _invalid(f"{field} is neither a storage key nor an https URL")


def _check_media(field: str, media: im_pb2.Media, kind: str) -> None:
    """`kind` is the type a mime must have; empty: any."""
    check_ref(f"{field}.ref", media.ref)
    if media.mime:
        match = _MIME.fullmatch(media.mime)
        if match is None:
            raise _invalid(f"{field}.mime is not type/subtype")
        if kind and match[1].lower() != kind:
            raise _invalid(f"{field}.mime is not {kind}/*")
    _check_bytes(f"{field}.name", media.name, NAME_BYTES_MAX)
    if _NAME_REFUSED.search(media.name) or media.name in (".", ".."):
        raise _invalid(f"{field}.name holds a control character or a path")
    _check_most(f"{field}.size_bytes", media.size_bytes, MEDIA_BYTES_MAX)


def _check_text(text: im_pb2.Text) -> None:
    length = len(text.text.encode())
    if not 0 < length <= TEXT_BYTES_MAX:
        raise _invalid(f"text of {length} bytes, 1 to {TEXT_BYTES_MAX}")


def _check_image(image: im_pb2.Image) -> None:
    _check_media("image.media", image.media, "image")
    _check_most("image.width", image.width, SIDE_PX_MAX)
    _check_most("image.height", image.height, SIDE_PX_MAX)
    if image.HasField("thumbnail"):
        _check_media("image.thumbnail", image.thumbnail, "image")


def _check_voice(voice: im_pb2.Voice) -> None:
    _check_media("voice.media", voice.media, "audio")
    _check_most("voice.duration_ms", voice.duration_ms, DURATION_MS_MAX)


def _check_video(video: im_pb2.Video) -> None:
    _check_media("video.media", video.media, "video")
    _check_most("video.duration_ms", video.duration_ms, DURATION_MS_MAX)
    _check_most("video.width", video.width, SIDE_PX_MAX)
    _check_most("video.height", video.height, SIDE_PX_MAX)
    if video.HasField("cover"):
        _check_media("video.cover", video.cover, "image")


def _check_file(file: im_pb2.File) -> None:
    _check_media("file.media", file.media, "")


def _check_location(location: im_pb2.Location) -> None:
    for field, value, most in (
        ("latitude", location.latitude, 90.0),
        ("longitude", location.longitude, 180.0),
    ):
        if not math.isfinite(value) or abs(value) > most:
            raise _invalid(f"location.{field} is not from -{most:g} to {most:g} degrees")
    _check_bytes("location.name", location.name, PLACE_NAME_BYTES_MAX)
    _check_bytes("location.address", location.address, PLACE_ADDRESS_BYTES_MAX)


def _check_card(card: im_pb2.Card) -> None:
    _within("card.user", check_user, card.user)
    _check_bytes("card.name", card.name, CARD_NAME_BYTES_MAX)
    if card.HasField("avatar"):
        _check_media("card.avatar", card.avatar, "image")


def _check_custom(custom: im_pb2.Custom) -> None:
    if not _CUSTOM_TYPE.fullmatch(custom.type):
        raise _invalid(
            f"custom.type is 1 to {CUSTOM_TYPE_BYTES_MAX} letters, digits, dots, dashes,"
            " underscores and slashes"
        )
    _check_most("the length of custom.data", len(custom.data), CUSTOM_DATA_BYTES_MAX)
    _check_bytes("custom.summary", custom.summary, CUSTOM_SUMMARY_BYTES_MAX)


_CHECKS: dict[str, Callable[[Any], None]] = {
    "text": _check_text,
    "image": _check_image,
    "voice": _check_voice,
    "video": _check_video,
    "file": _check_file,
    "location": _check_location,
    "card": _check_card,
    "custom": _check_custom,
}
_BODY_FIELDS = frozenset(
    field.number for field in im_pb2.Content.DESCRIPTOR.oneofs_by_name["body"].fields
)
