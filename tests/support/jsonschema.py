"""Holding bodies against the schemas of docs/openapi.json, more strictly than the schemas say."""

import json
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from dev.docs.__main__ import OPENAPI

Schema = dict[str, Any]


@cache
def openapi() -> Schema:
    """The document as it lies in docs/."""
    document: Schema = json.loads(OPENAPI.read_text())
    return document


def validate(schema: Schema, value: object) -> None:
    """Raise where the value does not fit, or holds a field that the schema does not name."""
    strict = {"components": _closed(openapi()["components"]), **_closed(schema)}
    Draft202012Validator(strict).validate(value)


def operation(path: str) -> Schema:
    """What the document says about a path, which has one method."""
    ((_, found),) = openapi()["paths"][path].items()
    assert isinstance(found, dict)
    return found


def body_schema(path: str) -> Schema:
    """The schema of a path's JSON request."""
    found: Schema = operation(path)["requestBody"]["content"]["application/json"]["schema"]
    return found


def resolved(schema: Schema) -> Schema:
    """The schema that is meant, where it is a reference."""
    while "$ref" in schema:
        *_, section, name = schema["$ref"].split("/")
        schema = openapi()["components"][section][name]
    return schema


def check_answer(path: str, status: int, body: object) -> None:
    """Raise unless the document says that this path answers this status with such JSON."""
    responses = operation(path)["responses"]
    assert str(status) in responses, f"{path} answers {status}, which is not documented"
    content = resolved(responses[str(status)])["content"]
    validate(content["application/json"]["schema"], body)


def _closed(schema: Any) -> Any:
    """The same without room for what it does not name."""
    if isinstance(schema, list):
        return [_closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items()}
    if schema.get("type") == "object" and isinstance(schema.get("properties"), dict):
        closed.setdefault("additionalProperties", False)
    return closed
