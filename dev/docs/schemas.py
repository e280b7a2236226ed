"""JSON schemas of protobuf messages, as proto3's JSON mapping shows them (draft 2020-12).

Field names are those of `im.proto`; 64-bit integers are strings, bytes base64, enums names. Fields
that are zero or empty are left out of answers, so nothing is required.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor, OneofDescriptor
from google.protobuf.message import Message

from dev.docs.comments import read_comments

Schema = dict[str, Any]
PREFIX = "#/components/schemas/"
_F = FieldDescriptor
_SCALARS: Mapping[int, Schema] = {
    _F.TYPE_STRING: {"type": "string"},
    _F.TYPE_BYTES: {"type": "string", "contentEncoding": "base64"},
    _F.TYPE_BOOL: {"type": "boolean"},
    _F.TYPE_DOUBLE: {"type": "number", "format": "double"},
    _F.TYPE_UINT32: {"type": "integer", "format": "uint32", "minimum": 0, "maximum": 2**32 - 1},
    _F.TYPE_UINT64: {"type": "string", "format": "uint64", "pattern": "^[0-9]{1,20}$"},
    _F.TYPE_INT64: {"type": "string", "format": "int64", "pattern": "^-?[0-9]{1,19}$"},
}


def schemas_of(roots: Iterable[type[Message]]) -> dict[str, Schema]:
    """A schema by name for these messages and everything they hold, in the order of names."""
    comments = read_comments()
    found: dict[str, Schema] = {}
    waiting: list[Any] = [root.DESCRIPTOR for root in roots]
    while waiting:
        one = waiting.pop()
        if one.name in found:
            continue
        if isinstance(one, EnumDescriptor):
            found[one.name] = _enum(one, comments)
            continue
        found[one.name] = _message(one, comments)
        for field in one.fields:
            waiting += [held for held in (field.message_type, field.enum_type) if held is not None]
    return dict(sorted(found.items()))


def reference(name: str) -> Schema:
    """Where the schema of a message or an enum is."""
    return {"$ref": f"{PREFIX}{name}"}


def _message(message: Descriptor, comments: Mapping[str, str]) -> Schema:
    schema: Schema = {"type": "object"}
    if about := comments.get(message.name):
        schema["description"] = about
    schema["properties"] = {
        field.name: _field(message.name, field, comments) for field in message.fields
    }
    for oneof in message.oneofs:
        if len(oneof.fields) > 1:  # `optional` is a oneof of one
            schema["oneOf"] = _one_of(oneof)
    return schema


def _one_of(oneof: OneofDescriptor) -> list[Schema]:
    """Exactly one of the fields, or none of them."""
    each: list[Schema] = [{"required": [field.name]} for field in oneof.fields]
    return [*each, {"not": {"anyOf": each}}]


def _field(scope: str, field: FieldDescriptor, comments: Mapping[str, str]) -> Schema:
    held = field.message_type or field.enum_type
    schema = reference(held.name) if held is not None else dict(_SCALARS[field.type])
    if field.is_repeated:
        schema = {"type": "array", "items": schema}
    if about := comments.get(f"{scope}.{field.name}"):
        schema["description"] = about
    return schema


def _enum(enum: EnumDescriptor, comments: Mapping[str, str]) -> Schema:
    names = [value.name for value in enum.values]
    about = [comments[enum.name]] if enum.name in comments else []
    about += [
        f"{n}: {comments[f'{enum.name}.{n}']}" for n in names if f"{enum.name}.{n}" in comments
    ]
    schema: Schema = {"type": "string", "enum": names}
    if about:
        schema["description"] = "\n\n".join(about)
    return schema
