"""Who is connected, on which device, through which process: in Redis, for as long as it lasts.

Nothing here is durable. A process writes its own connections, renews a short-lived key of its own,
and counts everything in again, under a new name, when that key is not as it left it (Redis
restarted, or the process was frozen for too long). Connections of a process without its key are
dead: nobody counts them, and whoever of the user leaves next, or else `bury`, removes them and says
whose they were. So what an old snapshot brings back is dead too.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from models import keys
from models.clock import now_ms
from models.errors import Code, IMError
from models.membership import read_joins
from models.redisclient import Scripts
from proto import im_pb2

ALIVE_MS = 15_000
"""A process that did not renew its key for this long is taken for dead."""

HASH_TTL_S = 2 * 24 * 3600
USERS_PER_STEP = 200


@dataclass(frozen=True, slots=True)
class Presence:
    """One connection of a user; `until_ms` is 0 for one that lasts until it leaves."""

    session: str
    class_: int
    platform: str
    device: str
    process: str
    since_ms: int
    token_digest: str
    token_expires: float  # epoch seconds, may be infinite
    until_ms: int = 0

    def to_json(self) -> str:
        """As the scripts keep it."""
        expires = min(self.token_expires, 2.0**53)
        return json.dumps(
            {
                "c": self.class_,
                "p": self.platform,
                "d": self.device,
                "o": self.process,
                "t": self.since_ms,
                "k": self.token_digest,
                "x": expires,
                "u": self.until_ms,
            }
        )


def _read(session: str, text: bytes) -> Presence:
    entry = json.loads(text)
    return Presence(
        session=session,
        class_=entry["c"],
        platform=entry["p"],
        device=entry["d"],
        process=entry["o"],
        since_ms=int(entry["t"]),
        token_digest=entry["k"],
        token_expires=float(entry["x"]),
        until_ms=int(entry["u"]),
    )


class Entered(NamedTuple):
    """What the caches know of a user who is counted in; None: nothing."""

    version: int | None  # newest one of the mailbox
    groups: dict[str, int] | None  # and the versions of the rows they were joined by


NOTHING_KNOWN = Entered(None, None)


class Registry:
    """Every method may raise RedisError: then nothing is known and nobody is turned away."""

    def __init__(self, client: Any, scripts: Scripts, policy: str) -> None:
        self._redis = client
        self._scripts = scripts
        self._policy = policy

    def enter(self, user: str, entry: Presence, cap: int) -> Entered:
        """Count a connection in; what the caches know of the user.

        At most `cap` of its class stay connected. Raises LIMIT_EXCEEDED in policy
        `refuse`, KICKED for a poll that was pushed out since its last call.
        """
        answer = self._scripts.enter(**_enter(user, entry, cap, self._policy))
        if answer[0] == 0:
            raise IMError(Code.LIMIT_EXCEEDED, "too many devices of this kind are connected")
        if answer[0] == -1:
            raise IMError(Code.KICKED, "another device took its place")
        return Entered(int(answer[1]) if answer[1] else None, read_joins(answer[2]))

    def enter_again(self, entries: Iterable[tuple[str, Presence]]) -> None:
        """Count connections in that were already admitted; pushes nobody out.

        Of two connections of one device the one that came later stays.
        """
        pipe = self._redis.pipeline(transaction=False)
        for user, entry in entries:
            self._scripts.enter(**_enter(user, entry, 0, self._policy), client=pipe)
        pipe.execute()

    def leave(self, process: str, gone: Sequence[tuple[str, str]]) -> list[tuple[str, Presence]]:
        """Count (user, session) pairs out; who was removed, the dead of those users with them.

        Polls stay until their time is over.
        """
        return self._leave(process, gone, at_once=False)

    def forget(self, process: str, user: str, session: str) -> list[tuple[str, Presence]]:
        """As `leave`, for a poll that will not come back; one that was pushed out may again."""
        return self._leave(process, [(user, session)], at_once=True)

    def _leave(
        self, process: str, gone: Sequence[tuple[str, str]], *, at_once: bool
    ) -> list[tuple[str, Presence]]:
        now = now_ms()
        pipe = self._redis.pipeline(transaction=False)
        for user, session in gone:
            push = im_pb2.PresencePush(presence=im_pb2.Presence(user=user, last_seen=now))
            self._scripts.leave(
                keys=[keys.devices(user), keys.attended(process)],
                args=[
                    *(user, session, process, now, keys.presence(user), _payload(push)),
                    "1" if at_once else "",
                ],
                client=pipe,
            )
        answers = pipe.execute()
        return [
            (user, _read("", text))
            for (user, _), removed in zip(gone, answers, strict=True)
            for text in removed
        ]

    def connections(self, users: Sequence[str]) -> list[list[Presence]]:
        """For each user: the connections that are alive."""
        if not users:
            return []
        answers = self._scripts.present(
            keys=[keys.devices(user) for user in users], args=[now_ms()]
        )
        return [
            [
                _read(session.decode(), text)
                for session, text in zip(flat[::2], flat[1::2], strict=True)
            ]
            for flat in answers
        ]

    # ------------------------------------------------------------ processes

    def renew(self, process: str, beat: int) -> bool:
        """Say that the process lives, for the `beat`-th time, from 0.

        False when Redis does not remember the beat before: it lost what is written here, or went
        back in time. The process must then go on under another name and count everything in again.
        """
        pipe = self._redis.pipeline(transaction=False)
        pipe.set(keys.process(process), beat, px=ALIVE_MS, get=True)
        pipe.sadd(keys.PROCESSES, process)
        before = b"%d" % (beat - 1) if beat else None
        return bool(pipe.execute()[0] == before)

    def resign(self, process: str) -> None:
        """The process ends; its connections have left."""
        self._redis.delete(keys.process(process), keys.attended(process))
        self._redis.srem(keys.PROCESSES, process)

    def bury(self, process: str) -> list[tuple[str, Presence]]:
        """Count out what died with other processes; who that was. `process` is the one asking."""
        removed: list[tuple[str, Presence]] = []
        names = [name.decode() for name in self._redis.smembers(keys.PROCESSES)]
        for name in names:
            if self._redis.exists(keys.process(name)):
                continue
            users = [user.decode() for user in self._redis.smembers(keys.attended(name))]
            for start in range(0, len(users), USERS_PER_STEP):
                chunk = [(user, "") for user in users[start : start + USERS_PER_STEP]]
                removed += self.leave(process, chunk)
            # Last, so that dying before it repeats the whole.
            self._redis.delete(keys.attended(name))
            self._redis.srem(keys.PROCESSES, name)
        return removed

    def hide(self, user: str, watcher: str) -> None:
        """End what the watcher's connections are told of the user's presence."""
        self._redis.publish(keys.channel(watcher), f"h{user}")

    def kick(self, user: str, sessions: Iterable[str], error: IMError) -> None:
        """Tell the process that holds them to end these connections of the user."""
        pipe = self._redis.pipeline(transaction=False)
        for session in sessions:
            pipe.publish(keys.channel(user), f"k{session} {error.code.name}\n{error.message}")
        pipe.execute()


def _enter(user: str, entry: Presence, cap: int, policy: str) -> dict[str, list[Any]]:
    push = im_pb2.PresencePush(presence=im_pb2.Presence(user=user, online=True))
    return {
        "keys": [
            keys.devices(user),
            keys.attended(entry.process),
            keys.latest(user),
            keys.groups(user),
        ],
        "args": [
            *(user, entry.session, entry.to_json(), cap, policy, now_ms(), HASH_TTL_S),
            *(keys.channel(user), keys.presence(user), _payload(push)),
        ],
    }


def _payload(push: im_pb2.PresencePush) -> bytes:
    return b"e%d\n" % im_pb2.CMD_PUSH_PRESENCE + push.SerializeToString()
