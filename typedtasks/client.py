"""What generated clients are made of: the tasks of a service that is not here, with their types, asynchronous and blocking.

`typedtasks generate` writes a `Client` and a `BlockingClient` on top of these classes. A client sends calls and reads outcomes; it
does not have the functions, so it cannot run a task.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from types import ModuleType
from typing import ClassVar, Concatenate, Generic, Never, ParamSpec, Self, cast, overload

from pydantic import BaseModel
from typing_extensions import TypeVar, Unpack, deprecated

from typedtasks.backend import Backend, TaskId
from typedtasks.broker import Broker
from typedtasks.clock import Clock, Duration
from typedtasks.codecs import PayloadCodec
from typedtasks.coroutine import Coro
from typedtasks.errors import DefinitionError, TaskError
from typedtasks.forking import watch_forks
from typedtasks.handle import TaskHandle
from typedtasks.loop_thread import LoopThread
from typedtasks.options import EnqueueOptions, PriorityName, TaskOptions
from typedtasks.outcome import Outcome
from typedtasks.progress import Progress
from typedtasks.task import AnyTask, Call, ConfiguredTask, Task

__all__ = [
    "AsyncClient",
    "BlockingHandle",
    "BlockingTask",
    "DeprecatedMethod",
    "DeprecatedTask",
    "RemoteMethod",
    "RemoteTask",
    "ThreadClient",
    "not_here",
]

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
E = TypeVar("E", bound=TaskError)
E_co = TypeVar("E_co", covariant=True, bound=TaskError, default=Never)


class RemoteTask(Generic[P, R_co, E_co]):
    """A task of the service, as an attribute of its clients: a `Task` on an `AsyncClient`, a `BlockingTask` on a `ThreadClient`.

    `function` has the task's signature and docstring; it is never run.
    """

    def __init__(
        self,
        function: Callable[P, Coro[R_co]],
        *,
        name: str,
        queue: str,
        priority: PriorityName,
        result_ttl_ms: int,
        raises: tuple[type[TaskError], ...] = (),
        deprecated: str = "",
    ) -> None:
        self.function = function
        self.name = name
        self.queue = queue
        self.priority: PriorityName = priority
        self.result_ttl_ms = result_ttl_ms
        self.raises = raises
        self.deprecated = deprecated

    @overload
    def __get__(self, client: None, owner: type) -> Self: ...
    @overload
    def __get__(self, client: AsyncClient, owner: type) -> Task[P, R_co, E_co]: ...
    @overload
    def __get__(self, client: ThreadClient, owner: type) -> BlockingTask[P, R_co, E_co]: ...
    def __get__(self, client: AsyncClient | ThreadClient | None, owner: type) -> object:
        """Return the task of this client; it is made on first use."""
        if client is None:
            return self
        if self.deprecated:
            warnings.warn(f"{self.name} is deprecated. {self.deprecated}", DeprecationWarning, stacklevel=2)
        if isinstance(client, AsyncClient):
            return client.tasks.task(self)
        return BlockingTask(client.tasks.task(self), client.tasks.broker, client.loop)


class RemoteMethod(Generic[E]):
    """What stubs decorate a task's signature with: `@RemoteMethod[Failures]()` makes a `RemoteTask` of a method."""

    def __call__(self, method: Callable[Concatenate[T, P], Coro[R]], /) -> RemoteTask[P, R, E]:
        """Only for type checkers."""
        raise NotImplementedError("RemoteMethod stands in stubs only")


class DeprecatedTask(RemoteTask[P, R_co, E_co]):
    """A task that the service is about to retire, as stubs have it: checkers and editors flag its use."""

    @overload
    def __get__(self, client: None, owner: type) -> Self: ...
    @overload
    @deprecated("This task is deprecated: its docstring says what to use instead.")
    def __get__(self, client: AsyncClient, owner: type) -> Task[P, R_co, E_co]: ...
    @overload
    @deprecated("This task is deprecated: its docstring says what to use instead.")
    def __get__(self, client: ThreadClient, owner: type) -> BlockingTask[P, R_co, E_co]: ...
    def __get__(self, client: AsyncClient | ThreadClient | None, owner: type) -> object:
        """Return the task of this client."""
        return super().__get__(client, owner)


class DeprecatedMethod(Generic[E]):
    """`RemoteMethod` for a deprecated task."""

    def __call__(self, method: Callable[Concatenate[T, P], Coro[R]], /) -> DeprecatedTask[P, R, E]:
        """Only for type checkers."""
        raise NotImplementedError("DeprecatedMethod stands in stubs only")


