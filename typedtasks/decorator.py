"""What `broker.task(...)` returns: it makes a task of a function."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Concatenate, Generic, Never, ParamSpec, cast, overload

from typing_extensions import TypeVar

from typedtasks.coroutine import Coro, is_coroutine_function, mark_coroutine_function, wraps_coroutine_function
from typedtasks.errors import DefinitionError, TaskError
from typedtasks.options import TaskDefinition
from typedtasks.task import AnyTask, AsyncDepsTask, AsyncTask, CallSender, SyncDepsTask, SyncTask

__all__ = ["DepsDecorator", "TaskDecorator", "make_task"]

P = ParamSpec("P")
D = TypeVar("D")
R = TypeVar("R")
E_co = TypeVar("E_co", covariant=True, bound=TaskError, default=Never)


class TaskDecorator(Generic[E_co]):
    """Makes a task of a function, with the options that were given. Its declared failures are `E_co`."""

    def __init__(self, define: Callable[[Callable[..., object], type | None], AnyTask]) -> None:
        self._define = define

    # overload-overlap: a coroutine function is a function too; the first that fits is meant.
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, function: Callable[P, Coro[R]], /
    ) -> AsyncTask[P, R, E_co]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> SyncTask[P, R, E_co]: ...
    def __call__(self, function: Callable[..., object], /) -> object:
        """Make a task of the function."""
        return self._define(function, None)

    def with_deps(self, deps: type[D], /) -> DepsDecorator[D, E_co]:
        """Let the worker fill in the first parameter with a new `deps(...)`, whose own parameters are injected.

        This hides what is injected from every type checker without a plugin: `enqueue` takes the other parameters, a direct
        call takes all. Raises `DefinitionError` for a class whose parameters cannot be filled.
        """
        if not inspect.isclass(deps):
            raise DefinitionError(f"with_deps({deps!r}) takes a class, such as a dataclass whose fields are injected.")
        return DepsDecorator(self._define, deps)


class DepsDecorator(Generic[D, E_co]):
    """Makes a task of a function whose first parameter is a `D`, which the worker fills in."""

    def __init__(self, define: Callable[[Callable[..., object], type | None], AnyTask], deps: type[D]) -> None:
        self._define = define
        self._deps = deps

    # overload-overlap: a coroutine function is a function too; the first that fits is meant.
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, function: Callable[Concatenate[D, P], Coro[R]], /
    ) -> AsyncDepsTask[Concatenate[D, P], P, R, E_co]: ...
    @overload
    def __call__(self, function: Callable[Concatenate[D, P], R], /) -> SyncDepsTask[Concatenate[D, P], P, R, E_co]: ...
    def __call__(self, function: Callable[..., object], /) -> object:
        """Make a task of the function."""
        return self._define(function, self._deps)


def make_task(function: Callable[..., object], definition: TaskDefinition, sender: CallSender, deps: type | None) -> AnyTask:
    """Return the task of a function. Raises `DefinitionError` for what cannot be one."""
    if is_coroutine_function(function) and definition.executor == "process":
        raise DefinitionError(
            f"{definition.name} is asynchronous, so it runs on the worker's event loop: executor='process' is for synchronous "
            "functions. Write `def` instead of `async def`, or leave executor out."
        )
    kinds = (AsyncTask, SyncTask) if deps is None else (AsyncDepsTask, SyncDepsTask)
    is_async = wraps_coroutine_function(function)
    # The overloads above say the task's types; here they are not known.
    task = cast("type[AnyTask]", kinds[0] if is_async else kinds[1])(function, definition, sender, deps)
    if is_async:
        mark_coroutine_function(task, function)
    return task
