"""What still runs although its task is settled: functions that cannot be stopped, or do not let themselves be stopped."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from typedtasks.logs import Log

__all__ = ["Abandoned"]

T = TypeVar("T")

_log = Log("typedtasks.worker")


class Abandoned:
    """Counts what was given up: each holds one of the worker's `slots` until it ends, so that it cannot pile up.

    `freed` is called on the event loop when one has ended.
    """

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._running: set[object] = set()
        self.count = 0
        """How many still run. (An attribute, because it is read for every task.)"""
        # Not that of who gives something up: a task's context variables are nobody else's.
        self._context = contextvars.copy_context()
        self.freed: Callable[[], None] | None = None

    def add(self, work: asyncio.Future[T], who: str, why: str) -> None:
        """Count something until it ends. `why` it goes on is said in the log."""
        self._running.add(work)
        self.count = len(self._running)
        work.add_done_callback(partial(self._ended, who), context=self._context)
        _log.warning("%s: its task is over, but %s. It holds one of the worker's slots until it ends.", who, why)
        if self.count == self._slots:
            _log.error(
                "All %d slots of this worker are held by functions that were given up: it runs nothing until one of them ends. "
                "Mend %s, or start the worker again.",
                self._slots,
                who,
            )

    def cancel(self) -> None:
        """Cancel once more what can be cancelled, because the worker ends."""
        for work in list(self._running):
            if isinstance(work, asyncio.Task):
                work.cancel()

    def _ended(self, who: str, work: asyncio.Future[T]) -> None:
        self._running.discard(work)
        self.count = len(self._running)
        if not work.cancelled():
            work.exception()  # it has been looked at: nobody waits for it
        _log.info("%s: what had been given up has ended, and its slot is free.", who)
        if self.freed is not None:
            self.freed()
