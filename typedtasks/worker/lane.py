"""A thread of the worker's pool that one execution has for itself, so that all its synchronous parts run in the same one."""

from __future__ import annotations

import asyncio
import contextvars
import os
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from typing import Generic, TypeVar

from typedtasks.forking import end_forked_child

__all__ = ["Lane"]

T = TypeVar("T")


class _Result(Generic[T]):
    """What a piece of work came to. An error is held, because a StopIteration cannot cross a future as an exception."""

    def __init__(self, work: Callable[[], T]) -> None:
        self.error: BaseException | None = None
        try:
            self._value = work()
        except BaseException as error:  # noqa: BLE001 - it is raised again where it is awaited
            self.error = error

    def get(self) -> T:
        if self.error is not None:
            raise self.error
        return self._value


class Lane:
    """Takes one thread of `pool` at once, runs there what it is given, piece by piece, and keeps it until `end`.

    All pieces share one context, so a context variable that one sets is seen by the next, as is one that the caller has set.
    """

    def __init__(self, pool: Executor, who: str) -> None:
        self._who = who
        self._process = os.getpid()
        self._loop = asyncio.get_running_loop()
        self._work: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._under_way = 0
        self.context = contextvars.copy_context()
        """The context of all pieces."""
        self._seen = dict[object, object](self.context.items())
        self.ended: asyncio.Future[None] = self._loop.run_in_executor(pool, self._serve)
        """Done when the thread is the pool's again."""

    @property
    def is_busy(self) -> bool:
        """Whether the thread still runs something, whether or not it is waited for."""
        return self._under_way > 0

    async def run(self, work: Callable[[], T], /) -> T:
        """Return what `work` returns in the thread, or raise what it raises. When this is cancelled, the thread goes on."""
        answer: asyncio.Future[_Result[T]] = self._loop.create_future()
        for variable, value in contextvars.copy_context().items():
            if self._seen.get(variable, variable) is not value:  # no variable holds itself
                self._seen[variable] = value
                self.context.run(variable.set, value)
        self._under_way += 1
        self._work.put(partial(self._answer, work, answer))
        return (await answer).get()

    def end(self, last: Callable[[], None] | None = None) -> None:
        """Give the thread back when what it runs has come to its end, and `last` after that."""
        if last is not None:
            self._work.put(partial(self.context.run, last))
        self._work.put(None)

    def _serve(self) -> None:
        while (work := self._work.get()) is not None:
            work()

    def _answer(self, work: Callable[[], T], answer: asyncio.Future[_Result[T]]) -> None:
        was_given_up = answer.cancelled()  # before it was begun
        result = None if was_given_up else _Result(partial(self.context.run, work))
        if os.getpid() != self._process:
            end_forked_child(self._who, result.error if result is not None else None)
        with suppress(RuntimeError):  # the loop was closed, because the worker has ended: nobody waits
            self._loop.call_soon_threadsafe(self._arrived, answer, result)

    def _arrived(self, answer: asyncio.Future[_Result[T]], result: _Result[T] | None) -> None:
        self._under_way -= 1
        if result is not None and not answer.done():
            answer.set_result(result)