def not_here(task: str) -> DefinitionError:
    """Return the error for who calls a task of a client instead of sending it."""
    return DefinitionError(f"{task} runs where its service runs, and this is a client: send it with `.enqueue(...)`.")


class RemoteTasks:
    """The tasks of one client, on a broker of its own."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self._made: dict[str, AnyTask] = {}
        self._models: object = None
        """The module whose models are built."""
        self._making = threading.Lock()
        watch_forks(self)

    def forked(self) -> None:
        """Take a lock that no thread of the parent holds (see `Inherited`)."""
        self._making = threading.Lock()

    def task(self, remote: RemoteTask[P, R, E_co]) -> Task[P, R, E_co]:
        """Return the task, the same at every time."""
        known = self._made.get(remote.name)
        if known is None:
            with self._making:
                known = self._made.get(remote.name) or self._make(remote)
        # The broker made it of the remote task's own function and failures.
        return cast("Task[P, R, E_co]", known)

    def _make(self, remote: RemoteTask[P, R, E_co]) -> AnyTask:
        models: object = getattr(remote.function, "__globals__", {}).get("models")
        if models is not self._models:
            _build_models(models)
            self._models = models
        options = TaskOptions(
            name=remote.name,
            queue=remote.queue,
            priority=remote.priority,
            result_ttl=timedelta(milliseconds=remote.result_ttl_ms),
        )
        if remote.deprecated:
            options["deprecated"] = remote.deprecated
        decorate = self.broker.task(raises=remote.raises, **options)
        made: AnyTask = decorate(remote.function)
        self._made[remote.name] = made
        return made


def _build_models(module: object) -> None:
    """Build the models of a generated client, each after those that it refers to, as they are written.

    They are deferred until a task is used, and pydantic would build them anew for each task that leads to them.
    """
    for kind in list(vars(module).values()) if isinstance(module, ModuleType) else ():
        if isinstance(kind, type) and issubclass(kind, BaseModel) and not kind.__pydantic_complete__:
            kind.model_rebuild()


class AsyncClient:
    """Sends the tasks of a service, and reads their typed outcomes, on an event loop. Generated clients are subclasses of it.

    `url` and `codecs` are those of the service's broker; without a URL `TYPEDTASKS_URL` says it. Nothing is opened before
    `async with client:`.
    """

    max_payload: ClassVar[int] = 256 * 1024
    max_result: ClassVar[int] = 16 * 1024 * 1024

    def __init__(
        self, url: str | Backend | None = None, *, codecs: Sequence[PayloadCodec] = (), clock: Clock | None = None
    ) -> None:
        broker = Broker(url, max_payload=self.max_payload, max_result=self.max_result, codecs=codecs, clock=clock)
        self.tasks = RemoteTasks(broker)

    async def open(self) -> Self:
        """Connect, within 5 seconds. Raises `BackendUnavailable` or `BackendUnsupported`."""
        await self.tasks.broker.open()
        return self

    async def close(self) -> None:
        """Finish what is being sent, and disconnect. The client can be opened again."""
        await self.tasks.broker.close()

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def enqueue_many(self, calls: Iterable[Call[R, E_co]]) -> list[TaskHandle[R, E_co]]:
        """Send many calls in few round trips, as `Broker.enqueue_many` does."""
        return await self.tasks.broker.enqueue_many(calls)

    def handle(self, task: Task[..., R, E_co], task_id: str) -> TaskHandle[R, E_co]:
        """Return the typed handle of a task that was sent earlier, here or elsewhere."""
        return self.tasks.broker.handle(task, task_id)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.tasks.broker.url}>"


class ThreadClient:
    """The same for code without an event loop: `with` in the place of `async with`, and calls that wait.

    Its connection lives on an event loop in a thread of its own. It may be used from several threads.
    """

    max_payload: ClassVar[int] = 256 * 1024
    max_result: ClassVar[int] = 16 * 1024 * 1024

    def __init__(
        self, url: str | Backend | None = None, *, codecs: Sequence[PayloadCodec] = (), clock: Clock | None = None
    ) -> None:
        broker = Broker(url, max_payload=self.max_payload, max_result=self.max_result, codecs=codecs, clock=clock)
        self.tasks = RemoteTasks(broker)
        self.loop = LoopThread(repr(self))

    def open(self) -> Self:
        """Connect, within 5 seconds. Raises `BackendUnavailable` or `BackendUnsupported`."""
        self.loop.start()
        try:
            self.loop.run(self.tasks.broker.open)
        except BaseException:
            self.loop.stop()
            raise
        return self

    def close(self) -> None:
        """Finish what is being sent, and disconnect. The client can be opened again."""
        if self.loop.runs:
            try:
                self.loop.run(self.tasks.broker.close)
            finally:
                self.loop.stop()

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(self, *_: object) -> None:
        self.close()

    def enqueue_many(self, calls: Iterable[Call[R, E_co]]) -> list[BlockingHandle[R, E_co]]:
        """Send many calls in few round trips, as `Broker.enqueue_many` does."""
        made = list(calls)
        handles = self.loop.run(lambda: self.tasks.broker.enqueue_many(made))
        return [BlockingHandle(handle, self.loop) for handle in handles]

    def handle(self, task: BlockingTask[..., R, E_co], task_id: str) -> BlockingHandle[R, E_co]:
        """Return the typed handle of a task that was sent earlier, here or elsewhere."""
        if not isinstance(task.task, Task):
            raise DefinitionError(f"{task!r} has options; pass the task itself.")
        return BlockingHandle(self.tasks.broker.handle(task.task, task_id), self.loop)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.tasks.broker.url}>"


class BlockingTask(Generic[P, R_co, E_co]):
    """A task whose calls wait until they are done."""

    def __init__(self, task: Task[P, R_co, E_co] | ConfiguredTask[P, R_co, E_co], broker: Broker, loop: LoopThread) -> None:
        self.task = task
        self._broker = broker
        self._loop = loop

    def enqueue(self, /, *args: P.args, **kwargs: P.kwargs) -> BlockingHandle[R_co, E_co]:
        """Validate the arguments, send the call, and return its handle once it is stored; raises what `Task.enqueue` raises."""
        call = self.task.call(*args, **kwargs)  # what does not fit is refused, be the client open or not
        return BlockingHandle(self._loop.run(lambda: self._broker.send(call)), self._loop)

    def call(self, /, *args: P.args, **kwargs: P.kwargs) -> Call[R_co, E_co]:
        """Return the call, validated and not sent yet. Raises `PayloadInvalid` or `PayloadTooLarge`."""
        return self.task.call(*args, **kwargs)

    def options(self, **options: Unpack[EnqueueOptions]) -> BlockingTask[P, R_co, E_co]:
        """Return this task with other options for the calls that are made from it. `DefinitionError` for unknown ones."""
        task = self.task.task if isinstance(self.task, ConfiguredTask) else self.task
        return BlockingTask(task.options(**options), self._broker, self._loop)

    def __repr__(self) -> str:
        return f"<BlockingTask of {self.task!r}>"


@dataclass(frozen=True, slots=True)
class BlockingHandle(Generic[R_co, E_co]):
    """One task that was sent; every method waits for its answer."""

    handle: TaskHandle[R_co, E_co]
    loop: LoopThread

    @property
    def id(self) -> TaskId:
        """The task's id."""
        return self.handle.id

    def result(self, timeout: Duration | None = None) -> R_co:
        """Return the task's result; raises what `TaskHandle.result` raises."""
        return self.loop.run(lambda: self.handle.result(timeout))

    def outcome(self, timeout: Duration | None = None) -> Outcome[R_co, E_co]:
        """Return how the task ended, as an object to match on; never raises for a task's failure."""
        return self.loop.run(lambda: self.handle.outcome(timeout))

    def peek(self) -> Outcome[R_co, E_co] | None:
        """Return how the task ended, or None while it has not."""
        return self.loop.run(self.handle.peek)

    def progress(self) -> Progress | None:
        """Return what the task has said last with `Context.progress`, as `TaskHandle.progress` does."""
        return self.loop.run(self.handle.progress)

    def updates(self, every: Duration = 0.5) -> Generator[Progress]:
        """Yield the task's progress as `TaskHandle.updates` does, waiting for each."""
        updates = self.handle.updates(every)
        try:
            while (update := self.loop.run(partial(_next, updates))) is not None:
                yield update
        finally:
            self.loop.run(updates.aclose)

    def cancel(self) -> None:
        """Ask for the task's cancellation, as `TaskHandle.cancel` does."""
        self.loop.run(self.handle.cancel)


async def _next(updates: AsyncGenerator[Progress]) -> Progress | None:
    return await anext(updates, None)
