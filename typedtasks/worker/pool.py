"""The child processes of a worker: one pool for suspects, and one for tasks with `executor="process"`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Final

from typedtasks.backend import Delivery, Reschedule, Settlement
from typedtasks.broker import Broker
from typedtasks.errors import system_error
from typedtasks.logs import Log
from typedtasks.options import TaskDefinition
from typedtasks.progress import Progress
from typedtasks.worker.child import Child, Died
from typedtasks.worker.cpus import usable_cpus
from typedtasks.worker.program import ChildProgram, is_main

__all__ = ["ChildPool", "Children", "NoChild", "application_of", "is_suspect"]

_LOSSES: Final = 2
_DEATHS: Final = 2
_SUSPECTS: Final = 4
"""Suspects that run at a time, each in a child of its own."""
_STARTS: Final = 3
_PAUSE: Final = 1.0
_FAREWELL: Final = 2.0
"""Seconds that a child has to end in good order."""

_log = Log("typedtasks.worker")


def is_suspect(delivery: Delivery) -> bool:
    """Return whether a delivery was lost twice without an outcome: it may be what killed those who had it."""
    return delivery.deliveries > _LOSSES


def application_of(broker: Broker) -> str | None:
    """Return where a broker is found, as `module:name`. None for one that no imported module holds, or that lives in memory.

    A program that is run (`__main__`) is not looked at: a child that imported it would run it once more.
    """
    if broker.url.startswith("memory:"):
        return None
    for name, module in list(sys.modules.items()):
        if not is_main(name):
            for attribute, value in list(getattr(module, "__dict__", {}).items()):
                if value is broker:
                    return f"{name}:{attribute}"
    return None


class Children:
    """Says which deliveries run in a child, and in which pool."""

    def __init__(self, program: ChildProgram) -> None:
        self._suspects = ChildPool(program, _SUSPECTS)
        self._processes = ChildPool(program, usable_cpus(), keeps=True)

    def pool_for(self, definition: TaskDefinition, delivery: Delivery) -> ChildPool | None:
        """Return the pool that runs a delivery. None: it runs in the worker itself."""
        if definition.executor == "process":
            return self._processes
        return self._suspects if is_suspect(delivery) else None

    async def close(self, patience: float) -> None:
        """End the children that wait for work, in good order within `patience` seconds."""
        await asyncio.gather(self._suspects.close(patience), self._processes.close(patience))


class NoChild(Exception):
    """No child could run it. The text says why."""


class ChildPool:
    """Runs deliveries in at most `size` children at a time, one at a time in each. Children are started when they are needed.

    A child that has answered is used again: as long as the pool lives (`keeps`), or only while deliveries wait for it. Only a
    child that ran nothing before is a witness against what it runs: two of those have to die of it.
    """

    def __init__(self, program: ChildProgram, size: int, *, keeps: bool = False) -> None:
        self._program = program
        self._turns = asyncio.Semaphore(size)
        self._keeps = keeps
        self._idle: list[Child] = []
        self._leaving: set[asyncio.Task[None]] = set()

    async def run(self, delivery: Delivery, task: str, limit: float, report: Callable[[Progress], None]) -> Settlement:
        """Return what follows from a delivery of a task, which may take `limit` seconds (0: any time), from when a child has it.

        `report` is told how far it has come.
        Raises `Died` when it has ended two fresh children, `OutOfTime` when it was stopped, and `NoChild`.
        """
        async with self._turns:
            child, deaths = await self._next(), 0
            while True:
                is_witness = not child.used
                try:
                    settlement = await child.run(delivery, limit, report)
                except Died as died:
                    deaths += is_witness
                    _log.warning("%s: the child process that ran it %s.", delivery.id, died)
                    if deaths == _DEATHS:
                        raise
                    child = await self._fresh()
                    continue
                await self._take_back(child)
                if isinstance(settlement, Reschedule) and settlement.awaits == task:
                    raise NoChild(f"{self._program.application} does not define the task {task!r} where a child imports it")
                return settlement

    async def close(self, patience: float) -> None:
        """End the children that wait for work, in good order within `patience` seconds."""
        while self._idle:
            self._dismiss(self._idle.pop(), patience)
        await asyncio.gather(*self._leaving)

    async def _next(self) -> Child:
        while self._idle:
            child = self._idle.pop()
            if child.is_alive:
                return child
            await child.end()
        return await self._fresh()

    async def _take_back(self, child: Child) -> None:
        if child.is_clean and (self._keeps or self._turns.locked()):
            self._idle.append(child)
        elif child.is_clean:
            self._dismiss(child, _FAREWELL)
        else:
            await child.end()

    def _dismiss(self, child: Child, patience: float) -> None:
        leaving = asyncio.create_task(child.dismiss(patience), name="typedtasks-child-end")
        self._leaving.add(leaving)
        leaving.add_done_callback(self._leaving.discard)

    async def _fresh(self) -> Child:
        failure = ""
        for attempt in range(_STARTS):
            await asyncio.sleep(_PAUSE if attempt else 0)
            child = Child(self._program.command())
            try:
                await child.start()
            except (OSError, Died) as error:  # a TimeoutError is an OSError
                failure = _why(error)
            else:
                return child
        raise NoChild(failure)


def _why(error: OSError | Died) -> str:
    if isinstance(error, Died):
        return f"{error}\n{error.stderr}"
    return "it was not ready in time" if isinstance(error, TimeoutError) else system_error(error)
