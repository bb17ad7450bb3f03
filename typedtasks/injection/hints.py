"""The types of a function's parameters, and what aliases and `Annotated` say in them."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Union, cast, get_args, get_origin, get_type_hints

__all__ = ["hints_of", "members", "names_around", "unwrapped", "without_none"]


def hints_of(make: object) -> dict[str, object]:
    """Return the types of a callable's parameters, by name. Raises `NameError` for a name that is not there yet."""
    while isinstance(make, functools.partial):
        make = cast("object", make.func)
    for function in _functions_of(make):
        return get_type_hints(function, localns=names_around(function), include_extras=True)
    return {}


def _functions_of(make: object) -> Iterator[Callable[..., object]]:
    """Yield the Python functions whose parameters are those of a callable: of a class its `__init__`, or its `__new__`."""
    # Any: any callable comes here, and which attributes it has is what is asked.
    source = cast("Any", make)
    candidates = [source.__init__, source.__new__] if isinstance(make, type) else [source, type(source).__call__]
    for candidate in candidates:
        if inspect.isfunction(candidate) or inspect.ismethod(candidate):
            yield candidate


def names_around(function: Callable[..., object]) -> dict[str, object]:
    """Return the names that a nested function captured, so that types from its surroundings can be resolved."""
    try:
        captured = inspect.getclosurevars(function)
    except (TypeError, ValueError):
        return {}
    return dict(captured.nonlocals)


def unwrapped(hint: object) -> tuple[object, tuple[object, ...]]:
    """Return a type without its aliases and its `Annotated`, and what `Annotated` said, the outermost first."""
    said: list[object] = []
    while True:
        origin = get_origin(hint)
        if origin is Annotated:
            inner, *marks = get_args(hint)
            hint, said = inner, [*said, *marks]
        elif hasattr(origin, "__value__"):  # an alias with parameters, as Injected; it has to be asked before the alias itself
            value = cast("Any", origin).__value__  # Any: there are two classes of alias, one new in Python 3.12
            if not getattr(value, "__parameters__", ()):
                return hint, tuple(said)  # its value is written as text, or has no place for the arguments
            hint = value[get_args(hint)]
        elif hasattr(hint, "__value__"):
            hint = cast("Any", hint).__value__
        else:
            return hint, tuple(said)


def members(hint: object) -> tuple[object, ...]:
    """Return what a union is made of, or the type itself."""
    return get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)


def without_none(hint: object) -> object:
    """Return `T` for `T | None`, and everything else as it is."""
    others = [member for member in members(hint) if member is not type(None)]
    return others[0] if len(others) == 1 else hint
