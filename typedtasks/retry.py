"""When a task that failed is run again, and how long that takes."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias, cast

from typedtasks.clock import Duration, seconds
from typedtasks.errors import DefinitionError, representation

__all__ = ["Retry", "RetryTime"]

_LARGEST = sys.float_info.max

RetryTime: TypeAlias = datetime | timedelta | float | None
"""When to run again: a time with its zone, a duration from now (`timedelta` or seconds), or None for the backoff."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Run a failed task again: which exceptions, how often, and after how long.

    The wait before attempt `n + 1` is `backoff * factor ** (n - 1)` seconds, never more than `max_delay`, then changed at
    random by up to the share `jitter` in either direction. The wait is held by the backend's delayed queue: no worker
    sleeps, and it outlives every process. Raises `DefinitionError` where a value makes no sense.
    """

    max_attempts: int = 3
    """How many times the task is executed in all, the first time counted in."""
    on: tuple[type[Exception], ...] | type[Exception] | None = None
    """Which exceptions lead to another attempt (subclasses too). None: every exception except those declared in `raises=`,
    which are answers rather than accidents. A timeout counts as `TimeoutError`."""
    backoff: Duration = 1.0
    """The wait before the second attempt."""
    factor: float = 2.0
    """By how much each further wait is longer than the one before."""
    max_delay: Duration = 600.0
    """The longest wait."""
    jitter: float = 0.1
    """The random share of each wait, 0 to 1, so that tasks that failed together do not come back together."""
    # Any: which exceptions there are, the function knows better than this class.
    when: Callable[[Any], RetryTime] | None = None
    """Asked first: the time that the exception itself knows, such as a `retry-after` header. None falls back to the backoff,
    a time that has passed runs it at once."""

    def __post_init__(self) -> None:
        _check_number(
            "max_attempts", self.max_attempts, int, 1, _LARGEST, "pass a whole number, 1 or more: with less the task never runs"
        )
        _check_number("factor", self.factor, float, 1, _LARGEST, "pass 1 or more: less would make waits shorter")
        _check_number("jitter", self.jitter, float, 0, 1, "it is a share: pass a number from 0 to 1")
        on: object = self.on
        given = cast("tuple[object, ...]", on) if isinstance(on, tuple) else (on,)
        if on is not None and not all(isinstance(kind, type) and issubclass(kind, Exception) for kind in given):
            raise DefinitionError(
                f"Retry(on={self.on!r}) has to be an exception class, or a tuple of them. What is no Exception "
                "(SystemExit, KeyboardInterrupt, CancelledError) is never retried."
            )
        if self.when is not None and not callable(cast("object", self.when)):
            raise DefinitionError(f"Retry(when={self.when!r}) has to be a function from an exception to a time, or None.")
        seconds(self.backoff, "Retry.backoff")
        seconds(self.max_delay, "Retry.max_delay")

    def covers(self, error: BaseException, declared: tuple[type[BaseException], ...]) -> bool:
        """Return whether this exception may lead to another attempt. `declared` are the task's `raises=`."""
        if self.on is None:
            return not isinstance(error, declared)
        return isinstance(error, self.on)

    def delay(self, attempt: int, chance: random.Random) -> float:
        """Return the seconds to wait after the failed attempt number `attempt` (the first is 1)."""
        longest = seconds(self.max_delay, "Retry.max_delay")
        try:
            wait = min(longest, seconds(self.backoff, "Retry.backoff") * float(self.factor) ** (attempt - 1))
        except OverflowError:
            wait = longest
        return min(longest, wait * (1 + self.jitter * chance.uniform(-1, 1)))


def _check_number(option: str, value: object, kind: type[float], least: float, most: float, needed: str) -> None:
    if type(value) not in (int, kind) or not least <= cast("float", value) <= most:
        raise DefinitionError(f"Retry({option}={representation(value)}) is not possible: {needed}.")
