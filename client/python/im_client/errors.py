"""What can go wrong, as exceptions. All of them are `ImError`."""

from im_client._proto import im_pb2


class ImError(Exception):
    """`name` is stable and made for programs; `retryable`: the same call may succeed later."""

    name = "CLIENT"
    retryable = False


class ServerError(ImError):
    """The server refused a request; `name` is one of its error names, such as BLOCKED."""

    def __init__(self, error: im_pb2.Error) -> None:
        self.name = error.name or f"ERROR_{error.code}"
        super().__init__(f"{self.name}: {error.message}")
        self.code = int(error.code)
        self.retryable = error.retryable
        self.retry_after_s = error.retry_after_ms / 1000


class NotConnected(ImError):
    """There was no connection, or it was lost before the answer came."""

    name = "TIMEOUT"
    retryable = True


class LinkLost(NotConnected):
    """This connection is over."""


class Closed(ImError):
    """The client was closed, or the server does not want it back.

    `name` is CLOSED, or the server's reason: KICKED, UNAUTHENTICATED, TOKEN_REVOKED.
    """

    def __init__(self, name: str = "CLOSED", message: str = "the client is closed") -> None:
        super().__init__(message)
        self.name = name


class Refused(ImError):
    """A message of the outbox was refused for good; `name` is the server's reason."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(f"{name}: {text}")
        self.name = name


class MaybeSent(ImError):
    """It was on its way to the server, which may have it: it cannot be taken out of the outbox.

    Once it is acknowledged it can be recalled.
    """

    name = "MAYBE_SENT"


class WrongUser(ImError):
    """The token belongs to another user than the client was made for."""

    name = "WRONG_USER"


class StoreInUse(ImError):
    """Another process has this store open."""

    name = "STORE_IN_USE"


class StoreTooNew(ImError):
    """A newer version of this package wrote the store."""

    name = "STORE_TOO_NEW"


def check(error: im_pb2.Error) -> None:
    """Raise what an answer's `error` says, if it says anything."""
    if error.code:
        raise ServerError(error)
