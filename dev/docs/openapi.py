"""`docs/openapi.json`: the HTTP side as OpenAPI 3.1, from the commands and their messages."""

from collections.abc import Mapping
from typing import Any

from google.protobuf.message import Message

from dev.docs.comments import read_comments
from dev.docs.examples import ANSWERS, REQUESTS
from dev.docs.schemas import Schema, reference, schemas_of
from dev.docs.tables import LONG_ONLY, meaning_of
from models.errors import RETRYABLE, Code, IMError
from models.settings import Settings
from proto import im_pb2, jsonframe
from proto.commands import COMMANDS, Command
from web.comet import COMET
from web.httpcall import PROTOBUF, STATUS
from web.shortlink import OPEN_TO_ALL

JSON, TEXT, EVENT_STREAM = "application/json", "text/plain", "text/event-stream"
ABOUT = """\
The short link (`POST /im/<command>`), the long poll, the event stream and the health checks. What
the commands mean, when to call which, and the long connections: docs/protocol.md.

Bodies are JSON (`application/json`), as protobuf's JSON mapping has it, or protobuf
(`application/octet-stream`, and every other type; the messages of proto/im.proto). In JSON, 64-bit
numbers are strings (numbers are read as well), bytes are base64, enums are names, and fields that
are zero or empty are left out. Fields that are not known are ignored.

A protobuf caller gets status 200 for everything a command answers, with the error in field 1. A
JSON caller gets the status of the error.
"""
FOREIGN_PAGE = "A web page of an origin that may not call gets this status with a line of text."
NAMES = {
    400: "BadRequest",
    401: "Unauthenticated",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    413: "TooLarge",
    422: "InvalidContent",
    429: "RateLimited",
    500: "Internal",
    503: "Unavailable",
    504: "Timeout",
}


def document() -> dict[str, Any]:
    """The whole document."""
    listed = [c for c in COMMANDS if c.request is not None and c.number not in LONG_ONLY]
    roots = [im_pb2.Reply, im_pb2.AuthResponse, COMET.request, COMET.answer]
    roots += [type_ for c in listed for type_ in (c.request, c.answer)]
    schemas = schemas_of(type_ for type_ in roots if type_ is not None)
    port = Settings.model_fields["web_port"].default
    return {
        "openapi": "3.1.0",
        "info": {"title": "im", "version": "1", "description": ABOUT},
        "servers": [{"url": f"http://127.0.0.1:{port}"}],
        "security": [{"bearer": []}],
        "tags": [{"name": name, "description": about} for name, about in TAGS.items()],
        "paths": {
            **{f"/im/{command.name}": {"post": _command(command)} for command in listed},
            "/comet": {"post": _comet()},
            "/events": {"get": _events()},
            "/healthz": {"get": _health("healthz")},
            "/readyz": {"get": _health("readyz")},
        },
        "components": {
            "schemas": {**schemas, "Refusal": _refusal()},
            "responses": {NAMES[status]: _error(status) for status in statuses()},
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A token of the user centre.",
                }
            },
        },
    }


TAGS = {
    "commands": "Messages, conversations, devices.",
    "groups": "Groups and their members.",
    "downlinks": "Waiting for what comes.",
    "health": "For load balancers.",
}


def statuses() -> list[int]:
    """Every status an error may have."""
    return sorted(set(STATUS.values()))


def json_of(message: Message) -> dict[str, Any]:
    """A message as JSON callers see it."""
    return jsonframe.from_message(message)


# ---------------------------------------------------------------- commands


def _command(command: Command) -> Schema:
    about = read_comments()[f"Command.{im_pb2.Command.Name(command.number)}"]
    operation: Schema = {
        "operationId": command.name,
        "tags": ["groups" if command.name.startswith("group") else "commands"],
        "summary": about[0].upper() + about[1:],
        "x-cmdid": command.number,
        **_bodies(command),
        "responses": {"200": _answer(command), **_errors()},
    }
    if command.number in OPEN_TO_ALL:
        operation["security"] = []
        del operation["responses"]["401"]
    return operation


def _comet() -> Schema:
    return {
        "operationId": "comet",
        "tags": ["downlinks"],
        "summary": "A long poll: answered when something comes, or when its time is over",
        "description": (
            "Answered at once when the mailbox holds more than `since`, else when something comes,"
            " else after `wait_s`, with neither messages nor events. The answer's `since` goes into"
            " the next poll, which any process may get."
        ),
        **_bodies(COMET),
        "responses": {"200": _answer(COMET), **_errors()},
    }


def _bodies(command: Command) -> Schema:
    assert command.request is not None
    name = command.request.DESCRIPTOR.name
    example = json_of(REQUESTS[command.name])
    return {
        "requestBody": {
            "required": bool(example),
            "content": {
                JSON: {"schema": reference(name), "example": example},
                PROTOBUF: _protobuf(name),
            },
        }
    }


