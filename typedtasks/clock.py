"""Time, passed in: the system's clock, and a clock that a test moves by hand."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import Protocol, TypeAlias, runtime_checkable

from typedtasks.errors import DefinitionError, representation

__all__ = ["Clock", "Duration", "ManualClock", "SystemClock", "milliseconds", "seconds"]

_LONGEST = 100 * 365.25 * 24 * 3600
"""Seconds. Every backend can add it to the present time."""

Duration: TypeAlias = timedelta | float
"""A length of time: a `timedelta`, or a number of seconds."""


@runtime_checkable
class Clock(Protocol):
    """Where typedtasks takes its time from."""

    def now(self) -> float:
        """Return seconds since 1970-01-01 UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go back, from an arbitrary start."""
        ...

    async def sleep(self, duration: float) -> None:
        """Return after `duration` seconds."""
        ...


class SystemClock:
    """The clock of the machine."""

    def now(self) -> float:
        """Return seconds since 1970-01-01 UTC."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds that never go back, from an arbitrary start."""
        return time.monotonic()

    async def sleep(self, duration: float) -> None:
        """Return after `duration` seconds."""
        await asyncio.sleep(duration)


class ManualClock:
    """A clock that stands still until `advance` is called: for tests of delays, leases and expiry."""

    def __init__(self, start: float = 1_700_000_000.0) -> None:
        self._now = start
        self._sleepers: list[tuple[float, asyncio.Event]] = []

    def now(self) -> float:
        """Return the time that the clock was moved to, in seconds since 1970-01-01 UTC."""
        return self._now

    def monotonic(self) -> float:
        """Return the same time as `now`."""
        return self._now

    async def sleep(self, duration: float) -> None:
        """Return once the clock was advanced by `duration` seconds; at once where it is zero or less."""
        if duration <= 0:
            await asyncio.sleep(0)
            return
        woken = asyncio.Event()
        entry = (self._now + duration, woken)
        self._sleepers.append(entry)
        try:
            await woken.wait()
        finally:
            self._sleepers.remove(entry)

    def advance(self, duration: Duration) -> None:
        """Move the clock forward and wake whoever sleeps until then."""
        self._now += seconds(duration, "duration")
        for due, woken in self._sleepers:
            if due <= self._now:
                woken.set()


def seconds(duration: Duration, name: str, *, positive: bool = False) -> float:
    """Return a duration in seconds. `name` says in the `DefinitionError` which option is not a duration or is negative."""
    if isinstance(duration, timedelta):
        value = duration.total_seconds()
    elif type(duration) in (int, float):
        value = duration
    else:
        raise DefinitionError(f"{name}={representation(duration)} is not a duration: pass a timedelta, or seconds as a number.")
    if not (value > 0 if positive else value >= 0) or value > _LONGEST:
        needed = f"a duration {'above zero' if positive else 'of zero or more'}, and at most 100 years"
        raise DefinitionError(f"{name}={representation(duration)} is not possible: pass {needed}.")
    return float(value)


def milliseconds(duration: float) -> int:
    """Return seconds as whole milliseconds, rounded up so that nothing comes too early."""
    return -int(-duration * 1000 // 1)
