"""The types of what an asynchronous function returns when it is called."""

from __future__ import annotations

from collections.abc import Coroutine
from types import CoroutineType
from typing import Any, TypeAlias, TypeVar

__all__ = ["Coro", "NativeCoro"]

T = TypeVar("T")

# Any: what a coroutine yields to its event loop, and is sent by it, concerns nobody else.
Coro: TypeAlias = Coroutine[Any, Any, T]

# Any: as above. In quotes, because the class takes no arguments at run time before Python 3.13.
NativeCoro: TypeAlias = "CoroutineType[Any, Any, T]"
"""What `async def` makes, by the name that pyright and ty give it: a task then fits where its function does."""
