"""Ending a worker process in time, whatever its tasks do."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import select
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Final

from typedtasks.forking import let_go, watch_forks
from typedtasks.logs import Log

__all__ = ["Stopper"]

_LAST_WORDS: Final = 0.9
"""Seconds beyond the grace time in which a worker gives back what it could not end."""

_log = Log("typedtasks.worker")


class Stopper:
    """Takes SIGTERM and SIGINT: `on_signal` is called on the event loop, and a thread sees to it that the process ends in time.

    The event loop may be blocked by a task, and then nothing that runs on it can end the process. After the first signal it has
    the grace time and a second more, after the next one a second; then it ends with code 1, and its tasks run again when
    the lease has ended.
    """

    def __init__(self, on_signal: Callable[[signal.Signals], None], grace: float) -> None:
        self._on_signal = on_signal
        self._grace = grace
        self._loop = asyncio.get_running_loop()
        # The handler may run between any two instructions of the main thread, so it takes no lock: it writes to a pipe.
        self._heard, self._told = os.pipe()
        self._process = os.getpid()
        watch_forks(self)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._handle)
        threading.Thread(target=self._watch, name="typedtasks-stopper", daemon=True).start()

    def forked(self) -> None:
        """Let signals end a forked child, which is no worker (see `Inherited`): the pipe leads to its parent."""
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        let_go(self._heard)
        let_go(self._told)

    def _handle(self, number: int, _: FrameType | None) -> None:
        if os.getpid() != self._process:  # it came in the moment between the fork and `forked`
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        os.write(self._told, b"!")
        with contextlib.suppress(RuntimeError):  # the loop is closed: the process is at its end
            self._loop.call_soon_threadsafe(self._on_signal, signal.Signals(number))

    def _watch(self) -> None:
        os.read(self._heard, 1)
        again, _, _ = select.select([self._heard], [], [], self._grace + _LAST_WORDS)
        if again:
            os.read(self._heard, 1)
            select.select([], [], [], _LAST_WORDS)
        _log.error("The worker could not end in time: a task blocks it. What it had runs again when its lease has ended.")
        logging.shutdown()
        os._exit(1)
