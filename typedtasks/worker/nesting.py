"""Tasks that wait for the results of other tasks, and hold all slots of their worker meanwhile: they may wait for ever.

Whether an execution waits is looked up where it stands, when nothing has been started for a while: so waiting costs no task
anything.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterable, Iterator
from inspect import isawaitable, iscoroutine, isgenerator
from itertools import islice
from types import FrameType
from typing import Final, Never, Protocol, cast

from typedtasks.broker import Broker
from typedtasks.logs import Log

__all__ = ["waits_for_a_result", "warn_of_waits"]

_LOOK: Final = 2.0
"""Seconds without a start, while all slots are taken, until it is asked what takes them."""
_MOST: Final = 10_000
"""Objects that are looked at for one execution."""
_WAITING: Final = Broker.wait_outcome.__code__

_log = Log("typedtasks.worker")


class Slots(Protocol):
    """What is asked about a worker's slots."""

    @property
    def is_full(self) -> bool:
        """Whether every slot is taken."""
        ...

    @property
    def starts(self) -> int:
        """How many executions were started so far."""
        ...

    def running(self) -> list[tuple[str, asyncio.Task[object]]]:
        """Return what runs, each with the name of its task."""
        ...


async def warn_of_waits(slots: Slots) -> Never:
    """Say once for each task that it waits for results while it and others like it hold all slots."""
    told: set[str] = set()
    before = -1
    while True:
        await asyncio.sleep(_LOOK)
        before, is_still = slots.starts, slots.starts == before
        if not (is_still and slots.is_full):
            continue
        running = slots.running()
        names = {name for name, _ in running}
        if not names <= told and running and all(waits_for_a_result(task) for _, task in running):
            told |= names
            _log.warning(
                "%s: all %d slots of this worker are taken by tasks that wait for the results of other tasks, and nothing has been "
                "started for %g s. Where no other worker runs those, they wait for ever: raise --concurrency, give the tasks that "
                "are waited for a queue and a worker of their own, or do not wait for results in tasks.",
                ", ".join(sorted(names)),
                len(running),
                _LOOK,
            )


def waits_for_a_result(task: asyncio.Task[object]) -> bool:
    """Return whether an asyncio task, or one that it waits for, stands in `TaskHandle.result` or `outcome`."""
    seen: set[int] = set()
    todo: list[object] = [task]
    while todo and len(seen) < _MOST:
        thing = todo.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        if iscoroutine(thing) and thing.cr_code is _WAITING:
            return thing.cr_frame is not None
        todo += islice(_below(thing), _MOST)
    return False


def _below(thing: object) -> Iterator[object]:
    """Yield what something waits for, or may wait for: asyncio says that for tasks and groups in attributes of its own."""
    if isinstance(thing, asyncio.Task):
        if not thing.done():
            yield cast("asyncio.Task[object]", thing).get_coro()
    elif iscoroutine(thing):
        yield thing.cr_await
        yield from _locals(thing.cr_frame)
    elif isgenerator(thing):
        yield thing.gi_yieldfrom
        yield from _locals(thing.gi_frame)
    elif isinstance(thing, list | tuple | set | frozenset):
        yield from cast("Iterable[object]", thing)
    elif isinstance(thing, dict):
        yield from cast("dict[object, object]", thing).values()
    elif isinstance(thing, asyncio.Future):
        yield getattr(cast("asyncio.Future[object]", thing), "_children", None)  # of gather
    elif isinstance(thing, asyncio.TaskGroup):
        yield getattr(thing, "_tasks", None)
    elif type(thing).__name__ in ("FutureIter", "coroutine_wrapper") or isawaitable(thing):
        yield from gc.get_referents(thing)


def _locals(frame: FrameType | None) -> Iterator[object]:
    for value in list(frame.f_locals.values()) if frame is not None else ():
        is_of_interest = isinstance(value, asyncio.Future | asyncio.TaskGroup | list | tuple | set | frozenset | dict)
        if is_of_interest or iscoroutine(value) or isgenerator(value):
            yield value
