"""The handle of a task that was sent: where its typed result arrives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Generic, Never, Protocol

from typing_extensions import TypeVar

from typedtasks.backend import TaskId
from typedtasks.batching import cancel_and_wait
from typedtasks.clock import Duration, seconds
from typedtasks.errors import ResultTimeout, TaskCancelled, TaskError, TaskExpired
from typedtasks.outcome import Cancelled, Crashed, Expired, Failure, Outcome, Success
from typedtasks.progress import Progress, read_progress

__all__ = ["OutcomeSource", "TaskHandle"]

R_co = TypeVar("R_co", covariant=True)
E_co = TypeVar("E_co", covariant=True, bound=TaskError, default=Never)


class OutcomeSource(Protocol):
    """What a handle needs from its broker."""

    async def wait_outcome(self, id: TaskId, *, foreign: bool, ttl_ms: int) -> bytes:
        """Return the outcome as bytes once there is one."""
        ...

    async def read_outcome(self, id: TaskId) -> bytes | None:
        """Return the outcome as bytes if there is one."""
        ...

    async def read_progress(self, id: TaskId) -> bytes | None:
        """Return how far the task has come, as bytes, if it has said so."""
        ...

    async def cancel_task(self, id: TaskId) -> None:
        """Ask for the task's cancellation."""
        ...


class OutcomeReader(Protocol[R_co, E_co]):
    """What a handle needs from its task."""

    @property
    def name(self) -> str:
        """The task's name."""
        ...

    @property
    def result_ttl_ms(self) -> int:
        """How long outcomes are kept."""
        ...

    def read_outcome(self, body: bytes) -> Outcome[R_co, E_co]:
        """Return the typed outcome that the bytes say."""
        ...


@dataclass(frozen=True, slots=True)
class TaskHandle(Generic[R_co, E_co]):
    """One task that was sent. It can be awaited any number of times, and remade elsewhere by `Broker.handle(task, id)`."""

    id: TaskId
    task: OutcomeReader[R_co, E_co]
    source: OutcomeSource
    foreign: bool = False
    """Whether another client may have sent it."""
    deduplicated: bool = False
    """Whether the call that returned this handle sent nothing, because a task with its `dedup_key` was there already: this one."""

    async def result(self, timeout: Duration | None = None) -> R_co:
        """Return the task's result, validated again here.

        A declared failure is raised as its own class. Otherwise raises `TaskFailed`, or its subclass that says why there is no
        result: `TaskTimedOut`, `TaskCancelled`, `TaskExpired`, `ResultInvalid`, `PayloadRejected`. `ResultTimeout` when
        nothing has arrived after `timeout` (None waits for ever): the task goes on, and the handle can be awaited again.
        `ResultExpired` and `ResultLost` when there will never be a result.
        """
        match await self.outcome(timeout):
            case Success(value):
                return value
            case Failure(error):
                raise error
            case Crashed(error=error):
                raise error
            case Cancelled():
                raise TaskCancelled(f"{self.task.name} ({self.id}) was cancelled before it gave a result.")
            case Expired():
                raise TaskExpired(
                    f"{self.task.name} ({self.id}) has expired: no worker came to it before its `expires` had passed."
                )

    async def outcome(self, timeout: Duration | None = None) -> Outcome[R_co, E_co]:
        """Return how the task ended, as an object to match on. Waits like `result`, and never raises for a task's failure."""
        limit = None if timeout is None else seconds(timeout, "timeout")
        scope = asyncio.timeout(limit)
        try:
            async with scope:
                body = await self.source.wait_outcome(self.id, foreign=self.foreign, ttl_ms=self.task.result_ttl_ms)
        except TimeoutError:
            if not scope.expired():
                raise
            goes_on = "Whether the task is still known was not found out" if self.foreign else "The task goes on"
            raise ResultTimeout(
                f"{self.task.name} ({self.id}) gave no result within {limit:g} s. {goes_on}: await the handle again, or look "
                "with `typedtasks queues` whether it waits or is parked, and with `typedtasks workers` whether one reads its queue."
            ) from None
        return self.task.read_outcome(body)

    async def peek(self) -> Outcome[R_co, E_co] | None:
        """Return how the task ended, or None while it has not: one look, no waiting."""
        body = await self.source.read_outcome(self.id)
        return None if body is None else self.task.read_outcome(body)

    async def progress(self) -> Progress | None:
        """Return what the task has said last with `Context.progress`, or None while it has said nothing: one look, no waiting.

        It is kept as long as an outcome is (`result_ttl`, from when it was said), whether or not the task has ended.
        """
        body = await self.source.read_progress(self.id)
        return None if body is None else read_progress(body)

    async def updates(self, every: Duration = 0.5) -> AsyncGenerator[Progress]:
        """Yield the task's progress now, then whenever it is another one, and come to an end when the task has ended.

        It looks once in `every` (a `timedelta` or seconds); the task's end is pushed, as for `result`. Raises `ResultExpired` and
        `ResultLost` when there will never be an outcome.
        """
        pause = seconds(every, "every", positive=True)
        end = asyncio.create_task(self.source.wait_outcome(self.id, foreign=self.foreign, ttl_ms=self.task.result_ttl_ms))
        told: Progress | None = None
        try:
            while True:
                has_ended = end.done()  # asked before the look, which then is the last one
                found = await self.progress()
                if found is not None and found != told:
                    told = found
                    yield found
                if has_ended:
                    end.result()
                    return
                await asyncio.wait([end], timeout=pause)
        finally:
            await cancel_and_wait([end])

    async def cancel(self) -> None:
        """Ask for the task's cancellation.

        A task that waits is not started any more. One that runs is cancelled at its next `await`; a synchronous function
        cannot be interrupted, and its result is dropped. The outcome then is `Cancelled`, or what was there before. A task
        that waits has that outcome when a worker comes to it: without a worker there is none.
        """
        await self.source.cancel_task(self.id)

    def __repr__(self) -> str:
        return f"<TaskHandle {self.task.name} {self.id}>"
