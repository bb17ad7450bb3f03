"""How one dependency is made: what it needs itself, and what kind of callable it is."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from pydantic.fields import FieldInfo

from typedtasks.coroutine import is_coroutine_function
from typedtasks.errors import DefinitionError
from typedtasks.injection.hints import hints_of
from typedtasks.injection.marks import Need, need_of

__all__ = ["Recipe", "recipe_of", "shown"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """A callable that makes a value, and what it is given."""

    make: Callable[..., object]
    needs: tuple[Need, ...]
    is_coroutine: bool
    is_generator: bool
    is_async_generator: bool


def recipe_of(make: Callable[..., object]) -> Recipe:
    """Return how to make a dependency's value.

    Raises `DefinitionError` for one with a parameter that nothing fills, and `NameError` for a type that is not there yet.
    """
    if not callable(make):
        raise DefinitionError(f"Depends({make!r}): it cannot be called. Pass a function or a class.")
    try:
        parameters = list(inspect.signature(make).parameters.values())
    except ValueError:
        parameters = []  # built in, and tells nothing: it is called without arguments
    hints = hints_of(make) if parameters else {}
    needs = [_need(parameter, hints, shown(make)) for parameter in parameters]
    body = _body(make)
    return Recipe(
        make,
        tuple(need for need in needs if need is not None),
        is_coroutine=is_coroutine_function(body),
        is_generator=inspect.isgeneratorfunction(body),
        is_async_generator=inspect.isasyncgenfunction(body),
    )


def shown(make: object) -> str:
    """Return a dependency's name for a message."""
    name = getattr(make, "__qualname__", None) or repr(make)
    return f"{module}.{name}" if (module := getattr(make, "__module__", None)) and module != "builtins" else str(name)


def _need(parameter: inspect.Parameter, hints: dict[str, object], where: str) -> Need | None:
    annotation: object = parameter.annotation
    hint = hints.get(parameter.name, object if isinstance(annotation, str) else annotation)
    need = need_of(parameter, hint, where)
    if need is not None:
        if parameter.kind is parameter.POSITIONAL_ONLY:
            raise DefinitionError(f"{where}: {parameter.name!r} is injected by its name, so it cannot be positional-only.")
        return need
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
        return None
    if isinstance(parameter.default, FieldInfo):
        raise DefinitionError(
            f"{where}: the default of {parameter.name!r} is {type(parameter.default).__name__}(...), which is read from a web "
            "request. A task has none. Give the dependency a plain default, or put its work into a function of its own."
        )
    if parameter.default is parameter.empty:
        written = annotation.__name__ if isinstance(annotation, type) else annotation
        typed = "" if annotation is parameter.empty else f": {written}"
        raise DefinitionError(
            f"{where} needs {parameter.name}{typed}, and nothing says where that comes from: a dependency is not given the task's "
            "arguments, nor a web request. Write Depends(function) or Injected[type] for it, give it a default, or let "
            "@broker.lifespan yield what you want to have injected."
        )
    return None


def _body(make: Callable[..., object]) -> Callable[..., object]:
    """Return the function that decides what a call returns: for an object with `__call__`, that method."""
    while isinstance(make, functools.partial):
        make = cast("Callable[..., object]", make.func)
    if inspect.isroutine(make) or isinstance(make, type):
        return make
    return cast("Callable[..., object]", type(make).__call__)
