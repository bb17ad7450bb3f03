"""A task: a function that can be called, sent to a worker, and read the result of."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Generic, Literal, Never, ParamSpec, Protocol, TypeAlias, TypedDict, cast, get_type_hints

from typing_extensions import TypeVar, Unpack

from typedtasks.backend import Priority, is_queue_name
from typedtasks.clock import Duration, milliseconds, seconds
from typedtasks.contract import Boundary, Misfit, check_failure, read_fields
from typedtasks.envelope import MAX_HEADER, MAX_NAME, Header, write_header
from typedtasks.errors import DefinitionError, ResultInvalid, TaskError, TaskFailed, describe, printable
from typedtasks.handle import TaskHandle
from typedtasks.outcome import Crashed, Failure, Outcome, Success, ended_without_value, read_outcome
from typedtasks.retry import Retry

__all__ = [
    "AnyTask",
    "AsyncTask",
    "Call",
    "ConfiguredTask",
    "Dispatch",
    "EnqueueOptions",
    "PriorityName",
    "SyncTask",
    "Task",
    "TaskDefinition",
    "TaskOptions",
]

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)
E_co = TypeVar("E_co", covariant=True, bound=TaskError, default=Never)

PriorityName: TypeAlias = Literal["high", "normal", "low"]
"""Within a queue, high goes before normal before low; but low is never starved."""

_PRIORITIES: Final[Mapping[str, Priority]] = {priority.name.lower(): priority for priority in Priority}


class TaskOptions(TypedDict, total=False):
    """What `@broker.task(...)` accepts besides `raises`."""

    name: str
    """A stable name, by default `<module>.<function>`. It goes over the wire: renaming a task makes it another one."""
    queue: str
    """The queue that calls go into, by default the broker's."""
    priority: PriorityName
    """By default `"normal"`."""
    timeout: Duration
    """How long one execution may take, by default without limit. A thread cannot be stopped: see the tutorial."""
    retry: Retry
    """By default a failed task is not run again."""
    result_ttl: Duration
    """How long the outcome is kept, by default the broker's."""
    executor: Literal["thread"]
    """Where a synchronous function runs. `"process"` is not available yet."""


class EnqueueOptions(TypedDict, total=False):
    """What `Task.options(...)` accepts: how one call is sent."""

    delay: Duration
    """Not before this much time has passed, by the backend's clock."""
    eta: datetime
    """Not before this time, which must have a zone. Excludes `delay`."""
    priority: PriorityName
    queue: str
    timeout: Duration
    """How long one execution may take, in place of what the task's definition says."""
    expires: Duration
    """Not to be started when this much time has passed: the outcome then is `Expired`."""
    labels: Mapping[str, str]
    """Your own metadata: sent along, never interpreted."""


@dataclass(frozen=True, slots=True)
class TaskDefinition:
    """A task's name and options, checked and with every default filled in."""

    name: str
    queue: str
    priority: Priority = Priority.NORMAL
    timeout: float = 0.0
    """Seconds; 0: no limit."""
    retry: Retry | None = None
    raises: tuple[type[TaskError], ...] = ()
    result_ttl_ms: int = 0
    max_payload: int = 0
    max_result: int = 0


@dataclass(slots=True)
class Dispatch:
    """How a call is sent. Equal calls share one `Dispatch`, and so one encoded first line of the envelope."""

    header: Header
    queue: str
    priority: Priority
    delay_ms: int = 0
    eta_ms: int = 0
    expires_after_ms: int = 0
    _line: tuple[str, bytes] = field(default=("", b""), repr=False)

    def line(self, reply_to: str, now: float) -> bytes:
        """Return the envelope's first line for a client, at the time `now` in seconds since 1970."""
        if self.expires_after_ms:
            expires_ms = int(now * 1000) + self.expires_after_ms
            return write_header(replace(self.header, reply_to=reply_to, expires_ms=expires_ms))
        known_for, line = self._line
        if not line or known_for != reply_to:
            line = write_header(replace(self.header, reply_to=reply_to))
            self._line = (reply_to, line)
        return line


