"""A task: a function that can be called, sent to a worker, and read the result of."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import CoroutineType
from typing import Any, Generic, Never, ParamSpec, Protocol, TypeAlias, cast

from typing_extensions import TypeVar, Unpack

from typedtasks.contract import Boundary, Misfit, built_fields, fingerprint, read_fields
from typedtasks.coroutine import NativeCoro
from typedtasks.envelope import Header
from typedtasks.errors import ResultInvalid, TaskError, TaskFailed, describe
from typedtasks.handle import TaskHandle
from typedtasks.options import Dispatch, EnqueueOptions, TaskDefinition, dispatch_of
from typedtasks.outcome import Crashed, Failure, Outcome, Success, ended_without_value, read_outcome

__all__ = ["AnyTask", "AsyncDepsTask", "AsyncTask", "Call", "ConfiguredTask", "SyncDepsTask", "SyncTask", "Task"]

P = ParamSpec("P")
C = ParamSpec("C")
R_co = TypeVar("R_co", covariant=True)
E_co = TypeVar("E_co", covariant=True, bound=TaskError, default=Never)


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

    def __init__(
        self, function: Callable[..., object], definition: TaskDefinition, sender: CallSender, deps: type | None = None
    ) -> None:
        self.definition = definition
        self.name = definition.name
        self._function = function
        self.boundary: Boundary[R_co] = Boundary(
            function, task=definition.name, max_payload=definition.max_payload, max_result=definition.max_result, deps=deps
        )
        self._sender = sender
        header = Header(definition.name, codecs=definition.codecs)
        self._dispatch = Dispatch(header, definition.queue, definition.priority, contract=self.contract)
        self._contract = ""
        # Any: a task takes the place of its function, so it takes its name and docstring; the stub wants a function.
        functools.update_wrapper(cast("Any", self), function)

    @property
    def function(self) -> Callable[..., object]:
        """The function that the task was made of. With `with_deps` it takes more than `P`: the classes below say what."""
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
        return ConfiguredTask(self, self._sender, dispatch_of(self.definition, options, self.contract))

    def contract(self) -> str:
        """Return a short hash of what goes over the wire: 6 characters for the arguments, 4 for the result and the failures.

        It is sent with every call. Equal ones read each other's messages alike; docs and options make no difference.
        """
        if not self._contract:
            arguments, result = self.boundary.built_types()
            failures = sorted(self.definition.raises, key=lambda failure: failure.__name__)
            outcome = fingerprint(4, [result, *map(built_fields, failures)], [failure.__name__ for failure in failures])
            self._contract = fingerprint(6, [arguments]) + outcome
        return self._contract

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
    def function(self) -> Callable[P, NativeCoro[R_co]]:
        """The coroutine function that the task was made of."""
        # The broker makes an AsyncTask only of a function that returns a coroutine of R_co.
        return cast("Callable[P, NativeCoro[R_co]]", self._function)

    # Any: as `NativeCoro`, but under the name that editors should show.
    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> CoroutineType[Any, Any, R_co]:
        """Call the function here and now, without a queue and without validation."""
        return self.function(*args, **kwargs)


class SyncTask(Task[P, R_co, E_co]):
    """A task made from a synchronous function. A worker runs it in a thread or in a child process."""

    @property
    def function(self) -> Callable[P, R_co]:
        """The function that the task was made of."""
        # The broker makes a SyncTask only of a function that returns R_co.
        return cast("Callable[P, R_co]", self._function)

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Call the function here and now, without a queue and without validation."""
        return self.function(*args, **kwargs)


class AsyncDepsTask(Task[P, R_co, E_co], Generic[C, P, R_co, E_co]):
    """A task made from an asynchronous function that takes `C`, of which a caller sends `P` and the worker fills in the rest."""

    @property
    def function(self) -> Callable[C, NativeCoro[R_co]]:
        """The coroutine function that the task was made of."""
        # The broker makes an AsyncDepsTask only of a function that takes C and returns a coroutine of R_co.
        return cast("Callable[C, NativeCoro[R_co]]", self._function)

    # Any: as `NativeCoro`, but under the name that editors should show.
    def __call__(self, /, *args: C.args, **kwargs: C.kwargs) -> CoroutineType[Any, Any, R_co]:
        """Call the function here and now, with dependencies of your own."""
        return self.function(*args, **kwargs)


class SyncDepsTask(Task[P, R_co, E_co], Generic[C, P, R_co, E_co]):
    """A task made from a synchronous function that takes `C`, of which a caller sends `P` and the worker fills in the rest."""

    @property
    def function(self) -> Callable[C, R_co]:
        """The function that the task was made of."""
        # The broker makes a SyncDepsTask only of a function that takes C and returns R_co.
        return cast("Callable[C, R_co]", self._function)

    def __call__(self, /, *args: C.args, **kwargs: C.kwargs) -> R_co:
        """Call the function here and now, with dependencies of your own."""
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
