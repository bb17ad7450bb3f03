"""What a running task can know about itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType

from typedtasks.broker import Broker
from typedtasks.injection import Provided
from typedtasks.progress import Progress, checked_progress

__all__ = ["Context"]


class Context(Provided):
    """One execution of a task. Write `context: Context` among a task's parameters, or a dependency's, and the worker fills it in.

    Every execution has its own. A test of the function may make one: `Context(broker=broker, name="mail.send")`.
    """

    __slots__ = (
        "_is_cancelled",
        "_report",
        "_runner",
        "attempt",
        "broker",
        "deadline",
        "labels",
        "name",
        "queue",
        "reported",
        "soft_deadline",
        "task_id",
    )

    def __init__(
        self,
        *,
        broker: Broker,
        name: str,
        task_id: str = "",
        attempt: int = 1,
        queue: str = "default",
        labels: Mapping[str, str] = MappingProxyType({}),
        deadline: datetime | None = None,
        soft_deadline: datetime | None = None,
        report: Callable[[Progress], None] | None = None,
    ) -> None:
        self.broker = broker
        """The broker of the worker: other tasks can be sent from here."""
        self.name = name
        """The task's name."""
        self.task_id = task_id
        """The id that the task's handle has, too."""
        self.attempt = attempt
        """1 for the first execution; a retry counts one up."""
        self.queue = queue
        """The queue that the task came from."""
        self.labels = labels
        """What the caller passed as `labels`."""
        self.deadline = deadline
        """When the timeout ends this execution, in UTC; None where there is no timeout."""
        self.soft_deadline = soft_deadline
        """When the soft timeout asks this execution to end by itself, in UTC; None where there is none."""
        self.reported: Progress | None = None
        """What `progress` was last called with in this execution: a test may look at it."""
        self._report = report
        self._is_cancelled = False
        self._runner: asyncio.Task[object] | None = None

    def progress(self, done: float, total: float | None = None, message: str = "") -> None:
        """Say how far this execution has come: `TaskHandle.progress` and `TaskHandle.updates` tell whoever waits for it.

        `done` and `total` are numbers in any unit, `message` a text of at most 500 characters. It may be called in any thread and
        as often as you like, and never waits: the worker sends the newest of all its tasks together, five times a second at
        most, and what was said last before the end. Raises `DefinitionError` for what is no number, or no text.
        """
        self.reported = checked_progress(done, total, message, self.attempt)
        if self._report is not None:
            self._report(self.reported)

    def end(self) -> None:
        """Take notice that the execution has ended: what a thread that was given up reports later is for nobody."""
        self._runner = self._report = None

    @property
    def cancelled(self) -> bool:
        """Whether this execution should end: it was cancelled, its time is over, or its worker stops. May be read in any thread.

        Asynchronous tasks get a `CancelledError` as well. For a synchronous one this is the only sign, so look at it in long loops.
        """
        return self._is_cancelled or (self._runner is not None and self._runner.cancelling() > 0)

    @property
    def soft_timed_out(self) -> bool:
        """Whether the soft timeout is over: clean up, and return what there is. May be read in any thread.

        Asynchronous tasks get a `SoftTimeout` as well. For a synchronous one this is the only sign.
        """
        return self.soft_deadline is not None and self.broker.clock.now() >= self.soft_deadline.timestamp()

    def run_by(self, runner: asyncio.Task[object] | None) -> None:
        """Say which asyncio task runs the execution: its cancellation is this one's."""
        self._runner = runner

    def cancel(self) -> None:
        """Let `cancelled` be true from now on. It is for workers and tests: it ends nothing by itself; `TaskHandle.cancel` does."""
        self._is_cancelled = True

    def __repr__(self) -> str:
        return f"<Context {self.name} {self.task_id} attempt {self.attempt}>"