class CallSender(Protocol):
    """What a task needs from its broker."""

    async def send(self, call: Call[R_co, E_co]) -> TaskHandle[R_co, E_co]:
        """Send one call."""
        ...


class Call(Generic[R_co, E_co]):
    """A task with its arguments bound and validated, ready to be sent by `Broker.enqueue_many`."""

    __slots__ = ("dispatch", "payload", "task")

    def __init__(self, task: Task[..., R_co, E_co], payload: bytes, dispatch: Dispatch) -> None:
        self.task = task
        self.payload = payload
        self.dispatch = dispatch

    def __repr__(self) -> str:
        return f"<Call {self.task.name} {'(with a secret)' if self.task.boundary.holds_secret else self.payload!r}>"


class Task(Generic[P, R_co, E_co]):
    """A function whose calls can be sent to a worker. Made by `Broker.task`; it is still the function that it was."""

    def __init__(self, function: Callable[P, object], definition: TaskDefinition, sender: CallSender) -> None:
        self.definition = definition
        self.name = definition.name
        self._function = function
        self.boundary: Boundary[R_co] = Boundary(
            function, task=definition.name, max_payload=definition.max_payload, max_result=definition.max_result
        )
        self._sender = sender
        self._dispatch = Dispatch(Header(definition.name), definition.queue, definition.priority)
        # Any: a task takes the place of its function, so it takes its name and docstring; the stub wants a function.
        functools.update_wrapper(cast("Any", self), function)

    @property
    def function(self) -> Callable[P, object]:
        """The function that the task was made of."""
        return self._function

    async def enqueue(self, /, *args: P.args, **kwargs: P.kwargs) -> TaskHandle[R_co, E_co]:
        """Validate the arguments, send the call, and return its handle once the backend has stored it.

        Raises `PayloadInvalid` or `PayloadTooLarge` for arguments that do not fit: then nothing was sent. Raises
        `BrokerClosed`, `BackendUnavailable` or `BackendFull` when it could not be stored. At-least-once: see docs/promises.md.
        """
        return await self._sender.send(self.call(*args, **kwargs))

    def call(self, /, *args: P.args, **kwargs: P.kwargs) -> Call[R_co, E_co]:
        """Return the call, validated and not sent yet. Raises `PayloadInvalid` or `PayloadTooLarge`."""
        return Call(self, self.boundary.encode_arguments(args, kwargs), self._dispatch)

    def options(self, **options: Unpack[EnqueueOptions]) -> ConfiguredTask[P, R_co, E_co]:
        """Return this task with other options for the calls that are made from it. `DefinitionError` for unknown ones."""
        return ConfiguredTask(self, self._sender, _dispatch(self.definition, options))

    @property
    def result_ttl_ms(self) -> int:
        """How long outcomes of this task are kept, in milliseconds."""
        return self.definition.result_ttl_ms

    def read_outcome(self, body: bytes) -> Outcome[R_co, E_co]:
        """Return the typed outcome that the bytes say, the value validated against this task's own types."""
        try:
            line, value = read_outcome(body)
            attempts = line.get("attempts", 1)
            if line["outcome"] == "success":
                return Success(self.boundary.decode_result(value), attempts)
            if line["outcome"] == "failure":
                return self._read_failure(line.get("type", ""), value, line.get("traceback", ""), attempts)
            return ended_without_value(line)
        except Misfit as misfit:
            error = ResultInvalid(
                f"{self.name} sent a result that does not fit the type which this side expects:{describe(misfit.errors)}"
            )
        except ResultInvalid as unreadable:
            error = unreadable
        return Crashed(error.message, error.type, error.traceback, error.attempts, error)

    def _read_failure(self, kind: str, fields: bytes, traceback: str, attempts: int) -> Failure[E_co] | Crashed:
        for failure in self.definition.raises:
            if failure.__name__ == kind:
                try:
                    error = read_fields(failure, fields)
                except Misfit as misfit:
                    text = f"{self.name} failed with {kind}, whose fields do not fit here:{describe(misfit.errors)}"
                    break
                error.traceback, error.attempts = traceback, attempts
                # The class comes from the task's own `raises`, which is what E_co stands for.
                return Failure(cast("E_co", error))
        else:
            text = f"{self.name} failed with {kind}, which this side does not declare in raises=."
        crash = TaskFailed(text, type=kind, traceback=traceback, attempts=attempts)
        return Crashed(text, kind, traceback, attempts, crash)

    def __repr__(self) -> str:
        return f"<Task {self.name}{self.boundary.signature_text}>"


