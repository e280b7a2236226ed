"""What every session and route of this process shares; made once in `web/root.py`."""

from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gevent

from models.clock import now_ms
from models.core import Core
from models.devices import token_digest
from models.errors import Code, IMError
from models.metrics import Metrics
from models.platforms import class_of, heartbeat_s
from models.registry import Presence
from models.settings import Settings
from models.usecases.groupreading import groups_version
from models.usecases.reading import latest_version
from models.usercentre.tokens import Identity, TokenVerifier
from proto import im_pb2
from web.addresses import Addresses
from web.admission import Admission
from web.attendance import ANONYMOUS, Attendance
from web.dispatch import Dispatcher, TooLate, translate
from web.flusher import Flusher
from web.hub import Hub
from web.peer import Trusted

if TYPE_CHECKING:
    from web.session import Session

SUBSCRIBE_PATIENCE_S = 2.0


@dataclass(frozen=True, slots=True)
class Services:
    """See the module."""

    settings: Settings
    core: Core
    metrics: Metrics
    verifier: TokenVerifier
    dispatcher: Dispatcher
    hub: Hub
    flusher: Flusher
    attendance: Attendance
    admission: Admission
    addresses: Addresses
    trusted: Trusted

    def authenticate(self, session: "Session", request: im_pb2.AuthRequest) -> im_pb2.AuthResponse:
        """Open the session for the token's user; the answer says so or carries the refusal.

        An open session may authenticate again, with a newer token of the same user.
        """
        try:
            with gevent.Timeout(self.settings.request_timeout_s, TooLate()):
                check_device(request.platform, request.device)
                with nullcontext() if session.user else self.admission.login():
                    identity = self.verifier.verify(request.token)
                    token = request.token if self.keeps_tokens else ""
                    return self.open(session, identity, token, request.platform, request.device)
        except Exception as error:
            return im_pb2.AuthResponse(error=translate(error, "auth").to_proto())

    def open(
        self, session: "Session", identity: Identity, token: str, platform: str, device: str
    ) -> im_pb2.AuthResponse:
        """Open the session for an identity; raises IMError.

        The user's channel is subscribed before the version is read, so a client that syncs up to
        it misses nothing.
        """
        if session.closing:
            raise IMError(Code.UNAUTHENTICATED, "the connection is closing")
        if session.user and session.user != identity.user:
            raise IMError(Code.FORBIDDEN, "the connection belongs to another user")
        first = not session.user
        device = device or f"{ANONYMOUS}{session.id}"
        presence = make_presence(self, session.id, identity, platform, device)
        session.user, session.identity, session.token = identity.user, identity, token
        try:
            if first:
                self.hub.add(session, SUBSCRIBE_PATIENCE_S)
            if session.closing:  # a client that is gone must not push out the one it is now
                raise IMError(Code.UNAUTHENTICATED, "the connection is closing")
            moment = self.hub.following.moment
            entered = self.attendance.enter(session, presence)
        except BaseException:
            if first:
                self.hub.remove(session)
                session.user, session.identity, session.token = "", None, ""
            raise
        if not session.open():  # it was closed meanwhile, before it was counted in
            self.hub.remove(session)
            self.attendance.leave(session)
            raise IMError(Code.UNAUTHENTICATED, "the connection is closing")
        if first:
            self.hub.following.begin(identity.user, entered.groups, moment)
        version = entered.version
        return im_pb2.AuthResponse(
            user=identity.user,
            version=latest_version(self.core, identity.user) if version is None else version,
            groups_version=groups_version(self.core, identity.user, entered.groups),
            server_time=now_ms(),
            heartbeat_s=heartbeat_s(self.settings, presence.class_),
            idle_timeout_s=int(self.settings.idle_timeout_s),
            device=device,
        )

    def go_away(self, delay_ms: int) -> im_pb2.GoAwayPush:
        """Come back after the delay, here or elsewhere."""
        listed = self.addresses.answer()
        return im_pb2.GoAwayPush(
            delay_ms=delay_ms, addresses=listed.addresses, backups=listed.backups
        )

    @property
    def keeps_tokens(self) -> bool:
        """Whether tokens must be asked about again while their connections live."""
        settings = self.settings
        return settings.token_mode == "introspection" and not settings.revocations_url


def check_device(platform: str, device: str) -> None:
    """Refuse what cannot name a platform and a device."""
    if len(platform) > 32 or len(device) > 64:
        raise IMError(Code.BAD_REQUEST, "platform is at most 32 bytes, device 64")
    for name in (platform, device):
        if not (name.isascii() and (name.isprintable() or not name)):
            raise IMError(Code.BAD_REQUEST, "platform and device are printable ASCII")


def make_presence(
    services: Any, session: str, identity: Identity, platform: str, device: str, until_ms: int = 0
) -> Presence:
    """A connection as the registry keeps it."""
    return Presence(
        session=session,
        class_=class_of(platform),
        platform=platform,
        device=device,
        process=services.attendance.process,
        since_ms=now_ms(),
        token_digest=token_digest(identity),
        token_expires=identity.expires_at,
        until_ms=until_ms,
    )
