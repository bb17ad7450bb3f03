"""Synchronous functions in threads of the worker's pool."""

from __future__ import annotations

import asyncio
import contextvars
import os
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from inspect import iscoroutine
from typing import Final, TypeGuard

from typedtasks.coroutine import Coro
from typedtasks.forking import end_forked_child
from typedtasks.worker.abandoned import Abandoned

__all__ = ["THREAD_GOES_ON", "Threads", "adopt", "is_awaitable"]

THREAD_GOES_ON: Final = "its thread goes on until the function returns, because Python cannot stop a thread"


@dataclass(frozen=True, slots=True)
class _Raised:
    """What a function raised in its thread. Returned, because a StopIteration cannot cross a future as an exception."""

    error: BaseException


class Threads:
    """Calls functions in threads, at most `size` at a time, each in a copy of the caller's context."""

    def __init__(self, size: int, abandoned: Abandoned) -> None:
        self.pool = ThreadPoolExecutor(size, thread_name_prefix="typedtasks-task")
        self._abandoned = abandoned

    async def call(
        self, who: str, function: Callable[..., object], args: tuple[object, ...], kwargs: Mapping[str, object]
    ) -> object:
        """Return what the function returns, or raise what it raises. When this is cancelled, the thread goes on, and is given up.

        What it returns may be awaitable: then the variables that it has set are set here, too.
        """
        context = contextvars.copy_context()
        work = partial(_call, who, os.getpid(), function, args, kwargs)
        future: asyncio.Future[object] = asyncio.get_running_loop().run_in_executor(self.pool, context.run, work)
        try:
            result = await asyncio.shield(future)
        except asyncio.CancelledError:
            if not future.done():
                self._abandoned.add(future, who, THREAD_GOES_ON)
                future.add_done_callback(_drop)
            raise
        if isinstance(result, _Raised):
            raise result.error
        if is_awaitable(result):
            adopt(context)
        return result

    def close(self) -> None:
        """Let the threads end. Those that still run a function are not waited for."""
        self.pool.shutdown(wait=False, cancel_futures=True)


def is_awaitable(value: object) -> TypeGuard[Awaitable[object]]:
    """Return whether a value can be awaited."""
    return hasattr(type(value), "__await__")


def adopt(context: contextvars.Context) -> None:
    """Set here what was set in another context."""
    here = contextvars.copy_context()
    for variable, value in context.items():
        if here.get(variable, variable) is not value:  # no variable holds itself
            variable.set(value)


def _call(
    who: str, process: int, function: Callable[..., object], args: tuple[object, ...], kwargs: Mapping[str, object]
) -> object:
    try:
        result = function(*args, **kwargs)
    except BaseException as error:  # noqa: BLE001 - it is raised again on the event loop
        if os.getpid() != process:
            end_forked_child(who, error)
        return _Raised(error)
    if os.getpid() != process:
        end_forked_child(who)
    return result


def _drop(future: asyncio.Future[object]) -> None:
    """Close the coroutine that a function has returned for which nobody waits any more."""
    result = None if future.cancelled() or future.exception() is not None else future.result()
    if iscoroutine(result):
        unstarted: Coro[object] = result
        unstarted.close()
