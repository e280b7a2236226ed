"""Calls what the application gave us without standing still while it works."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


async def called(call: Callable[P, R | Awaitable[R]], *args: P.args, **kwargs: P.kwargs) -> R:
    """The answer of a coroutine function, or of a plain one, which runs in a thread."""
    answer: Any
    if inspect.iscoroutinefunction(call):
        answer = call(*args, **kwargs)
    else:
        answer = await asyncio.to_thread(lambda: call(*args, **kwargs))
    found: R = await answer if inspect.isawaitable(answer) else answer
    return found
