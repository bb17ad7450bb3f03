"""Injection into one worker's executions: lifespans around all of them, and a scope of its own for each."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Mapping
from concurrent.futures import Executor
from datetime import UTC, datetime
from functools import partial
from types import MappingProxyType
from typing import Final, cast

from typedtasks.broker import Broker
from typedtasks.context import Context
from typedtasks.coroutine import Coro
from typedtasks.errors import DefinitionError
from typedtasks.ids import queue_name
from typedtasks.injection import Scope, shown
from typedtasks.progress import Progress
from typedtasks.worker.decision import Received
from typedtasks.worker.lane import Lane
from typedtasks.worker.reporting import Reporter
from typedtasks.worker.threads import adopt, is_awaitable

__all__ = ["Injection", "Injector"]


_LAST_WORDS: Final = 0.3
"""Seconds that threads which were given up have at the worker's end."""


class Injector:
    """Enters a broker's lifespans, and begins an injection for each execution that needs one."""

    def __init__(self, broker: Broker, reporter: Reporter) -> None:
        self.reporter = reporter
        self._broker = broker
        self._values: dict[object, object] = {Broker: broker}
        self._scope = Scope(repr(broker), broker.providers, self._values)
        self._threads: set[asyncio.Future[None]] = set()

    async def open(self) -> None:
        """Enter the lifespans, the first defined first.

        Raises `DefinitionError` for a task whose injected parameters cannot be filled, and whatever a lifespan raises; what was
        entered before is left then.
        """
        providers = self._broker.providers
        for task in self._broker.tasks.values():
            providers.check(task.name, task.boundary.injected.values(), at_definition=False)
        try:
            for lifespan in providers.lifespans:
                if lifespan.yields in self._values:
                    raise DefinitionError(
                        f"{shown(lifespan.function)} yields {shown(lifespan.yields)}, and so does another lifespan: a task could "
                        "get either. Yield an object of a class of its own."
                    )
                try:
                    self._values[lifespan.yields] = await self._scope.make(providers.lifespan_recipe(lifespan))
                except SystemExit as error:  # it would end an event loop without a word, which may not be the worker's alone
                    raise RuntimeError(
                        f"The lifespan {shown(lifespan.function)} was left with SystemExit({error.code!r}) before its yield, so "
                        "the worker cannot begin. Raise an error there that says what is wrong."
                    ) from error
        except BaseException as error:
            await self._scope.close(error)
            raise

    async def close(self) -> None:
        """Leave the lifespans, the last entered first. What goes wrong is logged.

        Threads that were given up, and may see now that they are, have a moment to take down what they use.
        """
        if self._threads:
            await asyncio.wait(self._threads, timeout=_LAST_WORDS)
        await self._scope.close(None)

    def keep(self, thread: asyncio.Future[None]) -> None:
        """Take notice of a thread that was given up and has something to take down."""
        self._threads.add(thread)
        thread.add_done_callback(self._threads.discard)

    def report(self, received: Received, progress: Progress) -> None:
        """Have the progress of an execution sent."""
        self.reporter.put(received.delivery, progress, received.task.definition.result_ttl_ms)

    def begin(
        self, received: Received, timeout: float, soft_timeout: float, pool: Executor, own: contextvars.Context | None
    ) -> Injection:
        """Return what fills in one execution's parameters."""
        header, delivery = received.header, received.delivery
        now = self._broker.clock.now()
        context = Context(
            broker=self._broker,
            name=header.task,
            task_id=delivery.id,
            attempt=header.attempt,
            queue=queue_name(delivery.queue),
            labels=MappingProxyType(dict(header.labels)),
            deadline=_deadline(now, timeout),
            soft_deadline=_deadline(now, soft_timeout),
            report=partial(self.report, received),
        )
        context.run_by(asyncio.current_task())
        lane = None if received.task.boundary.is_async else Lane(pool, f"{header.task} ({delivery.id})")
        values = {**self._values, Context: context}
        scope = Scope(f"{header.task} ({delivery.id})", self._broker.providers, values, lane, own)
        return Injection(received, context, scope, lane)


def _deadline(now: float, timeout: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(now + timeout, UTC) if timeout else None
    except (OverflowError, ValueError, OSError):
        return None  # a foreign envelope's timeout, beyond any calendar


class Injection:
    """One execution with injected parameters: it makes them, calls the function, and takes them down again."""

    def __init__(self, received: Received, context: Context, scope: Scope, lane: Lane | None) -> None:
        self._task = received.task
        self._context = context
        self._scope = scope
        self._lane = lane
        self.error: BaseException | None = None
        """How the execution has failed: dependencies with a `yield` are told."""

    async def call(self, args: tuple[object, ...], kwargs: Mapping[str, object]) -> object:
        """Return what the function returns, with its injected parameters filled in."""
        boundary, function = self._task.boundary, self._task.function
        try:
            values = {name: await self._scope.get(need) for name, need in boundary.injected.items()}
            args, kwargs = boundary.with_injected(args, kwargs, values)
            if self._lane is not None:
                result = await self._lane.run(partial(function, *args, **kwargs))
                if is_awaitable(result):  # of a decorator around a coroutine function
                    adopt(self._lane.context)
                    boundary.has_returned_awaitable = True
                    return await result
                return result
            # An asynchronous function returns a coroutine; of what, its boundary checks.
            return await cast("Coro[object]", function(*args, **kwargs))
        except BaseException as error:
            self.error = error
            if isinstance(error, asyncio.CancelledError):
                self._context.cancel()
            raise

    @property
    def is_in_thread(self) -> bool:
        """Whether a thread runs something for it."""
        return self._lane is not None and self._lane.is_busy

    @property
    def teardown_limit(self) -> float:
        """How many seconds it may take to take down what was made."""
        return self._scope.teardown_limit

    async def close(self, *, is_decided: bool) -> asyncio.Future[None] | None:
        """Take down what was made. A thread that still runs the function does that later: then its end is returned."""
        self.error = await self._scope.close(self.error, is_decided=is_decided)
        self._context.end()
        if self._lane is None:
            return None
        if not self._lane.is_busy:
            self._lane.end()
            return None
        self._lane.end(partial(self._scope.close_in_thread, self.error, asyncio.get_running_loop()))
        return self._lane.ended
