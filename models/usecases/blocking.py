"""Block, unblock, list blocked."""

from contextlib import suppress

from models.core import Core
from models.errors import Code, IMError
from models.ids import check_user
from models.redisclient import RedisError
from models.usecases.reading import page_limit
from proto import im_pb2


def block(core: Core, user: str, request: im_pb2.BlockRequest) -> im_pb2.Reply:
    """Take no more messages from a user."""
    blocked = check_user(request.user)
    if blocked == user:
        raise IMError(Code.BAD_REQUEST, "nobody can block themselves")
    core.blacklist.block(user, blocked)
    with suppress(RedisError):  # it ends with the watcher's connections anyway
        core.registry.hide(user, blocked)
    return im_pb2.Reply()


def unblock(core: Core, user: str, request: im_pb2.UnblockRequest) -> im_pb2.Reply:
    """Take messages from a user again."""
    core.blacklist.unblock(user, check_user(request.user))
    return im_pb2.Reply()


def blocked(core: Core, user: str, request: im_pb2.BlockedRequest) -> im_pb2.BlockedResponse:
    """Whom the user blocks, in pages."""
    if request.after:
        check_user(request.after)
    limit = page_limit(request.limit)
    users = core.blacklist.page(user, request.after, limit + 1)
    return im_pb2.BlockedResponse(users=users[:limit], more=len(users) > limit)
