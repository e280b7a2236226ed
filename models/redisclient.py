"""Redis clients and Lua scripts.

Everything stored there can be rebuilt, so callers treat a failure as "not cached" and go on.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError
from redis.retry import Retry

from models.settings import Settings

LUA = Path(__file__).parent / "lua"
CONNECTIONS_MAX = 16
PAUSE_S = 0.5
"""After a failure Redis is not asked again for this long, so that a dead or frozen one costs its
timeout once and not once per call."""

RedisError = redis.RedisError


class FailFast(Retry):
    """Never retries (a repeated INCR would double) and refuses at once after a recent failure."""

    def __init__(self) -> None:
        super().__init__(NoBackoff(), 0)
        self._closed_until = 0.0

    def __deepcopy__(self, memo: Any) -> "FailFast":
        return self  # connections copy their policy; the failure is everybody's

    def call_with_retry(self, do: Callable[[], Any], *args: Any, **kwargs: Any) -> Any:
        if time.monotonic() < self._closed_until:
            raise redis.ConnectionError("Redis failed a moment ago")
        try:
            return super().call_with_retry(do, *args, **kwargs)
        except (redis.ConnectionError, redis.TimeoutError):
            self._closed_until = time.monotonic() + PAUSE_S
            raise


def open_redis(settings: Settings) -> "redis.Redis":
    """A client with short timeouts that fails fast."""
    pool = redis.BlockingConnectionPool.from_url(
        settings.redis_url,
        max_connections=CONNECTIONS_MAX,
        timeout=settings.redis_timeout_s,
        socket_timeout=settings.redis_timeout_s,
        socket_connect_timeout=settings.redis_timeout_s,
        retry=FailFast(),
        health_check_interval=0,
        protocol=2,
    )
    return redis.Redis(connection_pool=pool)


def evalsha(pipe: Any, script: Any, keys: Sequence[str], args: Iterable[Any]) -> None:
    """Add a script's call to a pipeline, for `call_all`."""
    pipe.execute_command("EVALSHA", script.sha, len(keys), *keys, *args)


def call_all(client: Any, script: Any, queue: Callable[[Any], object]) -> list[Any]:
    """The answers to what `queue` adds to a pipeline, in one round trip; raises the first failure.

    When Redis does not know the `script`, it is loaded and everything repeated: what is added must
    bear that. redis-py's own pipelines ask each time whether it is known.
    """
    for _ in range(2):
        pipe = client.pipeline(transaction=False)
        queue(pipe)
        answers: list[Any] = pipe.execute(raise_on_error=False)
        failure = next((a for a in answers if isinstance(a, Exception)), None)
        if failure is None:
            return answers
        if not isinstance(failure, NoScriptError):
            raise failure
        client.script_load(script.script)
    raise NoScriptError("Redis keeps forgetting the script")


class Scripts:
    """The Lua scripts, called by digest and loaded when Redis does not know them."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.effects = client.register_script((LUA / "effects.lua").read_text())
        self.install = client.register_script((LUA / "install.lua").read_text())
        self.read = client.register_script((LUA / "read.lua").read_text())
        self.take = client.register_script((LUA / "take.lua").read_text())
        self.keep = client.register_script((LUA / "keep.lua").read_text())
        self.release = client.register_script((LUA / "release.lua").read_text())
        self.wake = client.register_script((LUA / "wake.lua").read_text())
        self.unlock = client.register_script((LUA / "unlock.lua").read_text())
        self.enter = client.register_script((LUA / "enter.lua").read_text())
        self.leave = client.register_script((LUA / "leave.lua").read_text())
        self.present = client.register_script((LUA / "present.lua").read_text())
        self.rate = client.register_script((LUA / "rate.lua").read_text())
        self.group_apply = client.register_script((LUA / "group_apply.lua").read_text())
        self.group_range = client.register_script((LUA / "group_range.lua").read_text())
        self.group_fill = client.register_script((LUA / "group_fill.lua").read_text())
        self.group_fanout = client.register_script((LUA / "group_fanout.lua").read_text())
        self.fill_set = client.register_script((LUA / "fill_set.lua").read_text())