def _answer(command: Command) -> Schema:
    name = command.answer.DESCRIPTOR.name
    return {
        "description": f"Done. To protobuf callers also every refusal, in `{name}.error`.",
        "content": {
            JSON: {"schema": reference(name), "example": json_of(ANSWERS[command.answer])},
            PROTOBUF: _protobuf(name),
        },
    }


def _protobuf(name: str) -> Schema:
    return {"schema": {"contentMediaType": PROTOBUF, "description": f"protobuf `im.{name}`"}}


# ---------------------------------------------------------------- errors


def _errors() -> Schema:
    return {
        str(status): {"$ref": f"#/components/responses/{NAMES[status]}"} for status in statuses()
    }


def _error(status: int) -> Schema:
    codes = [code for code in Code if STATUS[code] == status]
    lines = [f"`{code.name}`: {meaning_of(code)}" for code in codes]
    error = IMError(codes[0], meaning_of(codes[0]), 1000 if codes[0] in RETRYABLE else 0)
    example = json_of(im_pb2.Reply(error=error.to_proto()))
    response: Schema = {"description": "\n\n".join(lines)}
    if any(code in RETRYABLE for code in codes):
        response["headers"] = {
            "Retry-After": {
                "description": "Seconds, where the error says `retry_after_ms`.",
                "schema": {"type": "integer", "minimum": 1},
            }
        }
    response["content"] = {JSON: {"schema": reference("Refusal"), "example": example}}
    if status == STATUS[Code.FORBIDDEN]:
        response["description"] += f"\n\n{FOREIGN_PAGE}"
        response["content"][TEXT] = {"schema": {"type": "string"}}
    return response


def _refusal() -> Schema:
    return {
        "type": "object",
        "description": "An answer that carries an error, and nothing else.",
        "required": ["error"],
        "properties": {"error": {**reference("Error"), "required": ["code", "name", "message"]}},
    }


# ---------------------------------------------------------------- the rest


def _events() -> Schema:
    return {
        "operationId": "events",
        "tags": ["downlinks"],
        "summary": "Server-sent events: every downlink as one `im.json` text",
        "description": (
            "The first event is the answer to `auth`; then what the mailbox holds behind the"
            " cursor, and what comes. The id of an event is the cursor behind its messages."
        ),
        "security": [{"bearer": []}, {}],
        "parameters": [
            _query("since", "Cursor to go on from; absent: only what comes.", "^[0-9]{1,19}$"),
            _query("ticket", "A ticket of `ticket`, instead of the header. Good once."),
            _query("platform", "As in AuthRequest."),
            _query("device", "As in AuthRequest."),
            {
                "name": "Last-Event-ID",
                "in": "header",
                "description": "What a reconnecting browser says; it comes before `since`.",
                "schema": {"type": "string", "pattern": "^[0-9]{1,19}$"},
            },
        ],
        "responses": {
            "200": {
                "description": "The stream. Lines that begin with a colon keep it alive.",
                "content": {EVENT_STREAM: {"schema": {"type": "string"}, "example": _stream()}},
            },
            **_errors(),
        },
    }


def _query(name: str, about: str, pattern: str = "") -> Schema:
    schema: Schema = {"type": "string", **({"pattern": pattern} if pattern else {})}
    return {"name": name, "in": "query", "description": about, "schema": schema}


def _stream() -> str:
    auth = jsonframe.encode("auth", 0, ANSWERS[im_pb2.AuthResponse])
    sync = ANSWERS[im_pb2.SyncResponse]
    assert isinstance(sync, im_pb2.SyncResponse)
    push = im_pb2.MessagesPush(messages=sync.messages, previous=sync.cursor - 3)
    text = jsonframe.encode("push_messages", 0, push)
    return f"retry: 2000\n\ndata: {auth}\n\nid: {sync.cursor}\ndata: {text}\n\n:\n\n"


def _health(name: str) -> Schema:
    ready = name == "readyz"
    schema = READY if ready else {"type": "object", "properties": {"status": {"const": "ok"}}}
    states = {"mysql:im": "ok", "redis": "ok"}
    example: Mapping[str, object] = (
        {"dependencies": states, "ready": True} if ready else {"status": "ok"}
    )
    content = {JSON: {"schema": schema, "example": example}}
    responses: Schema = {"200": {"description": "Yes.", "content": content}}
    if ready:
        down = {"dependencies": {**states, "redis": "failed after 1.0 s: TimeoutError"}}
        failing = {JSON: {"schema": schema, "example": {**down, "ready": False}}}
        responses["503"] = {"description": "No, and why.", "content": failing}
    return {
        "operationId": name,
        "tags": ["health"],
        "summary": "Whether every dependency answers" if ready else "Whether the process lives",
        "security": [],
        "responses": responses,
    }


READY: Schema = {
    "type": "object",
    "required": ["ready", "dependencies"],
    "properties": {
        "ready": {"type": "boolean"},
        "dependencies": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}
