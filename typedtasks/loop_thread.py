"""An event loop for code without one: it runs in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

from typedtasks.coroutine import Coro
from typedtasks.errors import BrokerClosed
from typedtasks.forking import keep_for_ever, unwatch_forks, watch_forks

__all__ = ["LoopThread"]

T = TypeVar("T")


class LoopThread:
    """An event loop in a thread of its own, from `start` to `stop`."""

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._is_inherited = False

    @property
    def runs(self) -> bool:
        """Whether it was started and not stopped."""
        return self._loop is not None

    def start(self) -> None:
        """Start it. Raises `BrokerClosed` where it runs already."""
        if self._loop is not None:
            raise BrokerClosed(f"{self._owner} is open already; open it once, for example when your application starts.")
        self._is_inherited = False
        watch_forks(self)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="typedtasks-client", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End it, and what still runs on it."""
        loop, thread = self._loop, self._thread
        self._loop = self._thread = None
        unwatch_forks(self)
        if loop is None or thread is None:
            return
        asyncio.run_coroutine_threadsafe(_cancel_all(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

    def forked(self) -> None:
        """Leave it to the parent of this process, because this one does not have its thread (see `Inherited`)."""
        keep_for_ever(self._loop, self._thread)
        self._loop = self._thread = None
        self._is_inherited = True

    def run(self, start: Callable[[], Coro[T]]) -> T:
        """Run a coroutine there and return its result. Raises `BrokerClosed` where it does not run, as in a forked child."""
        if self._is_inherited:
            raise BrokerClosed(
                f"{self._owner} was opened before this process was forked: its connection is its parent's. Open it here, too: call "
                "`client.open()` when the child starts."
            )
        if self._loop is None:
            raise BrokerClosed(f"{self._owner} is not open: use it inside `with client:`, or call `client.open()` first.")
        future = asyncio.run_coroutine_threadsafe(start(), self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()  # who is interrupted waits no longer
            raise


async def _cancel_all() -> None:
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
