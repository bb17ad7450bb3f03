"""The application of a worker that ends before or after a given call to its backend. CRASH says which: `settle:after:1`."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, cast

from typedtasks import Broker, Retry

__all__ = ["broker", "double", "flaky"]

broker = Broker()


@broker.task(name="crash.double")
async def double(x: int) -> int:
    """Return twice x."""
    return 2 * x


@broker.task(name="crash.flaky", retry=Retry(max_attempts=5, when=lambda error: 0.0))
async def flaky(x: int) -> int:
    """Fail at the first attempt of each process."""
    if not _failed[x]:
        _failed[x] += 1
        raise ConnectionError("the first time")
    return 3 * x


_failed: Counter[int] = Counter()
_calls: Counter[str] = Counter()


def _crash_at(point: str) -> None:
    _calls[point] += 1
    if f"{point}:{_calls[point]}" == os.environ.get("CRASH"):
        os.kill(os.getpid(), signal.SIGKILL)


def _crashing(name: str, method: Callable[..., Awaitable[object]]) -> Callable[..., Awaitable[object]]:
    async def call(*arguments: object) -> object:
        _crash_at(f"{name}:before")
        answer = await method(*arguments)
        _crash_at(f"{name}:after")
        return answer

    return call


async def _join(*arguments: object) -> object:
    session = cast("Any", await join(*arguments))  # Any: methods of one object are replaced
    for name in ("receive", "settle", "release", "recover", "unpark", "leave"):
        setattr(session, name, _crashing(name, getattr(session, name)))
    return session


backend = cast("Any", broker.backend)  # Any: as above
join = _crashing("join", backend.join)
if "CRASH" in os.environ:
    backend.join = _join
