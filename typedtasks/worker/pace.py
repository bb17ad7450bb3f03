"""How fast a worker ends tasks, and so how many it may take before they can be started."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

__all__ = ["Pace"]

_AHEAD: Final = 0.02
"""Seconds of work that may be in hand beyond the free slots: about two turns to a backend and back."""
_MOST_AHEAD: Final = 1000
_WINDOW: Final = 0.005
"""Seconds over which the pace is taken: a few turns of a busy event loop."""


class Pace:
    """Counts tasks as they end, and says how many more will end within 20 ms at this pace.

    So a worker with short tasks works on while the next ones are on their way; one with long tasks takes nothing that it
    cannot start. Whatever was taken in error is given back (see `Serving`), and the pace starts from nothing again.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._ended = 0
        self._since = now()
        self._allowed = 0

    def ended(self) -> None:
        """Count a task that has ended."""
        self._ended += 1

    def allowance(self) -> int:
        """Return how many tasks may be in hand beyond those that can be started."""
        now = self._now()
        elapsed = now - self._since
        if elapsed >= _WINDOW:
            self._allowed = min(_MOST_AHEAD, int(self._ended * _AHEAD / elapsed))
            self._ended, self._since = 0, now
        return self._allowed

    def stalled(self) -> None:
        """Take notice that tasks in hand were not started in time."""
        self._ended, self._since, self._allowed = 0, self._now(), 0
