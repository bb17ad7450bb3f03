"""How a parameter says that it is injected: `Depends(f)`, `Injected[T]`, or the type of something that every execution has."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeVar, cast, get_args, overload

from typing_extensions import TypeAliasType

from typedtasks.coroutine import Coro
from typedtasks.errors import DefinitionError
from typedtasks.injection.hints import members, unwrapped, without_none

__all__ = ["INJECT", "Dependency", "Depends", "Injected", "Need", "Provided", "need_of"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Dependency:
    """What `Depends(...)` returns. Any object with these two attributes is read in the same way, such as FastAPI's."""

    dependency: Callable[..., object] | None = None
    """What makes the value; None: the parameter's own type says it."""
    use_cache: bool = True
    """Whether one execution makes the value once, however often it is asked for."""

    def __repr__(self) -> str:
        return f"Depends({getattr(self.dependency, '__name__', self.dependency) if self.dependency else ''})"


class NotWhatTheCallReturns:
    """What a parameter would get that is annotated with a coroutine or an iterator, where the worker awaits or enters that."""


# overload-overlap, reportOverlappingOverload: the first that fits is meant. The fifth is there for mypy, which passes over one that
# does not fit the parameter's type; what a dependency yields or awaits would then be said to be its iterator or coroutine.
@overload
def Depends(dependency: type[T], *, use_cache: bool = True) -> T: ...  # type: ignore[overload-overlap]
@overload
def Depends(  # type: ignore[overload-overlap]  # pyright: ignore[reportOverlappingOverload]
    dependency: Callable[..., Coro[T]], *, use_cache: bool = True
) -> T: ...
@overload
def Depends(dependency: Callable[..., AsyncIterator[T]], *, use_cache: bool = True) -> T: ...  # type: ignore[overload-overlap]
@overload
def Depends(dependency: Callable[..., Iterator[T]], *, use_cache: bool = True) -> T: ...  # type: ignore[overload-overlap]
@overload
def Depends(
    dependency: Callable[..., Coro[object] | AsyncIterator[object] | Iterator[object]], *, use_cache: bool = True
) -> NotWhatTheCallReturns: ...
@overload
def Depends(dependency: Callable[..., T], *, use_cache: bool = True) -> T: ...
# Any: without a dependency it stands for whatever the parameter's type says.
@overload
def Depends(*, use_cache: bool = True) -> Any: ...
def Depends(  # noqa: N802 - the name that users of FastAPI know
    dependency: Callable[..., object] | None = None, *, use_cache: bool = True
) -> object:
    """Mark a parameter that the worker fills in: as a default, `db: Db = Depends(get_db)`, or in `Annotated[Db, Depends(get_db)]`.

    `dependency` is a function, a coroutine function, a class, or a generator or async generator function, whose part after the
    `yield` runs when the task has ended. Its own parameters are injected too, or have defaults. It is called once for each
    execution, unless `use_cache` is false. Without it the parameter's type says what is meant, as in `Injected`.
    """
    return Dependency(dependency, use_cache)


INJECT: Final = Dependency()
"""The mark of `Injected`: by the parameter's type."""

Injected = TypeAliasType("Injected", Annotated[T, INJECT], type_params=(T,))
"""`Injected[T]`: the worker fills it in by its type. That is the `Context`, the broker, what a lifespan yields, or a new `T()`."""


class Provided:
    """A class whose instances every execution has: its name as a parameter's type is enough to get it."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Need:
    """One injected parameter, and what fills it."""

    parameter: str
    key: object
    """The callable that makes it, or the type (`by_type`) that it is looked for by."""
    by_type: bool
    use_cache: bool = True


def need_of(parameter: inspect.Parameter, hint: object, where: str) -> Need | None:
    """Return how a parameter is injected, or None where it is an ordinary one. `where` begins the text of `DefinitionError`."""
    who = f"{where}: the parameter {parameter.name!r}"
    type, said = unwrapped(hint)
    wanted = without_none(type)
    marks = [mark for mark in map(_dependency, (*said, parameter.default)) if mark is not None]
    explicit = [mark for mark in marks if mark.dependency is not None]
    if not all(isinstance(mark.dependency, Hashable) for mark in explicit):
        raise DefinitionError(
            f"{who} is injected by {explicit[0]!r}, which has no hash, so it cannot be told from others. Use a function."
        )
    if len(set(explicit)) > 1:
        raise DefinitionError(f"{who} is injected in two ways, {explicit[0]!r} and {explicit[1]!r}. Keep one of them.")
    if not marks and not _is_provided(wanted):
        if _mentions_injection(type):
            raise DefinitionError(
                f"{who} has an injected type inside another type ({hint!r}); only a whole parameter can be injected. "
                "Give it a parameter of its own."
            )
        return None
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
        raise DefinitionError(f"{who} collects arguments and cannot be injected. Give what is injected a parameter of its own.")
    # One without a dependency may stand beside: it makes the parameter optional for type checkers.
    mark = next(iter((*explicit, *marks)), INJECT)
    if mark.dependency is not None:
        return Need(parameter.name, mark.dependency, by_type=False, use_cache=mark.use_cache)
    # Any: here it is a value, that of a parameter which says nothing.
    if any(wanted is nothing for nothing in (Any, object, parameter.empty)) or isinstance(wanted, TypeVar):
        raise DefinitionError(f"{who} is to be injected by its type, and has none that says what. Write Depends(function).")
    return Need(parameter.name, wanted, by_type=True, use_cache=mark.use_cache)


def _dependency(mark: object) -> Dependency | None:
    """Return what a mark says, whoever made it. Forgotten parentheses are forgiven."""
    if isinstance(mark, Dependency):
        return mark
    if mark is Depends:
        return INJECT
    # Any: FastAPI's marks are known by their attributes only, because it is not imported here.
    other = cast("Any", mark)
    if isinstance(mark, type) or not hasattr(mark, "dependency"):
        return None
    return Dependency(other.dependency, bool(getattr(other, "use_cache", True)))


def _is_provided(hint: object) -> bool:
    return isinstance(hint, type) and issubclass(hint, Provided)


def _mentions_injection(hint: object) -> bool:
    """Return whether an injected type is somewhere inside another type."""
    seen: list[object] = []  # a type alias may be part of itself
    waiting = [hint]
    while waiting:
        outer = waiting.pop()
        if outer is Injected:
            return True
        if outer in seen:
            continue
        seen.append(outer)
        for inner in (*members(outer), *get_args(outer)):
            type, said = unwrapped(inner)
            is_provided = inner is not outer and _is_provided(type)
            if inner is Injected or is_provided or any(_dependency(mark) is not None for mark in said):
                return True
            waiting.append(type)
    return False
