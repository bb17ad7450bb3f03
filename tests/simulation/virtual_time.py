"""An event loop without a machine: time jumps to the next timer, and the same program always runs in the same order."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from contextvars import Context
from typing import Any, Final, TypeVar, cast

from typedtasks.batching import cancel_and_wait

__all__ = ["LoopClock", "Stuck", "VirtualLoop", "simulated"]

T = TypeVar("T")

_EPOCH: Final = 1_700_000_000.0
_MOST_TURNS: Final = 20_000
"""Turns of the loop at one moment: more means that time will never go on."""


class Stuck(Exception):
    """Everybody waits for something that will never come, or the loop turns without end."""


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs callbacks in order. It never waits: when nothing is ready, it is the time of the next timer."""

    def __init__(self) -> None:
        super().__init__()
        self.errors: list[str] = []
        """What nobody has caught."""
        self._now = 0.0
        self._turns = 0
        self._serials = itertools.count()
        self._selector = self  # what BaseEventLoop asks in each of its turns
        self.set_task_factory(cast("Any", self._new_task))  # Any: its own type is generic in what a task returns
        self.set_exception_handler(self._note)

    def time(self) -> float:
        """Return the virtual seconds since the loop was made."""
        return self._now

    def select(self, timeout: float | None) -> Sequence[object]:
        """Let the time of the next timer come (see `selectors`)."""
        if timeout is None:
            raise Stuck(f"at {self._now:.3f} s nothing is due any more")
        self._turns = 0 if timeout > 0 else self._turns + 1
        if self._turns > _MOST_TURNS:
            raise Stuck(f"at {self._now:.3f} s the loop turns without end")
        self._now += timeout
        return ()

    def _process_events(self, events: Sequence[object]) -> None:
        return

    def _write_to_self(self) -> None:
        return

    def _new_task(
        self, loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, T], context: Context | None = None
    ) -> asyncio.Task[T]:
        return _Task(work, loop=loop, context=context, serial=next(self._serials))

    def _note(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.errors.append(f"{context['message']}: {context.get('exception')!r}")


class _Task(asyncio.Task[T]):
    """A task whose place in a set does not depend on its address."""

    def __init__(
        self, work: Coroutine[Any, Any, T], *, loop: asyncio.AbstractEventLoop, context: Context | None, serial: int
    ) -> None:
        self._serial = serial
        super().__init__(work, loop=loop, context=context)

    def __hash__(self) -> int:
        return self._serial


class LoopClock:
    """The time of a virtual loop. Implements `typedtasks.clock.Clock`."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def now(self) -> float:
        """Return seconds since 1970: the loop began in November 2023."""
        return _EPOCH + self._loop.time()

    def monotonic(self) -> float:
        """Return the loop's own time."""
        return self._loop.time()

    async def sleep(self, duration: float) -> None:
        """Return after `duration` virtual seconds."""
        await asyncio.sleep(duration)


def simulated(loop: VirtualLoop, work: Coroutine[Any, Any, T]) -> T:
    """Return what a coroutine returns on a virtual loop, which is closed then."""
    try:
        return loop.run_until_complete(work)
    finally:
        left = asyncio.all_tasks(loop)
        if left:  # after a failure: so that nothing is reported as never awaited
            with suppress(Stuck):
                loop.run_until_complete(cancel_and_wait(left))
        loop.close()
