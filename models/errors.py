"""The one enum of stable error codes and the one exception that carries them.

Numbers come from `proto/im.proto` and are never renumbered. Two translators turn exceptions into
answers: `web/dispatch.py` for requests and `tasks/app.py` for tasks.
"""

from enum import IntEnum

from proto import im_pb2


class Code(IntEnum):
    """What went wrong, as clients see it."""

    BAD_REQUEST = im_pb2.ERR_BAD_REQUEST
    UNAUTHENTICATED = im_pb2.ERR_UNAUTHENTICATED
    TOKEN_REVOKED = im_pb2.ERR_TOKEN_REVOKED
    FORBIDDEN = im_pb2.ERR_FORBIDDEN
    NOT_FOUND = im_pb2.ERR_NOT_FOUND
    UNKNOWN_COMMAND = im_pb2.ERR_UNKNOWN_COMMAND
    TOO_LARGE = im_pb2.ERR_TOO_LARGE
    INVALID_CONTENT = im_pb2.ERR_INVALID_CONTENT
    BLOCKED = im_pb2.ERR_BLOCKED
    SEQUENCE_CONFLICT = im_pb2.ERR_SEQUENCE_CONFLICT
    RECALL_EXPIRED = im_pb2.ERR_RECALL_EXPIRED
    RATE_LIMITED = im_pb2.ERR_RATE_LIMITED
    UNAVAILABLE = im_pb2.ERR_UNAVAILABLE
    TIMEOUT = im_pb2.ERR_TIMEOUT
    INTERNAL = im_pb2.ERR_INTERNAL
    OVERLOADED = im_pb2.ERR_OVERLOADED
    LIMIT_EXCEEDED = im_pb2.ERR_LIMIT_EXCEEDED
    KICKED = im_pb2.ERR_KICKED
    MUTED = im_pb2.ERR_MUTED
    DISBANDED = im_pb2.ERR_DISBANDED


RETRYABLE = frozenset(
    {Code.RATE_LIMITED, Code.UNAVAILABLE, Code.TIMEOUT, Code.INTERNAL, Code.OVERLOADED}
)


class IMError(Exception):
    """A refusal or failure with a stable code; `message` is English and for developers."""

    def __init__(self, code: Code, message: str, retry_after_ms: int = 0) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retry_after_ms = retry_after_ms

    @property
    def retryable(self) -> bool:
        return self.code in RETRYABLE

    def to_proto(self) -> im_pb2.Error:
        return im_pb2.Error(
            code=self.code,
            retryable=self.retryable,
            message=self.message,
            name=self.code.name,
            retry_after_ms=self.retry_after_ms,
        )
