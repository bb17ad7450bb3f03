"""How far tasks have come, on its way to the backend: only the newest of each task, and all of them in one call."""

from __future__ import annotations

import asyncio
import contextvars
import math
import threading
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Final, TypeAlias

from typedtasks.backend import BACKEND_ERRORS, Delivery, Report
from typedtasks.batching import cancel_and_wait
from typedtasks.forking import watch_forks
from typedtasks.logs import Log
from typedtasks.progress import Progress, write_progress
from typedtasks.sealing import Sealing

__all__ = ["Reporter"]

_PACE: Final = 0.2
"""Seconds between two calls: what a task says in between replaces what it has said before."""
_LAST_WORDS: Final = 1.0
"""Seconds that what a task said last has to arrive before the task is settled."""

Send: TypeAlias = Callable[[Sequence[Report]], Awaitable[object]]

_log = Log("typedtasks.worker")


class Reporter:
    """Takes progress from any thread and sends it, at most once in 0.2 seconds, and when a task ends.

    What cannot be sent is dropped: the next report says more. `sealing` encodes what is sent.
    """

    def __init__(self, sealing: Sealing | None = None) -> None:
        self._sealing = sealing
        self._where: tuple[asyncio.AbstractEventLoop, Send] | None = None
        self._lock = threading.Lock()
        self._context = contextvars.Context()
        self._latest: dict[str, tuple[Delivery, Progress, int]] = {}
        self._is_planned = False
        self._timer: asyncio.TimerHandle | None = None
        self._last = -math.inf
        self._sending: dict[str, asyncio.Task[None]] = {}
        """By receipt: the call that is under way, the last one where there are several."""
        self._calls: set[asyncio.Task[None]] = set()

    def begin(self, send: Send) -> None:
        """Say where it goes from now on, and that this is the event loop. It comes before the first task."""
        self._where = asyncio.get_running_loop(), send
        self._context = contextvars.copy_context()
        watch_forks(self)

    def forked(self) -> None:
        """Say nothing from a forked child (see `Inherited`)."""
        self._where, self._lock = None, threading.Lock()

    def put(self, delivery: Delivery, progress: Progress, ttl_ms: int) -> None:
        """Have it sent, in the place of what the task said before. May be called in any thread, and never waits."""
        with self._lock:
            self._latest[delivery.receipt] = (delivery, progress, ttl_ms)
            if self._is_planned:
                return
            self._is_planned = True
        if self._where is not None:
            with suppress(RuntimeError):  # the loop was closed, because the worker has ended
                self._where[0].call_soon_threadsafe(self._plan, context=self._context)

    def is_behind(self, delivery: Delivery) -> bool:
        """Return whether something that its task has said has not arrived yet."""
        return delivery.receipt in self._latest or delivery.receipt in self._sending

    async def catch_up(self, delivery: Delivery) -> None:
        """Have it arrive now, within a second: its task has ended, and once that is settled nothing can be said of it any more.

        How the task ended is decided, so a cancellation only ends the wait.
        """
        if delivery.receipt in self._latest:
            self._send_all()
        call = self._sending.get(delivery.receipt)
        if call is not None:
            with suppress(asyncio.CancelledError):
                await asyncio.wait([call], timeout=_LAST_WORDS)

    async def close(self) -> None:
        """Drop what has not been sent."""
        if self._timer is not None:
            self._timer.cancel()
        await cancel_and_wait(self._calls)

    def _plan(self) -> None:
        if self._timer is None and self._latest:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(max(0.0, self._last + _PACE - loop.time()), self._send_all)

    def _send_all(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        with self._lock:
            latest, self._latest = list(self._latest.values()), {}
            self._is_planned = False
        if not latest or self._where is None:
            return
        loop, send = self._where
        self._last = loop.time()
        reports = [Report(delivery, write_progress(progress), ttl_ms) for delivery, progress, ttl_ms in latest]
        task = loop.create_task(self._send(send, reports), name="typedtasks-reporting", context=self._context.copy())
        self._sending.update((report.delivery.receipt, task) for report in reports)
        self._calls.add(task)
        task.add_done_callback(partial(self._sent, reports))

    def _sent(self, reports: Sequence[Report], task: asyncio.Task[None]) -> None:
        self._calls.discard(task)
        for report in reports:
            if self._sending.get(report.delivery.receipt) is task:
                del self._sending[report.delivery.receipt]

    async def _send(self, send: Send, reports: Sequence[Report]) -> None:
        try:
            if self._sealing is not None and self._sealing.names:
                reports = [report._replace(body=self._sealing.seal_progress(report.body, report.delivery.id)) for report in reports]
            await send(reports)
        except BACKEND_ERRORS as error:
            _log.debug("The progress of %d tasks is not known to others: %s", len(reports), error)
        except Exception:  # noqa: BLE001 - progress is not worth a task, let alone a worker
            _log.exception("The progress of %d tasks could not be sent.", len(reports))
