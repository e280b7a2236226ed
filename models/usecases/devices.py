"""A user's devices: list them, log one out; who is online."""

from collections.abc import Sequence

from models.core import Core
from models.devices import NEVER, expiry
from models.errors import Code, IMError
from models.ids import check_user
from models.redisclient import RedisError
from models.registry import Presence
from proto import im_pb2

USERS_MAX = 100


def devices(core: Core, user: str, request: im_pb2.DevicesRequest) -> im_pb2.DevicesResponse:
    """Where the user is connected, and where they were seen before."""
    online = {entry.device: entry for entry in _connections(core, [user])[0]}
    shown = [
        im_pb2.Device(
            device=entry.device,
            platform=entry.platform,
            online=True,
            connect_time=entry.since_ms,
            device_class=im_pb2.DeviceClass.Name(entry.class_),
        )
        for entry in sorted(online.values(), key=lambda entry: -entry.since_ms)
    ]
    shown += [
        im_pb2.Device(
            device=seen.device,
            platform=seen.platform,
            last_seen=seen.last_seen,
            device_class=im_pb2.DeviceClass.Name(seen.class_),
        )
        for seen in core.devices.of_user(user)
        if seen.device and seen.device not in online
    ]
    return im_pb2.DevicesResponse(devices=shown)


def log_out(core: Core, user: str, request: im_pb2.LogOutRequest) -> im_pb2.Reply:
    """End a device's connections, and refuse every token it used last.

    The tokens go first: dying behind that leaves connections that the next look at the list of
    refused tokens ends.
    """
    connected = [c for c in _connections(core, [user])[0] if c.device == request.device]
    seen = [s for s in core.devices.of_user(user) if s.device == request.device]
    if not request.device or not (connected or seen):
        raise IMError(Code.NOT_FOUND, "no such device")
    tokens = {entry.token_digest: expiry(entry.token_expires) for entry in connected}
    tokens |= {item.token_digest: item.token_expires for item in seen}
    core.devices.take_back((digest, min(until, NEVER)) for digest, until in tokens.items())
    ended = IMError(Code.TOKEN_REVOKED, "the device was logged out")
    core.registry.kick(user, [entry.session for entry in connected], ended)
    return im_pb2.Reply()


def presence(core: Core, user: str, request: im_pb2.PresenceRequest) -> im_pb2.PresenceResponse:
    """Who of these users is online, and when the others were last seen.

    Whom a user blocks sees neither.
    """
    return im_pb2.PresenceResponse(presences=presences(core, user, request.users))


def presences(core: Core, user: str, asked: Sequence[str]) -> list[im_pb2.Presence]:
    """What `user` may know of these users, in their order."""
    check_users(asked)
    blocked = core.blacklist.blocked([(name, user) for name in asked])
    hidden = {name for name, known in zip(asked, blocked, strict=True) if known is not False}
    shown = [name for name in asked if name not in hidden]
    online = {
        name
        for name, connections in zip(shown, _connections(core, shown), strict=True)
        if connections
    }
    last_seen = core.devices.last_seen([name for name in shown if name not in online])
    return [
        im_pb2.Presence(user=name, online=name in online, last_seen=last_seen.get(name, 0))
        for name in asked
    ]


def check_users(asked: Sequence[str]) -> None:
    """Refuse what cannot be a list of users."""
    if not 1 <= len(asked) <= USERS_MAX:
        raise IMError(Code.BAD_REQUEST, f"ask for 1 to {USERS_MAX} users")
    for name in asked:
        check_user(name)


def _connections(core: Core, users: Sequence[str]) -> list[list[Presence]]:
    try:
        return core.registry.connections(users)
    except RedisError as error:
        raise IMError(
            Code.UNAVAILABLE, "who is connected is not known now", retry_after_ms=1000
        ) from error
