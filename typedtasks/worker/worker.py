"""The worker: sessions one after the other, from `run` until `stop`."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Final, Self, cast

from typedtasks.backend import BACKEND_ERRORS, Session, SessionId, SessionLost, is_queue_name
from typedtasks.broker import Broker
from typedtasks.clock import Duration, seconds
from typedtasks.contract import check_failure
from typedtasks.errors import DefinitionError
from typedtasks.logs import Log
from typedtasks.trouble import Trouble
from typedtasks.worker.execution import Execution
from typedtasks.worker.injecting import Injector
from typedtasks.worker.lease import Heartbeat
from typedtasks.worker.parking import Here
from typedtasks.worker.pool import Children, application_of
from typedtasks.worker.program import ChildProgram, is_main
from typedtasks.worker.reporting import Reporter
from typedtasks.worker.serving import Serving, Tally

__all__ = ["Worker", "new_session_id"]

_BEATS_PER_LEASE: Final = 5
_PAUSE: Final = 1.0
_PATIENCE: Final = 2.0
"""Seconds that child processes have to end in good order, if there is so much time."""
_LEAST_PATIENCE: Final = 0.4

_log = Log("typedtasks.worker")


def new_session_id() -> SessionId:
    """Return a new id: the host, the process, and something random."""
    return SessionId(f"{socket.gethostname()[:40]}-{os.getpid()}-{secrets.token_hex(6)}")


def _nothing() -> None:
    """Nobody wants to know."""


class Worker:
    """Runs a broker's tasks in this process: what `typedtasks worker` starts. `async with Worker(broker):` runs beside you.

    `queues` are those to read, by default the broker's default queue and those that its tasks name. At most `concurrency` tasks
    run at a time; synchronous ones have as many threads. `lease` is how long the backend waits for a sign of life before it
    gives this worker's tasks to another. `grace` is how long tasks may go on after `stop`. The broker has to be open.

    Tasks with `executor="process"` run in child processes, as many as there are CPUs that this process may use, and a task that was
    lost twice, because the worker that ran it died, runs alone in one. Children import the broker from `application`
    (`module:name`), by default the imported module that holds it. Without one suspects run here, and tasks with
    `executor="process"` are refused.
    `heartbeat` is what renews the lease, by default a thread; a simulation passes one that its own event loop drives.
    """

    def __init__(
        self,
        broker: Broker,
        *,
        queues: Sequence[str] | None = None,
        concurrency: int = 100,
        lease: Duration = 15.0,
        grace: Duration = 30.0,
        application: str | None = None,
        heartbeat: type[Heartbeat] = Heartbeat,
    ) -> None:
        if concurrency < 1:
            raise DefinitionError(f"concurrency={concurrency} runs nothing: pass 1 or more.")
        self.broker = broker
        self.queues = _checked(queues) or broker.queues
        self.concurrency = concurrency
        self.tally = Tally()
        self._lease = seconds(lease, "lease", positive=True)
        self._grace = seconds(grace, "grace")
        self._application = _module_and_name(application) or application_of(broker)
        self._is_told = application is not None
        self.child_log: tuple[str, str] | None = None
        """The format and the level of the log of child processes. None: text, from the level of this process on."""
        self._heartbeat = heartbeat
        self._new_events()
        self._begun: Callable[[], None] = _nothing
        self._background: asyncio.Task[Tally] | None = None
        self._asked_to_stop = 0.0

    async def run(self, *, burst: bool = False, session_id: SessionId | None = None, begun: Callable[[], None] = _nothing) -> Tally:
        """Run tasks until `stop` is called, or (`burst`) until no task is ready, and return what was settled.

        Raises `DefinitionError` when the types of a task cannot be found, an injected parameter cannot be filled, or a task needs
        child processes that could not import the broker, and `BackendUnavailable` when the backend is not there at the start; later
        it is waited for. Raises what a lifespan raises when it is entered. `session_id` names the first session; a supervisor that
        sees the process die can then end its lease at once. `begun` is called when the first tasks can be taken.
        """
        self.broker.check_open("A worker")
        if not self.stopping:  # it may have run before, and that on another event loop
            self._stopping, self._hurried = asyncio.Event(), asyncio.Event()
        self._begun = begun
        self._check_tasks()
        children = self._children()
        reporter = Reporter(self.broker.sealing)
        injector = Injector(self.broker, reporter)
        await injector.open()
        execution = Execution(
            self.broker.tasks,
            max_payload=self.broker.max_payload,
            ttl_ms=self.broker.result_ttl_ms,
            threads=self.concurrency,
            clock=self.broker.clock,
            injector=injector,
            sealing=self.broker.sealing,
            children=children,
        )
        id = session_id or new_session_id()
        first, trouble = True, Trouble(_log, "A session has begun.")
        try:
            while not self._stopping.is_set():
                try:
                    await self._live(id, execution, reporter, burst=burst)
                    break
                except SessionLost:
                    _log.warning("Session %s has lost its lease: others may have its tasks. Beginning a new session.", id)
                except BACKEND_ERRORS as error:
                    if first:
                        raise
                    trouble.note("No session can begin, trying again in %g s: %s", _PAUSE, error)
                    await asyncio.sleep(_PAUSE)
                first = False
                id = new_session_id()
        finally:
            execution.close()
            await reporter.close()
            await injector.close()
            if children is not None:
                await children.close(self._patience())
        return self.tally

    @property
    def stopping(self) -> bool:
        """Whether `stop` was called."""
        return self._stopping.is_set()

    def stop(self) -> None:
        """Take nothing new, let what runs come to its end within the grace time, then return from `run`."""
        if not self._stopping.is_set():
            self._asked_to_stop = time.monotonic()
        self._stopping.set()

    def stop_now(self) -> None:
        """Stop without waiting for what runs: it is given back, and another worker runs it again."""
        self._stopping.set()
        self._hurried.set()

    async def __aenter__(self) -> Self:
        self._new_events()  # it may have been left before, and that on another event loop
        self._background = asyncio.create_task(self.run(), name="typedtasks-worker")
        joined = asyncio.create_task(self._joined.wait())
        try:
            await asyncio.wait([self._background, joined], return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:  # it is not entered, so nobody would leave it
            self.stop_now()
            await asyncio.wait([self._background])
            raise
        finally:
            joined.cancel()
        if self._background.done():
            await self._background  # it could not begin, and says why
        self._background.add_done_callback(_report)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()
        if self._background is not None:
            await self._background

    def _new_events(self) -> None:
        self._stopping = asyncio.Event()
        self._hurried = asyncio.Event()
        self._joined = asyncio.Event()

    def _check_tasks(self) -> None:
        for task in self.broker.tasks.values():
            task.boundary.check()
            for failure in task.definition.raises:
                check_failure(failure, task.name, at_definition=False)
            if task.definition.executor == "process":
                if not self._application:
                    raise _not_importable(task.name, self.broker)
                if not self._is_told and is_main(task.function.__module__):
                    raise DefinitionError(
                        f"{task.name}: executor='process' needs child processes that import the task, and it is defined in the "
                        "program itself, which they do not run: move it into a module that is imported, or pass "
                        "Worker(application='module:name')."
                    )

    def _children(self) -> Children | None:
        if not self._application:
            return None
        own = self._application.partition(":")[0]
        modules = dict.fromkeys(task.function.__module__ for task in self.broker.tasks.values())
        others = [name for name in modules if name != own and not is_main(name) and name in sys.modules]
        return Children(ChildProgram(self._application, others, self.child_log))

    def _patience(self) -> float:
        """Return how many seconds child processes have to end: a worker that was told to stop ends in time itself."""
        if self._hurried.is_set():
            return _LEAST_PATIENCE
        if not self._stopping.is_set():
            return _PATIENCE
        return min(_PATIENCE, max(_LEAST_PATIENCE, self._asked_to_stop + self._grace + _LEAST_PATIENCE - time.monotonic()))

    async def _live(self, id: SessionId, execution: Execution, reporter: Reporter, *, burst: bool) -> None:
        tasks = self.broker.tasks
        serving = Serving(
            execution,
            Here([*tasks, *self.broker.sealing.awaited], {name: task.contract() for name, task in tasks.items()}),
            concurrency=self.concurrency,
            tally=self.tally,
        )
        session = await self.broker.backend.join(id, self.queues, self._lease, serving)
        reporter.begin(session.report)
        heartbeat = self._heartbeat(session.keeper(), self._lease / _BEATS_PER_LEASE, serving.lose)
        heartbeat.start()
        if not self._joined.is_set():
            self._joined.set()
            self._begun()
        try:
            await self._serve(serving, session, burst=burst)
        finally:
            await heartbeat.stop()
            await session.leave()

    async def _serve(self, serving: Serving, session: Session, *, burst: bool) -> None:
        try:
            await serving.run(session, self._stopping, burst=burst)
            await serving.finish(session, self._grace, self._hurried)
        except BaseException:
            await serving.abandon()
            await serving.close()
            raise


def _checked(queues: object) -> tuple[str, ...]:
    """Return the names of queues, each once. A lone string would be taken for many queues of one letter each."""
    if isinstance(queues, str) or not isinstance(queues, Iterable | None):
        raise DefinitionError(f"queues={queues!r} is not a list of names: pass one, as queues=[{queues!r}].")
    names = dict.fromkeys(cast("Iterable[object]", queues or ()))
    for name in names:
        if not isinstance(name, str) or not is_queue_name(name):
            raise DefinitionError(f"{name!r} is not a queue name: 1 to 64 letters, digits, '_' or '-'.")
    return tuple(cast("dict[str, None]", names))  # they were looked at


def _module_and_name(application: object) -> str | None:
    if application is not None and (not isinstance(application, str) or not all(application.partition(":"))):
        raise DefinitionError(f"application={application!r} names no broker: pass 'module:name', such as 'app.tasks:broker'.")
    return application


def _not_importable(name: str, broker: Broker) -> DefinitionError:
    if broker.url.startswith("memory:"):
        way = "a broker in memory has no processes but its own: use SQLite or Redis, or define the task without it"
    else:
        way = "put the broker into a module that is imported (not the program itself), or pass Worker(application='module:name')"
    return DefinitionError(f"{name}: executor='process' needs child processes that import {broker!r}, and none could: {way}.")


def _report(worker: asyncio.Task[Tally]) -> None:
    """Say at once that a worker beside other code has ended, because that code may wait for its results."""
    error = None if worker.cancelled() else worker.exception()
    if worker.cancelled() or error is not None:
        _log.error("The worker has ended, and runs nothing any more: %s", error or "it was cancelled")
