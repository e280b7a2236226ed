"""The `im.json` shape: `{"cmd": name, "seq": number, "body": {...}}` as text.

Bodies follow protobuf's JSON mapping (64-bit integers are strings, bytes are base64), with the
field names of `im.proto`. For tools and mini-programs; hot paths use frames.
"""

import json
import math
import re
from typing import Any

from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

NESTING_MAX = 32
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]*={0,2}")  # the JSON mapping allows both alphabets


class JSONError(ValueError):
    """The text is not what it should be; the message says why."""


def _no_constant(name: str) -> Any:
    raise JSONError(f"{name} is not JSON")


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise JSONError("a number is too large")
    return value


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise JSONError("a name appears twice in an object")
    return value


def loads(text: str | bytes) -> dict[str, Any]:
    """Parse a JSON object in UTF-8.

    Deep nesting, huge numbers, names given twice and bad UTF-8 raise `JSONError`.
    """
    try:
        # json.loads would guess UTF-16 and let surrogates through.
        decoded = text if isinstance(text, str) else text.decode()
        value = json.loads(
            decoded,
            parse_constant=_no_constant,
            parse_float=_finite,
            object_pairs_hook=_no_duplicates,
        )
    except JSONError:
        raise
    except (ValueError, RecursionError) as error:
        raise JSONError(f"not JSON: {type(error).__name__}") from error
    if not isinstance(value, dict):
        raise JSONError("not a JSON object")
    return value


def _is_enum_value(value: Any, enum: Any) -> bool:
    """Whether it is a name of the enum, or any number of 32 bits."""
    if isinstance(value, str):
        return value in enum.values_by_name
    return isinstance(value, int) and not isinstance(value, bool) and -(2**31) <= value < 2**31


def _check_value(value: Any, field: Any) -> None:
    if field.message_type is not None:
        if not isinstance(value, dict):
            raise JSONError(f"{field.name} is not an object")
        _check_shape(value, field.message_type)
    elif field.enum_type is not None:
        if not _is_enum_value(value, field.enum_type):
            raise JSONError(f"{field.name} has no such value")
    elif field.type == FieldDescriptor.TYPE_BYTES and not (
        isinstance(value, str) and _BASE64.fullmatch(value)
    ):
        raise JSONError(f"{field.name} is not base64")


def _check_shape(body: dict[str, Any], descriptor: Any) -> None:
    """Refuse what `ParseDict` reads as something else without a word.

    It takes a list or a string for an empty message, skips unknown enum names, cuts fractions and
    high bits off enum numbers, and drops what is not base64 (protobuf 7.36).
    """
    for name, value in body.items():
        field = descriptor.fields_by_name.get(name) or descriptor.fields_by_camelcase_name.get(name)
        if field is None:
            continue
        for item in value if field.is_repeated and isinstance(value, list) else (value,):
            if item is not None:
                _check_value(item, field)


def to_message(body: dict[str, Any], type_: type[Message]) -> Message:
    """Read a body; unknown fields are ignored, wrong types raise `JSONError`."""
    message = type_()
    try:
        _check_shape(body, type_.DESCRIPTOR)
        json_format.ParseDict(
            body, message, ignore_unknown_fields=True, max_recursion_depth=NESTING_MAX
        )
    except JSONError:
        raise
    except (json_format.ParseError, RecursionError, OverflowError, ValueError) as error:
        raise JSONError(f"body does not fit {type_.DESCRIPTOR.name}: {error}"[:200]) from error
    return message


def from_message(message: Message) -> dict[str, Any]:
    """A body as the JSON mapping shows it."""
    body: dict[str, Any] = json_format.MessageToDict(message, preserving_proto_field_name=True)
    return body


def decode(text: str | bytes) -> tuple[str, int, dict[str, Any]]:
    """(command name, seq, body) of one text message."""
    value = loads(text)
    cmd, seq, body = value.get("cmd"), value.get("seq", 0), value.get("body", {})
    if not isinstance(cmd, str) or not cmd.isascii():  # echoed: half a surrogate pair has no bytes
        raise JSONError("cmd is not a string of ASCII")
    if not isinstance(seq, int) or isinstance(seq, bool) or not 0 <= seq <= 0xFFFFFFFF:
        raise JSONError("seq is not a number from 0 to 4294967295")
    if not isinstance(body, dict):
        raise JSONError("body is not an object")
    return cmd, seq, body


def encode(cmd: str, seq: int, message: Message) -> str:
    """One text message."""
    return dumps({"cmd": cmd, "seq": seq, "body": from_message(message)})


def dumps(value: dict[str, Any]) -> str:
    """Compact JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
