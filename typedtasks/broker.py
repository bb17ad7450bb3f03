"""The broker: what an application holds. It knows the tasks, sends their calls and returns typed handles."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from functools import partial
from types import MappingProxyType
from typing import Final, Never, ParamSpec, Self, cast, overload

from typing_extensions import TypeVar, Unpack

from typedtasks.backend import Backend, Publication, SpreadingBackend
from typedtasks.backends import DEFAULT_URL, backend_from_url, redacted
from typedtasks.batching import Batcher
from typedtasks.clock import Clock, Duration, SystemClock, milliseconds, seconds
from typedtasks.codecs import PayloadCodec
from typedtasks.contract import default_task_name
from typedtasks.coroutine import Coro
from typedtasks.decorator import TaskDecorator, make_task
from typedtasks.errors import BrokerClosed, DefinitionError, ResultLost, TaskError, representation
from typedtasks.forking import keep_for_ever, unwatch_forks, watch_forks
from typedtasks.handle import TaskHandle
from typedtasks.ids import TaskId, is_queue_name, is_task_id, new_task_id, new_task_ids
from typedtasks.injection import Providers
from typedtasks.logs import Log
from typedtasks.operating import Operating
from typedtasks.options import TaskDefinition, TaskOptions, check_size, define, reserved_names
from typedtasks.sealing import Sealing
from typedtasks.task import AnyTask, AsyncTask, Call, SyncTask, Task
from typedtasks.waiting import Outcomes

__all__ = ["Broker"]

# What a lifespan is: with @asynccontextmanager it returns a context manager. The name of its type stays as it was.
L = TypeVar("L", bound=Callable[..., AsyncIterator[object]] | Callable[..., AbstractAsyncContextManager[object]])
P = ParamSpec("P")
R = TypeVar("R")
E = TypeVar("E", bound=TaskError)
E1 = TypeVar("E1", bound=TaskError)
E2 = TypeVar("E2", bound=TaskError)
E3 = TypeVar("E3", bound=TaskError)
E4 = TypeVar("E4", bound=TaskError)
E5 = TypeVar("E5", bound=TaskError)
E6 = TypeVar("E6", bound=TaskError)
E_co = TypeVar("E_co", covariant=True, bound=TaskError, default=Never)

_PUBLISH_LIMIT: Final = 1000
"""Envelopes that are sent in one call."""
_GROUPS_UNDER_WAY: Final = 8
"""Calls of `enqueue_many` that are sent before the first has been answered."""

_log = Log("typedtasks.broker")


class Broker(Operating):
    """Knows tasks, sends their calls, and gives out handles of their results. What it offers to operators is in `Operating`.

    `url` says where the tasks are kept: `redis://…` (docs/redis.md has more), `sqlite:///file.db` or `memory://`. Without it the
    environment variable `TYPEDTASKS_URL` does, and without that it is an embedded SQLite file, `.typedtasks/tasks.db` in the
    working directory. A `Backend` of your own may be passed instead. Nothing is opened before `async with broker:` (or
    `await broker.open()`).

    `default_queue` takes the calls of tasks that name no queue. `max_payload` is the largest size of a call's arguments as
    JSON, in bytes, and `max_result` that of a result. `result_ttl` is how long outcomes are kept. `reserved` are the names of
    tasks that are retired: no task may have them again. `codecs` encode payloads and results, in this order:
    `[Compress(), Encrypt(keys)]`; clients and workers need the same. Raises `BackendUnsupported` for a URL that means nothing.
    """

    def __init__(
        self,
        url: str | Backend | None = None,
        *,
        default_queue: str = "default",
        max_payload: int = 256 * 1024,
        max_result: int = 16 * 1024 * 1024,
        result_ttl: Duration = 24 * 3600.0,
        reserved: Iterable[str] = (),
        codecs: Sequence[PayloadCodec] = (),
        clock: Clock | None = None,
    ) -> None:
        if url is None:
            url = os.environ.get("TYPEDTASKS_URL") or DEFAULT_URL
        if not isinstance(url, str) and not hasattr(url, "publish"):
            raise DefinitionError(
                f"Broker(url) takes a URL or a Backend, and {type(url).__qualname__} is neither; pass a string such as 'redis://localhost:6379/0'."
            )  # its text may have a password
        check_size("max_payload", max_payload)
        check_size("max_result", max_result)
        self._make_backend = partial(backend_from_url, url) if isinstance(url, str) else None
        self.backend: Backend = backend_from_url(url) if isinstance(url, str) else url
        self.url = redacted(url) if isinstance(url, str) else repr(url)
        """Where the tasks are kept, without a password."""
        if not isinstance(cast("object", default_queue), str) or not is_queue_name(default_queue):
            raise DefinitionError(f"default_queue={default_queue!r} is not a queue name: letters, digits, '_' or '-'.")
        self.max_payload = max_payload
        self.sealing = Sealing(codecs, max_payload=max_payload, max_result=max_result)
        """What its codecs do to payloads and outcomes."""
        self._seals = bool(self.sealing.names)
        self.clock: Clock = clock or SystemClock()
        self._defaults = TaskDefinition(
            "",
            default_queue,
            result_ttl_ms=milliseconds(seconds(result_ttl, "result_ttl", positive=True)),
            max_payload=max_payload,
            max_result=max_result,
            codecs=self.sealing.names,
        )
        self.reserved = reserved_names(reserved)
        """The names of retired tasks, sorted."""
        self.providers = Providers([Broker])
        """Where injected parameters come from. `lifespan` and `override` add to it."""
        self._tasks: dict[str, AnyTask] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_inherited = False
        """Whether this is a forked child, and its parent had opened the broker."""
        self._use(self.backend)

    def _use(self, backend: Backend) -> None:
        self.backend = backend
        spreading = cast("object", backend)
        self._place = spreading.place if isinstance(spreading, SpreadingBackend) and spreading.spreads else None
        self._outcomes = Outcomes(backend, self.clock)
        self._publications: Batcher[Publication, TaskId | None] = Batcher(self._publish, limit=_PUBLISH_LIMIT)

    # overload-overlap: a coroutine function is a function too; the first that fits is meant.
    @overload
    def task(  # type: ignore[overload-overlap]
        self, function: Callable[P, Coro[R]], /
    ) -> AsyncTask[P, R]: ...
    @overload
    def task(self, function: Callable[P, R], /) -> SyncTask[P, R]: ...
    @overload
    def task(self, /, *, raises: tuple[()] = (), **options: Unpack[TaskOptions]) -> TaskDecorator[Never]: ...
    @overload
    def task(self, /, *, raises: type[E1] | tuple[type[E1]], **options: Unpack[TaskOptions]) -> TaskDecorator[E1]: ...
    @overload
    def task(self, /, *, raises: tuple[type[E1], type[E2]], **options: Unpack[TaskOptions]) -> TaskDecorator[E1 | E2]: ...
    @overload
    def task(
        self, /, *, raises: tuple[type[E1], type[E2], type[E3]], **options: Unpack[TaskOptions]
    ) -> TaskDecorator[E1 | E2 | E3]: ...
    @overload
    def task(
        self, /, *, raises: tuple[type[E1], type[E2], type[E3], type[E4]], **options: Unpack[TaskOptions]
    ) -> TaskDecorator[E1 | E2 | E3 | E4]: ...
    @overload
    def task(
        self, /, *, raises: tuple[type[E1], type[E2], type[E3], type[E4], type[E5]], **options: Unpack[TaskOptions]
    ) -> TaskDecorator[E1 | E2 | E3 | E4 | E5]: ...
    @overload
    def task(
        self, /, *, raises: tuple[type[E1], type[E2], type[E3], type[E4], type[E5], type[E6]], **options: Unpack[TaskOptions]
    ) -> TaskDecorator[E1 | E2 | E3 | E4 | E5 | E6]: ...
    @overload
    def task(self, /, *, raises: tuple[type[E], ...], **options: Unpack[TaskOptions]) -> TaskDecorator[E]: ...
    def task(self, function: Callable[..., object] | None = None, /, *, raises: object = (), **options: object) -> object:
        """Make a task of a function, as `@broker.task` or `@broker.task(name=..., retry=..., raises=...)`.

        `raises` names the `TaskError` classes that the task may end with: they become part of its type. The other options are
        described at `TaskOptions`. Raises `DefinitionError` for a function whose types cannot cross a queue, a name that is
        taken, or an option that is unknown.
        """
        if function is not None:
            if options or raises != ():
                given = ", ".join(f"{option}=..." for option in (*options, *(["raises"] if raises != () else [])))
                raise DefinitionError(
                    f"broker.task(function, {given}) takes no options beside the function: write @broker.task({given}) above it, "
                    f"or broker.task({given})(function)."
                )
            if not callable(function):
                raise DefinitionError(
                    f"broker.task({function!r:.80}): this is no function. Options are passed by name: @broker.task(name=...)."
                )
            return self._define(function, (), {}, None)

        def decorate(function: Callable[..., object], deps: type | None) -> AnyTask:
            return self._define(function, raises, cast("TaskOptions", options), deps)

        return TaskDecorator[TaskError](decorate)

    def lifespan(self, function: L, /) -> L:
        """Let every worker enter this async generator function before its first task, and leave it after the last.

        What it yields, tasks get by its type, which the function has to be annotated with: `-> AsyncIterator[State]` and
        `Injected[State]`. There may be several; they are entered in the order of their definition. Raises `DefinitionError`.
        """
        self.providers.add_lifespan(function)
        return function

    def override(self, dependency: object, replacement: Callable[..., object]) -> AbstractContextManager[None]:
        """Let `replacement` make what `dependency` makes, in the workers of this process, while `with broker.override(...)` lasts.

        `dependency` is what `Depends` names, the type that `Injected` names, or a lifespan.
        """
        return self.providers.override(dependency, replacement)

    @property
    def tasks(self) -> Mapping[str, AnyTask]:
        """All tasks by name, in the order of their definition."""
        return MappingProxyType(self._tasks)

    @property
    def queues(self) -> tuple[str, ...]:
        """The default queue and those that tasks name: what a worker reads unless it is told otherwise."""
        named = (task.definition.queue for task in self._tasks.values())
        return tuple(dict.fromkeys((self._defaults.queue, *named)))

    @property
    def result_ttl_ms(self) -> int:
        """How long the outcomes of tasks that say nothing else are kept, in milliseconds."""
        return self._defaults.result_ttl_ms

    async def open(self) -> Self:
        """Connect to the backend, within 5 seconds. Raises `BackendUnavailable` or `BackendUnsupported`."""
        if self._loop is not None:
            raise BrokerClosed(f"{self!r} is open already; open it once, for example in your application's lifespan.")
        if self._is_inherited:
            self._begin_anew()
        watch_forks(self)
        try:
            durability = await self.backend.open(self._outcomes)
        except BaseException:
            unwatch_forks(self)
            raise
        self._outcomes.open()
        self._loop = asyncio.get_running_loop()
        _log.info("Opened %s. %s", self.url, durability)
        return self

    async def close(self) -> None:
        """Finish what is being sent, and disconnect. The broker can be opened again."""
        if self._loop is None:
            return
        self._loop = None
        await self._publications.close()
        await self._outcomes.close()
        await self.backend.close()
        unwatch_forks(self)

    def forked(self) -> None:
        """Leave what is open to the parent of this process (see `Inherited`): here the broker can be opened anew."""
        keep_for_ever(self.backend, self._outcomes, self._publications, self._loop)
        self._loop = None
        self._is_inherited = True

    def _begin_anew(self) -> None:
        if self._make_backend is None:
            raise BrokerClosed(
                f"{self!r} was opened before this process was forked, and its backend was passed as an object, which the parent "
                "uses: make another Broker here."
            )
        self._use(self._make_backend())
        self._is_inherited = False

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def send(self, call: Call[R, E_co]) -> TaskHandle[R, E_co]:
        """Send one call and return its handle once the backend has stored it. `Task.enqueue` is the usual way."""
        self.check_open("enqueue")
        dispatch, now = call.dispatch, self.clock.now()
        queue = dispatch.queue if self._place is None else self._place(dispatch.queue, dispatch.once)
        id = new_task_id(queue, now)
        payload = self.sealing.seal_call(call.payload, id, call.task.name) if self._seals else call.payload
        body = dispatch.line(self.backend.reply_to, now) + payload
        earlier = await self._publications.submit(
            [Publication(id, queue, dispatch.priority, body, dispatch.delay_ms, dispatch.eta_ms, dispatch.once)]
        )
        return TaskHandle(id, call.task, self) if earlier[0] is None else self._earlier(earlier[0], call)

    async def enqueue_many(self, calls: Iterable[Call[R, E_co]]) -> list[TaskHandle[R, E_co]]:
        """Send many calls in few round trips, and return their handles in the same order.

        `task.call(...)` makes a call and validates it, so a misfit is refused before anything is sent. Calls go out in
        groups of 1,000, up to 8 of them under way at a time; what a group holds for one queue is stored whole or not at all (on
        Redis up to 8 MiB of it). Raises what `Task.enqueue` raises; other groups may have been stored then.
        """
        self.check_open("enqueue_many")
        if not isinstance(cast("object", calls), Iterable):
            raise DefinitionError(f"calls={calls!r:.80} is not a list: pass one, as [task.call(...)], or await task.enqueue(...).")
        calls, tasks = list(calls), self._tasks
        for call in calls:
            if not isinstance(cast("object", call), Call):
                raise DefinitionError(f"{call!r} is not a call; make one with task.call(...).")
            if tasks.get(call.task.name) is not call.task:
                raise self._not_own(call.task)
        handles: list[TaskHandle[R, E_co]] = []
        groups: list[asyncio.Task[Mapping[TaskId, TaskId]]] = []
        try:
            for start in range(0, len(calls), _PUBLISH_LIMIT):
                group = calls[start : start + _PUBLISH_LIMIT]
                publications = self._prepared(group)
                groups.append(asyncio.create_task(self.backend.publish(publications)))
                handles += [TaskHandle(item.id, call.task, self) for item, call in zip(publications, group, strict=True)]
                await asyncio.sleep(0)  # it is on its way while the next group is made
                if len(groups) > _GROUPS_UNDER_WAY:
                    await asyncio.wait([groups[-_GROUPS_UNDER_WAY]])
        finally:
            answers = await asyncio.gather(*groups, return_exceptions=True)
        duplicates: dict[TaskId, TaskId] = {}
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
            duplicates.update(answer)
        for place, handle in enumerate(handles) if duplicates else ():
            if handle.id in duplicates:
                handles[place] = self._earlier(duplicates[handle.id], calls[place])
        return handles

    def handle(self, task: Task[..., R, E_co], task_id: str) -> TaskHandle[R, E_co]:
        """Return the typed handle of a task that was sent earlier, here or in another process.

        Raises `ResultLost` for a text that cannot be an id: it may be what somebody wrote into a URL.
        """
        if not isinstance(cast("object", task), Task):
            raise DefinitionError(f"{task!r} is not a task; pass what @broker.task made.")
        if self._tasks.get(task.name) is not task:
            raise self._not_own(task)
        if not isinstance(cast("object", task_id), str):
            raise DefinitionError(f"{task_id!r} is not a task id; pass the `id` of a TaskHandle.")
        if not is_task_id(task_id):
            raise ResultLost(f"{representation(task_id)} is the id of no task: such as 'default.' and 20 characters are expected.")
        return TaskHandle(TaskId(task_id), task, self, foreign=True)

    async def wait_outcome(self, id: TaskId, *, foreign: bool, ttl_ms: int) -> bytes:
        """Return an outcome as bytes once there is one. `TaskHandle.outcome` is the usual way."""
        self.check_open("result")
        outcome = await self._outcomes.wait(id, foreign=foreign, ttl_ms=ttl_ms)
        return self.sealing.open_outcome(outcome, id) if self._seals else outcome

    async def read_outcome(self, id: TaskId) -> bytes | None:
        """Return an outcome as bytes if there is one. `TaskHandle.peek` is the usual way."""
        self.check_open("peek")
        outcome = await self._outcomes.read(id)
        return outcome if outcome is None or not self._seals else self.sealing.open_outcome(outcome, id)

    async def read_progress(self, id: TaskId) -> bytes | None:
        """Return how far a task has come, as bytes, if it has said so. `TaskHandle.progress` is the usual way."""
        self.check_open("progress")
        body = (await self.backend.read_reports([id])).get(id)
        return body if body is None or not self._seals else self.sealing.open_progress(body, id)

    async def cancel_task(self, id: TaskId) -> None:
        """Ask for a task's cancellation. `TaskHandle.cancel` is the usual way."""
        self.check_open("cancel")
        await self.backend.cancel([id])

    def _define(self, function: Callable[..., object], raises: object, options: TaskOptions, deps: type | None) -> AnyTask:
        name = options["name"] if "name" in options else default_task_name(function)
        definition = define(name, options, self._defaults, raises)
        if name in self.reserved:
            raise DefinitionError(
                f"The name {name!r} is reserved: a task that is retired had it, and its messages and callers may still be there. "
                "Pass another name=, or take it out of Broker(reserved=...)."
            )
        other = self._tasks.get(name)
        if other is not None:
            raise DefinitionError(
                f"The name {name!r} is taken by {other.function.__module__}.{other.function.__qualname__}: "
                "pass another name= to one of them."
            )
        task = make_task(function, definition, self, deps)
        self.providers.check(name, task.boundary.injected.values(), at_definition=True)
        self._tasks[name] = task
        return task

    def _not_own(self, task: Task[..., R, E_co]) -> DefinitionError:
        return DefinitionError(f"{task.name} is not a task of {self!r}; pass one that this broker defines.")

    def _earlier(self, id: TaskId, call: Call[R, E_co]) -> TaskHandle[R, E_co]:
        """Return the handle of the task that stands for a call, because it was sent before with the same key."""
        return TaskHandle(id, call.task, self, foreign=True, deduplicated=True)

    def _prepared(self, calls: Sequence[Call[R, E_co]]) -> list[Publication]:
        """Return what is sent for calls, each under a new id."""
        reply_to, now = self.backend.reply_to, self.clock.now()
        queues = [call.dispatch.queue for call in calls]
        if self._place is not None:
            queues = [self._place(call.dispatch.queue, call.dispatch.once) for call in calls]
        ids = new_task_ids(queues, now)
        return [
            Publication(
                id,
                queue,
                dispatch.priority,
                dispatch.line(reply_to, now)
                + (self.sealing.seal_call(call.payload, id, call.task.name) if self._seals else call.payload),
                dispatch.delay_ms,
                dispatch.eta_ms,
                dispatch.once,
            )
            for id, queue, call in zip(ids, queues, calls, strict=True)
            for dispatch in (call.dispatch,)
        ]

    async def _publish(self, batch: list[Publication]) -> Sequence[TaskId | None]:
        duplicates = await self.backend.publish(batch)
        return [duplicates.get(item.id) for item in batch] if duplicates else [None] * len(batch)

    def check_open(self, what: str) -> None:
        """Raise `BrokerClosed`, naming `what` was asked for, unless the broker is open on the running event loop."""
        if self._is_inherited:
            raise BrokerClosed(
                f"{what} needs an open broker, and {self!r} was opened before this process was forked: that connection is its "
                "parent's. Open the broker here, too: `async with broker:`, or `await broker.open()` when the child starts."
            )
        if self._loop is None:
            raise BrokerClosed(
                f"{what} needs an open broker, and {self!r} is not open: use it inside `async with broker:`, "
                "or `await broker.open()` when your application starts."
            )
        if self._loop is not asyncio.get_running_loop():
            raise BrokerClosed(
                f"{what} was called on another event loop than the one that opened {self!r}: open the broker on the loop "
                "that uses it (one broker for each loop)."
            )

    def __repr__(self) -> str:
        return f"<Broker {self.url}>"
