"""What an asynchronous function returns when it is called, and which functions are asynchronous."""

from __future__ import annotations

import asyncio
import functools
import inspect
import sys
from collections.abc import Callable, Coroutine
from types import CoroutineType, FunctionType
from typing import Any, Final, TypeAlias, TypeVar

__all__ = ["Coro", "NativeCoro", "is_coroutine_function", "mark_coroutine_function", "wraps_coroutine_function"]

T = TypeVar("T")

_MARK: Final[object] = getattr(asyncio.coroutines, "_is_coroutine", object())
"""What asyncio marks coroutine functions with where inspect has no mark of its own, which is before Python 3.12."""

# Any: what a coroutine yields to its event loop, and is sent by it, concerns nobody else.
Coro: TypeAlias = Coroutine[Any, Any, T]

# Any: as above. In quotes, because the class takes no arguments at run time before Python 3.13.
NativeCoro: TypeAlias = "CoroutineType[Any, Any, T]"
"""What `async def` makes, by the name that pyright and ty give it: a task then fits where its function does."""


def is_coroutine_function(function: Callable[..., object]) -> bool:
    """Return whether a function is written with `async def`, or marked as one that returns a coroutine."""
    return inspect.iscoroutinefunction(function) or getattr(function, "_is_coroutine", None) is _MARK


def wraps_coroutine_function(function: Callable[..., object]) -> bool:
    """Return whether a function is one, or was put around one with `functools.wraps`.

    A decorator that is not asynchronous itself mostly returns the coroutine that it was given, so type checkers see an asynchronous
    function. It may as well run it to its end, as `asyncio.run` does: only a call can tell.
    """
    return is_coroutine_function(function) or is_coroutine_function(_innermost(function))


def mark_coroutine_function(made: object, function: Callable[..., object]) -> None:
    """Let `inspect.iscoroutinefunction` say that `made` is one, because it takes the place of `function`."""
    if sys.version_info >= (3, 12):
        inspect.markcoroutinefunction(made)
        return
    # Python 3.11 has no mark: it looks at the code of whatever has the attributes of a function.
    innermost = _innermost(function)
    if isinstance(innermost, FunctionType):
        vars(made).update(__code__=innermost.__code__, __defaults__=innermost.__defaults__, __kwdefaults__=innermost.__kwdefaults__)


def _innermost(function: Callable[..., object]) -> Callable[..., object]:
    """Return what decorators were put around."""
    innermost: Callable[..., object] = inspect.unwrap(function)
    while isinstance(innermost, functools.partial):
        innermost = inspect.unwrap(innermost.func)
    return innermost
