"""The type of what an asynchronous function returns when it is called."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeAlias, TypeVar

__all__ = ["Coro"]

T = TypeVar("T")

# Any: what a coroutine yields to its event loop, and is sent by it, concerns nobody else.
Coro: TypeAlias = Coroutine[Any, Any, T]
