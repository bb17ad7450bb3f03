"""When a task that failed is run again, and how long that takes."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias, cast

from typedtasks.clock import Duration, seconds
from typedtasks.errors import DefinitionError

__all__ = ["Retry", "RetryTime"]

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
    on: tuple[type[BaseException], ...] | type[BaseException] | None = None
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
    when: Callable[[Exception], RetryTime] | None = None
    """Asked first: the time that the exception itself knows, such as a `retry-after` header. None falls back to the backoff."""

    def __post_init__(self) -> None:
        if self.max_attempts < 1:
            raise DefinitionError(f"Retry(max_attempts={self.max_attempts}) never runs the task: pass 1 or more.")
        if self.factor < 1:
            raise DefinitionError(f"Retry(factor={self.factor}) would make waits shorter: pass 1 or more.")
        if not 0 <= self.jitter <= 1:
            raise DefinitionError(f"Retry(jitter={self.jitter}) is not a share: pass a number from 0 to 1.")
        on: object = self.on
        given = cast("tuple[object, ...]", on) if isinstance(on, tuple) else (on,)
        if on is not None and not all(isinstance(kind, type) and issubclass(kind, BaseException) for kind in given):
            raise DefinitionError(f"Retry(on={self.on!r}) has to be an exception class, or a tuple of them.")
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
            wait = min(longest, seconds(self.backoff, "Retry.backoff") * self.factor ** (attempt - 1))
        except OverflowError:
            wait = longest
        return min(longest, wait * (1 + self.jitter * chance.uniform(-1, 1)))