class AsyncTask(Task[P, R_co, E_co]):
    """A task made from an asynchronous function."""

    @property
    def function(self) -> Callable[P, Coroutine[Any, Any, R_co]]:
        """The coroutine function that the task was made of."""
        # The broker makes an AsyncTask only of a function that returns a coroutine of R_co.
        return cast("Callable[P, Coroutine[Any, Any, R_co]]", self._function)

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R_co]:
        """Call the function here and now, without a queue and without validation."""
        return self.function(*args, **kwargs)


class SyncTask(Task[P, R_co, E_co]):
    """A task made from a synchronous function. A worker runs it in a thread."""

    @property
    def function(self) -> Callable[P, R_co]:
        """The function that the task was made of."""
        # The broker makes a SyncTask only of a function that returns R_co.
        return cast("Callable[P, R_co]", self._function)

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Call the function here and now, without a queue and without validation."""
        return self.function(*args, **kwargs)


class ConfiguredTask(Generic[P, R_co, E_co]):
    """A task with options for the calls that are made from it (`Task.options`)."""

    def __init__(self, task: Task[P, R_co, E_co], sender: CallSender, dispatch: Dispatch) -> None:
        self.task = task
        self._sender = sender
        self._dispatch = dispatch

    async def enqueue(self, /, *args: P.args, **kwargs: P.kwargs) -> TaskHandle[R_co, E_co]:
        """Send a call with these options; otherwise as `Task.enqueue`."""
        return await self._sender.send(self.call(*args, **kwargs))

    def call(self, /, *args: P.args, **kwargs: P.kwargs) -> Call[R_co, E_co]:
        """Return the call with these options, validated and not sent yet."""
        return Call(self.task, self.task.boundary.encode_arguments(args, kwargs), self._dispatch)


# Any: a registry holds tasks of every signature, and a ParamSpec has no wildcard but `...`.
AnyTask: TypeAlias = Task[..., Any, TaskError]


def define(name: str, options: TaskOptions, defaults: TaskDefinition, raises: object) -> TaskDefinition:
    """Return the checked definition of a task. Raises `DefinitionError` for what is unknown or makes no sense."""
    if not isinstance(cast("object", name), str) or not 1 <= len(name) <= MAX_NAME or not name.isprintable():
        raise DefinitionError(f"{name!r:.100} cannot be the name of a task: pass 1 to {MAX_NAME} printable characters.")
    _refuse_unknown(name, options, (*_allowed(TaskOptions), "raises"))
    if options.get("executor", "thread") != "thread":
        raise DefinitionError(
            f"{name}: executor={options.get('executor')!r} is not available yet; synchronous functions run in threads. "
            "Leave the option out, or start the work in a process pool of your own."
        )
    retry = cast("object", options.get("retry"))
    if retry is not None and not isinstance(retry, Retry):
        raise DefinitionError(f"{name}: retry={retry!r} is not a Retry; write retry=Retry(max_attempts=5).")
    timeout, ttl = options.get("timeout"), options.get("result_ttl")
    return replace(
        defaults,
        name=name,
        queue=_queue(name, options.get("queue", defaults.queue)),
        priority=_priority(name, options.get("priority", "normal")),
        timeout=0.0 if timeout is None else seconds(timeout, f"{name}: timeout", positive=True),
        retry=retry,
        raises=_raises(name, raises),
        result_ttl_ms=defaults.result_ttl_ms if ttl is None else _ttl_ms(name, ttl),
    )


def _dispatch(definition: TaskDefinition, options: EnqueueOptions) -> Dispatch:
    name = definition.name
    _refuse_unknown(name, options, _allowed(EnqueueOptions))
    delay, eta, timeout, expires = (options.get(key) for key in ("delay", "eta", "timeout", "expires"))
    if delay is not None and eta is not None:
        raise DefinitionError(f"{name}: delay and eta exclude each other; pass one of them.")
    labels = options.get("labels", {})
    if not isinstance(cast("object", labels), Mapping):
        raise DefinitionError(f"{name}: labels={labels!r} has to map strings to strings.")
    parts: list[object] = [part for pair in labels.items() for part in pair]
    if not all(isinstance(part, str) and part == printable(part) for part in parts):
        raise DefinitionError(f"{name}: labels={labels!r} has to map strings to strings.")
    header = Header(
        name,
        timeout=0.0 if timeout is None else seconds(cast("Duration", timeout), f"{name}: timeout", positive=True),
        labels=tuple(labels.items()),
    )
    if len(write_header(header)) > MAX_HEADER // 2:
        raise DefinitionError(f"{name}: the labels are larger than {MAX_HEADER // 2} bytes; send data as an argument.")
    dispatch = Dispatch(
        header,
        queue=_queue(name, options.get("queue", definition.queue)),
        priority=definition.priority if "priority" not in options else _priority(name, options["priority"]),
        delay_ms=0 if delay is None else milliseconds(seconds(cast("Duration", delay), f"{name}: delay")),
        eta_ms=0 if eta is None else _eta_ms(name, eta),
        expires_after_ms=0
        if expires is None
        else milliseconds(seconds(cast("Duration", expires), f"{name}: expires", positive=True)),
    )
    if 0 < dispatch.expires_after_ms <= dispatch.delay_ms:
        raise DefinitionError(f"{name}: delay={delay!r} is not shorter than expires={expires!r}, so it would never be run.")
    return dispatch


def _ttl_ms(name: str, ttl: Duration) -> int:
    return milliseconds(seconds(ttl, f"{name}: result_ttl", positive=True))


def _allowed(options: type) -> tuple[str, ...]:
    return tuple(get_type_hints(options))


def _refuse_unknown(name: str, options: Mapping[str, object], allowed: Sequence[str]) -> None:
    unknown = sorted(set(options) - set(allowed))
    if unknown:
        raise DefinitionError(f"{name}: there is no option {unknown[0]!r}. Known options: {', '.join(sorted(allowed))}.")


def _queue(name: str, queue: object) -> str:
    if not isinstance(queue, str) or not is_queue_name(queue):
        raise DefinitionError(f"{name}: queue={queue!r} is not a queue name: 1 to 64 letters, digits, '_' or '-'.")
    return queue


def _priority(name: str, priority: object) -> Priority:
    if not isinstance(priority, str) or priority not in _PRIORITIES:
        raise DefinitionError(f"{name}: priority={priority!r} is unknown; choose 'high', 'normal' or 'low'.")
    return _PRIORITIES[priority]


def _eta_ms(name: str, eta: object) -> int:
    if not isinstance(eta, datetime) or eta.tzinfo is None:
        raise DefinitionError(f"{name}: eta={eta!r} has to be a datetime with a time zone, such as datetime.now(UTC).")
    return max(1, milliseconds(eta.timestamp()))


def _raises(name: str, raises: object) -> tuple[type[TaskError], ...]:
    given = cast("tuple[object, ...]", raises) if isinstance(raises, tuple) else (raises,)
    failures: list[type[TaskError]] = []
    for failure in given:
        if not (isinstance(failure, type) and issubclass(failure, TaskError) and failure is not TaskError):
            raise DefinitionError(f"{name}: raises={failure!r} has to be a subclass of TaskError, which gives it typed fields.")
        check_failure(failure, name)
        failures.append(failure)
    names = [failure.__name__ for failure in failures]
    if len(set(names)) < len(names):
        raise DefinitionError(f"{name}: two failures in raises= have the same name; the name is what crosses the wire.")
    return tuple(failures)
