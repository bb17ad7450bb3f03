"""The heartbeat: a thread that renews the lease whatever the event loop does, and says which task blocks the loop."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Final

from typedtasks.backend import BACKEND_ERRORS, LeaseKeeper
from typedtasks.logs import Log
from typedtasks.trouble import Trouble

__all__ = ["Heartbeat"]

_BLOCKED_AFTER: Final = 1.0
"""Seconds without a turn of the event loop before it counts as blocked."""

_log = Log("typedtasks.worker")


class Heartbeat:
    """Renews a session's lease every `interval` seconds in a thread of its own, until `stop`.

    `lost` is called on the event loop when the lease has ended. A backend that is away is asked again each second: whether the
    lease survived, only the backend can say.
    """

    def __init__(self, keeper: LeaseKeeper, interval: float, lost: Callable[[], None]) -> None:
        self.keeper = keeper
        self.interval = interval
        self._lost = lost
        self.stopped = threading.Event()
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()
        self._last_turn = time.monotonic()
        self._blocked = False
        self._trouble = Trouble(_log, "The lease is renewed again.")
        self._thread = threading.Thread(target=self._run, name="typedtasks-heartbeat", daemon=True)

    def start(self) -> None:
        """Begin. The lease was just made, so the first renewal comes after one interval."""
        self._thread.start()

    async def stop(self) -> None:
        """End the thread and close its connection."""
        self.stopped.set()
        await asyncio.to_thread(self._thread.join, 5.0)

    def beat(self) -> float:
        """Renew the lease and return the seconds until the next beat."""
        try:
            kept = self.keeper.renew()
        except BACKEND_ERRORS as error:
            self._trouble.note("The lease could not be renewed, trying again in %g s: %s", min(1.0, self.interval), error)
            return min(1.0, self.interval)
        except Exception:  # noqa: BLE001 - while it beats, the lease may still be kept; without it, it is lost
            _log.exception("The lease could not be renewed.")
            return min(1.0, self.interval)
        self._trouble.over()
        if not kept:
            self._tell_loop(self._lost)
            self.stopped.set()
        return self.interval

    def _run(self) -> None:
        try:
            due = time.monotonic() + self.interval
            while not self.stopped.wait(min(_BLOCKED_AFTER, max(0.0, due - time.monotonic()))):
                self._look_at_loop()
                if time.monotonic() >= due:
                    begun = time.monotonic()
                    due = self.beat() + time.monotonic()
                    self._last_turn += time.monotonic() - begun  # nobody has asked the loop meanwhile: that says nothing about it
        finally:
            self.keeper.close()

    def _look_at_loop(self) -> None:
        silent = time.monotonic() - self._last_turn
        if silent > 2 * _BLOCKED_AFTER and not self._blocked:
            self._blocked = True
            task = asyncio.current_task(self._loop)
            # The interpreter has no public way to see another thread's stack.
            frame = sys._current_frames().get(self._loop_thread)  # pyright: ignore[reportPrivateUsage]
            where = "".join(traceback.format_stack(frame)[-3:]) if frame else ""
            _log.warning(
                "The event loop has been blocked for %.1f s by %s: nothing else runs meanwhile. Make it a synchronous function "
                "(it gets a thread), or await in it.\n%s",
                silent,
                task.get_name() if task else "a callback",
                where,
            )
        elif silent <= _BLOCKED_AFTER:
            self._blocked = False
        self._tell_loop(self._turned)

    def _turned(self) -> None:
        self._last_turn = time.monotonic()

    def _tell_loop(self, callback: Callable[[], None]) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(callback)
