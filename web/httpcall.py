"""What the HTTP routes share: reading bodies, tokens and client addresses, writing answers."""

from typing import TYPE_CHECKING

from flask import Response, request
from google.protobuf.message import Message
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

from models.errors import Code, IMError
from proto import jsonframe
from proto.commands import Command
from web.codec import parse_bytes, parse_json

if TYPE_CHECKING:
    from web.services import Services

PROTOBUF = "application/octet-stream"
STATUS = {
    Code.BAD_REQUEST: 400,
    Code.UNAUTHENTICATED: 401,
    Code.TOKEN_REVOKED: 401,
    Code.FORBIDDEN: 403,
    Code.NOT_FOUND: 404,
    Code.UNKNOWN_COMMAND: 404,
    Code.TOO_LARGE: 413,
    Code.INVALID_CONTENT: 422,
    Code.BLOCKED: 403,
    Code.SEQUENCE_CONFLICT: 409,
    Code.RECALL_EXPIRED: 409,
    Code.RATE_LIMITED: 429,
    Code.UNAVAILABLE: 503,
    Code.TIMEOUT: 504,
    Code.INTERNAL: 500,
    Code.OVERLOADED: 503,
    Code.LIMIT_EXCEEDED: 409,
    Code.KICKED: 409,
    Code.MUTED: 403,
    Code.DISBANDED: 409,
}


def wants_json() -> bool:
    """Whether the caller speaks JSON; protobuf otherwise."""
    return request.mimetype == "application/json"


def read_body(command: Command, length_max: int) -> Message:
    """The request in the caller's shape; raises IMError."""
    if (request.content_length or 0) > length_max:
        raise IMError(Code.TOO_LARGE, f"a body is at most {length_max} bytes")
    try:
        body = request.get_data(cache=False)
    except RequestEntityTooLarge as error:
        raise IMError(Code.TOO_LARGE, f"a body is at most {length_max} bytes") from error
    except ClientDisconnected as error:
        raise IMError(Code.BAD_REQUEST, "the body is incomplete") from error
    if len(body) > length_max:
        raise IMError(Code.TOO_LARGE, f"a body is at most {length_max} bytes")
    if not wants_json():
        return parse_bytes(command, body)
    try:
        return parse_json(command, jsonframe.loads(body or b"{}"))
    except jsonframe.JSONError as error:
        raise IMError(Code.BAD_REQUEST, str(error)) from error


def bearer_token() -> str:
    """The token of the Authorization header."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise IMError(Code.UNAUTHENTICATED, "an Authorization: Bearer header is needed")
    return token.strip()


def client_ip(services: "Services") -> str:
    """The caller's address."""
    peer = request.environ.get("REMOTE_ADDR", "")
    return services.trusted.client(peer, request.headers.get("X-Forwarded-For", ""))


def respond(answer: Message, as_json: bool) -> Response:
    """The HTTP answer: protobuf callers (Mars) always get 200, JSON callers a fitting status."""
    if not as_json:
        return Response(answer.SerializeToString(), 200, content_type=PROTOBUF)
    error = answer.error  # type: ignore[attr-defined]
    status = STATUS[Code(error.code)] if error.code else 200
    response = Response(
        jsonframe.dumps(jsonframe.from_message(answer)), status, content_type="application/json"
    )
    if error.retry_after_ms:
        response.headers["Retry-After"] = str(-(-error.retry_after_ms // 1000))
    return response
