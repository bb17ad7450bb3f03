"""Room for what follows types through hundreds of others: each step of the way stands on the stack."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Final, TypeVar

__all__ = ["with_room"]

T = TypeVar("T")

_STEPS: Final = 20_000
"""Some eight for each model on the way."""
_STACK: Final = 256 * 1024 * 1024
"""Bytes that are reserved, and not used before they are needed: twice what so many steps take on Python 3.11 to 3.13."""


def with_room(compute: Callable[[], T]) -> T:
    """Return what a function returns that may call itself thousands of times, run in a thread with a stack for that."""
    future = Future[T]()
    usual, stack = sys.getrecursionlimit(), threading.stack_size(_STACK)
    try:
        sys.setrecursionlimit(max(usual, _STEPS))
        thread = threading.Thread(target=_run, args=(compute, future), name="typedtasks-codegen")
        thread.start()
        thread.join()
    finally:
        threading.stack_size(stack)
        sys.setrecursionlimit(usual)
    return future.result()


def _run(compute: Callable[[], T], future: Future[T]) -> None:
    try:
        future.set_result(compute())
    except BaseException as error:  # noqa: BLE001 - whoever waits raises it
        future.set_exception(error)
