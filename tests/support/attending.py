"""The registry from outside: connections made up, and what is published about them."""

import itertools
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from models import keys
from models.clock import now_ms
from models.core import Core
from models.platforms import class_of
from models.registry import Presence, Registry
from proto import im_pb2

HERE, THERE = "process-here", "process-there"
_names = itertools.count()


def one(device: str, *, platform: str = "web", age_ms: int = 0, **more: Any) -> Presence:
    """A connection of a device, made so long ago; a new session each time unless one is named."""
    fields = {"session": f"s{next(_names)}", "process": HERE, "until_ms": 0, **more}
    return Presence(
        class_=class_of(platform),
        platform=platform,
        device=device,
        since_ms=now_ms() - age_ms,
        token_digest="ab" * 32,
        token_expires=2.0**40,
        **fields,
    )


class Ear:
    """What is published to a user's connections and about their presence."""

    def __init__(self, core: Core, user: str) -> None:
        self._redis = core.redis
        self._marker = f"marker-{secrets.token_hex(4)}"
        self._user = user
        self._pubsub = core.redis.pubsub()
        self._pubsub.subscribe(self._marker, keys.channel(user), keys.presence(user))
        for _ in range(3):
            self._pubsub.get_message(timeout=5)

    def heard(self) -> list[str]:
        """What came since the last time: `kick <session>`, `online`, `offline`."""
        self._redis.publish(self._marker, "")
        heard = []
        while (message := self._pubsub.get_message(timeout=5))["channel"] != self._marker.encode():
            heard.append(self._read(message["channel"].decode(), message["data"]))
        return heard

    def close(self) -> None:
        self._pubsub.close()

    def _read(self, channel: str, payload: bytes) -> str:
        head, _, body = payload.partition(b"\n")
        if channel == keys.channel(self._user):
            session, _, code = head.decode()[1:].partition(" ")
            assert (head[:1], code) == (b"k", "KICKED"), payload
            assert body
            return f"kick {session}"
        assert head == b"e%d" % im_pb2.CMD_PUSH_PRESENCE
        presence = im_pb2.PresencePush.FromString(body).presence
        assert presence.user == self._user
        assert presence.online == (not presence.last_seen)
        return "online" if presence.online else "offline"


@contextmanager
def listening(core: Core, user: str) -> Iterator[Callable[[], list[str]]]:
    ear = Ear(core, user)
    try:
        yield ear.heard
    finally:
        ear.close()


def sessions(registry: Registry, user: str) -> set[str]:
    return {entry.session for entry in registry.connections([user])[0]}
