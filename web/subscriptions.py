"""Presence by subscription: a connection names the users it wants to hear of."""

from typing import TYPE_CHECKING, Any

from google.protobuf.message import Message

from models.errors import Code, IMError
from models.usecases.devices import check_users, presences
from proto import im_pb2
from web.session import Session

if TYPE_CHECKING:
    from web.dispatch import Caller
    from web.services import Services

WATCHED_MAX = 200
PATIENCE_S = 2.0


class Subscriptions:
    """Handlers of `presence_subscribe` and `presence_unsubscribe`."""

    def __init__(self, services: "Services") -> None:
        self._services = services

    def add_handlers(self) -> None:
        """Serve both commands."""
        add = self._services.dispatcher.add_handler
        add(im_pb2.CMD_PRESENCE_SUBSCRIBE, self._subscribe)
        add(im_pb2.CMD_PRESENCE_UNSUBSCRIBE, self._unsubscribe)

    def _subscribe(self, caller: "Caller", request: Any) -> Message:
        """The present state; changes follow. Channels first, so that none is missed between."""
        session = _session(caller)
        check_users(request.users)
        hub = self._services.hub
        wanted = frozenset(request.users)
        core = self._services.core
        blocked = core.blacklist.blocked([(user, session.user) for user in wanted])
        open_to = {user for user, known in zip(wanted, blocked, strict=True) if known is False}
        if len(session.watched | open_to) > WATCHED_MAX:
            raise IMError(Code.LIMIT_EXCEEDED, f"a connection hears of {WATCHED_MAX} users at most")
        if session.closing:  # nobody would end what begins now
            raise IMError(Code.UNAUTHENTICATED, "the connection is closing")
        hub.watch(session, frozenset(open_to), PATIENCE_S)
        return im_pb2.PresenceResponse(presences=presences(core, session.user, request.users))

    def _unsubscribe(self, caller: "Caller", request: Any) -> Message:
        session = _session(caller)
        self._services.hub.unwatch(session, frozenset(request.users) or session.watched)
        return im_pb2.Reply()


def _session(caller: "Caller") -> Session:
    if not isinstance(caller, Session):
        raise IMError(Code.BAD_REQUEST, "a subscription needs a connection; ask with presence")
    return caller
