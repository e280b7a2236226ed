"""Names and avatars from the user centre, cached in Redis."""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice

import redis
import structlog

from models import keys
from models.settings import Settings
from models.usercentre.client import UserCentreClient, UserCentreDown
from proto import im_pb2

BATCH_USERS = 100
NAME_CHARS_MAX = 128
AVATAR_CHARS_MAX = 1024
FAILURE_PAUSE_S = 5.0

_ABSENT = b""

log = structlog.get_logger(__name__)


class Profiles:
    """Profiles of users; decoration that must never hold up or fail what it decorates."""

    def __init__(
        self,
        settings: Settings,
        cache: redis.Redis,
        *,
        client: UserCentreClient | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client or UserCentreClient(settings)
        self._cache = cache
        self._clock = clock
        self._url = settings.profiles_url
        self._cache_s = settings.profile_cache_s
        self._timeout_s = settings.usercenter_timeout_s
        self._paused_until = float("-inf")

    def get(self, users: Sequence[str]) -> dict[str, im_pb2.Profile]:
        """The profiles that are known, by user; never raises for a service that is down.

        All calls together take at most `usercenter_timeout_s`. After a failure the user centre is
        left alone for FAILURE_PAUSE_S and only the cache answers.
        """
        if not self._url:
            return {}
        asked = [user for user in dict.fromkeys(users) if user]
        found = self._cached(asked)
        missing = (user for user in asked if user not in found)
        deadline = self._clock() + self._timeout_s
        for batch in _batches(missing, BATCH_USERS):
            fetched = self._fetch(batch, deadline)
            if fetched is None:
                break
            found.update(fetched)
            self._store(fetched)
        return {user: profile for user, profile in found.items() if profile is not None}

    def _cached(self, users: Sequence[str]) -> dict[str, im_pb2.Profile | None]:
        """What Redis knows: a profile, or None for a user known to have none."""
        if not users:
            return {}
        try:
            values = self._cache.mget([keys.profile(user) for user in users])
        except redis.RedisError as error:
            log.warning("profiles.cache_failed", error=type(error).__name__)
            return {}
        found: dict[str, im_pb2.Profile | None] = {}
        for user, value in zip(users, values, strict=True):
            if value is None:
                continue
            if not value:
                found[user] = None
            elif (profile := _decode(user, value)) is not None:
                found[user] = profile
        return found

    def _store(self, profiles: Mapping[str, im_pb2.Profile | None]) -> None:
        try:
            with self._cache.pipeline(transaction=False) as pipe:
                for user, profile in profiles.items():
                    pipe.set(keys.profile(user), _encode(profile), ex=self._cache_s)
                pipe.execute()
        except redis.RedisError as error:
            log.warning("profiles.cache_failed", error=type(error).__name__)

    def _fetch(
        self, users: Sequence[str], deadline: float
    ) -> dict[str, im_pb2.Profile | None] | None:
        """Ask the user centre for one batch; None when it gives no answer or is left alone."""
        now = self._clock()
        if now < self._paused_until or now >= deadline:
            return None
        try:
            answer = self._client.post_json(
                self._url, {"users": list(users)}, timeout_s=deadline - now
            )
            entries = answer.get("profiles")
            if not isinstance(entries, list):
                raise UserCentreDown("not a list of profiles")
        except UserCentreDown as error:
            log.warning("profiles.fetch_failed", reason=error.reason)
            self._paused_until = self._clock() + FAILURE_PAUSE_S
            return None
        profiles: dict[str, im_pb2.Profile | None] = dict.fromkeys(users)
        for entry in entries:
            user = entry.get("user") if isinstance(entry, dict) else None
            if isinstance(user, str) and user in profiles:
                profiles[user] = _profile(user, entry)
        return profiles


def _profile(user: str, entry: Mapping[str, object]) -> im_pb2.Profile:
    return im_pb2.Profile(
        user=user,
        name=_clip(entry.get("name"), NAME_CHARS_MAX),
        avatar=_clip(entry.get("avatar"), AVATAR_CHARS_MAX),
    )


def _clip(value: object, chars_max: int) -> str:
    """Text of at most `chars_max` characters, without the surrogates protobuf refuses."""
    if not isinstance(value, str):
        return ""
    return value[:chars_max].encode("utf-8", "replace").decode()


def _encode(profile: im_pb2.Profile | None) -> bytes:
    if profile is None:
        return _ABSENT
    return json.dumps({"name": profile.name, "avatar": profile.avatar}).encode()


def _decode(user: str, value: bytes | str) -> im_pb2.Profile | None:
    """The cached profile; None when the bytes are not one, which counts as not cached."""
    try:
        entry = json.loads(value)
    except ValueError:
        return None
    return _profile(user, entry) if isinstance(entry, dict) else None


def _batches(users: Iterator[str], size: int) -> Iterator[list[str]]:
    while batch := list(islice(users, size)):
        yield batch
