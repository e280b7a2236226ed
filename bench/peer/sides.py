"""The two servers compared: how each is started, and who its users are."""

import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

from bench.__main__ import PROCESSES
from bench.caller import Caller
from bench.peer.archive import places_held
from bench.peer.comparison import OURS, PEER
from bench.peer.ejabberd import Ejabberd
from bench.peer.load import XMPP
from bench.peer.xmpp import ROOMS
from bench.rows import Rows
from bench.scenarios import Target
from proto import im_pb2

TOKENS_AT = "usercenter"  # ours hands out tokens; it is no part of the server
WRITTEN_SHARE_MIN = 0.999  # of the rows that ejabberd writes, as MariaDB counts them


class Side(ABC):
    """One server. Only one runs at a time; MariaDB and Redis stay up for both."""

    name: str
    rows: Mapping[str, float]
    """What `stored` must be for each message, at least: `one` to one, in a `group`."""

    @contextmanager
    def running(self) -> Iterator[None]:
        self.start()
        try:
            yield
        finally:
            self.stop()

    @abstractmethod
    def start(self) -> None: ...

    @abstractmethod
    def stop(self) -> None: ...

    @property
    @abstractmethod
    def pids(self) -> Mapping[str, int]:
        """Of the processes that serve; their children count too."""

    @abstractmethod
    def party(self, users: list[str]) -> dict[str, Any]:
        """These users, made known, as `bench.peer.load.Party` names them."""

    @abstractmethod
    def room(self, users: list[str], party: Mapping[str, Any]) -> str:
        """A room for all of them."""

    @abstractmethod
    def stored(self, party: Mapping[str, Any], prefix: str, written: int) -> int:
        """Places in the archive that hold the messages marked with `prefix`, which the party sent.

        `written`: rows that MariaDB has written since before they were sent.
        """


class Ours(Side):
    """The platform, over TCP or WebSocket."""

    name = OURS
    rows: Mapping[str, float] = {"one": 2, "group": 1}

    def __init__(self, target: Target, transport: str) -> None:
        self._target = target
        self._transport = transport

    def start(self) -> None:
        self._target.platform.start(*PROCESSES)

    def stop(self) -> None:
        self._target.platform.stop()

    @property
    def pids(self) -> Mapping[str, int]:
        pids = {name: self._target.platform.pid(name) for name in PROCESSES if name != TOKENS_AT}
        return pids | {"redis": self._target.pids["redis"]}

    def party(self, users: list[str]) -> dict[str, Any]:
        return {
            "host": self._target.host,
            "port": self._target.ports[self._transport],
            "transport": self._transport,
            "users": users,
            "tokens": self._target.tokens(users),
        }

    def room(self, users: list[str], party: Mapping[str, Any]) -> str:
        with Caller(self._target.host, self._target.ports["tcp"], party["tokens"][0]) as caller:
            request = im_pb2.GroupCreateRequest(
                sequence=f"{time.time_ns():x}",
                name="bench",
                users=users[1:],
                join_mode=im_pb2.INVITATION,
            )
            return str(caller.call(request).group.group)

    def stored(self, party: Mapping[str, Any], prefix: str, written: int) -> int:
        with closing(Rows(self._target)) as rows:
            return places_held(rows, party["users"], prefix)


class Peer(Side):
    """ejabberd, over TCP."""

    name = PEER
    rows: Mapping[str, float] = {"one": 2 * WRITTEN_SHARE_MIN, "group": WRITTEN_SHARE_MIN}

    def __init__(self, ejabberd: Ejabberd) -> None:
        self._ejabberd = ejabberd

    def start(self) -> None:
        self._ejabberd.start()

    def stop(self) -> None:
        self._ejabberd.stop()

    @property
    def pids(self) -> Mapping[str, int]:
        return {"ejabberd": self._ejabberd.pid}

    def party(self, users: list[str]) -> dict[str, Any]:
        return {
            "host": "127.0.0.1",
            "port": self._ejabberd.port,
            "transport": XMPP,
            "users": users,
            "tokens": self._ejabberd.register(users),
        }

    def room(self, users: list[str], party: Mapping[str, Any]) -> str:
        return f"room-{secrets.token_hex(6)}@{ROOMS}"

    def stored(self, party: Mapping[str, Any], prefix: str, written: int) -> int:
        return written  # nothing but its archive writes
