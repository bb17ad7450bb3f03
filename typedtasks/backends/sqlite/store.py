"""What a client and its sessions share: the file, the clock, and who is to be told of what."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from typedtasks.backend import OutcomeListener, SessionListener, TaskId
from typedtasks.backends.sqlite.bell import Bell
from typedtasks.backends.sqlite.clocks import Clocks
from typedtasks.backends.sqlite.database import Database

__all__ = ["Store"]

_LOOK_AGAIN: Final = 1.0
"""Seconds between looks whether the file was replaced."""


class Store:
    """One opened file. News goes to the listeners in this process, and by bell to the other processes."""

    def __init__(self, path: str, clocks: Clocks) -> None:
        self.database = Database(path, self._on_replaced)
        self.clocks = clocks
        self.workers: dict[SessionListener, Callable[[], None]] = {}
        """The sessions in this process: who listens, and what wakes it."""
        self._path = path
        self._bell = Bell(path, self._on_ring)
        self._listener: OutcomeListener | None = None
        self._watched: asyncio.TimerHandle | None = None

    async def open(self, listener: OutcomeListener) -> None:
        """Open the file and begin to listen."""
        await self.database.open()
        try:
            self._bell.open()
        except BaseException:
            await self.database.close()
            raise
        self._listener = listener
        self._watch()

    async def close(self) -> None:
        """Close the file and stop listening."""
        if self._listener is not None:
            self._listener = None
            if self._watched is not None:
                self._watched.cancel()
            self._bell.close()
            await self.database.close()

    def now_ms(self) -> int:
        """Return the time in milliseconds since 1970."""
        return self.clocks.now_ms()

    def opened(self) -> int:
        """Return how often the file was opened: more than once where it was replaced."""
        return self.database.opened

    def wake(self) -> None:
        """Tell every session that something may be ready."""
        self._wake_here()
        self._bell.ring(b"r")

    def tell_settled(self, outcomes: Sequence[tuple[TaskId, bytes]]) -> None:
        """Tell every client which tasks have ended."""
        if self._listener is not None:
            for id, outcome in outcomes:
                self._listener.settled(id, outcome)
        self._bell.ring(b"s", [id for id, _ in outcomes])

    def tell_parked(self, names: Sequence[str]) -> None:
        """Tell every worker that tasks of these names were parked."""
        self._on_ring(b"p" + "\n".join(names).encode())
        self._bell.ring(b"p", names)

    def tell_left_behind(self) -> None:
        """Tell every worker that a session has ended, which may have left deliveries behind."""
        self._on_ring(b"l")
        self._bell.ring(b"l")

    def tell_cancelled(self, ids: Sequence[TaskId]) -> None:
        """Tell every worker that these tasks are to be cancelled."""
        self._on_ring(b"c" + "\n".join(ids).encode())
        self._bell.ring(b"c", ids)

    def _watch(self) -> None:
        """Look whether the file is still the one at its path, also where nobody uses it but waits for news of it."""
        self.database.look()
        self._watched = asyncio.get_running_loop().call_later(_LOOK_AGAIN, self._watch)

    def _on_replaced(self) -> None:
        """Have everybody begin anew with the file that is at the path now: nothing of the old one comes any more."""
        if self._listener is None:
            return
        self._bell.close()
        self._bell = Bell(self._path, self._on_ring)
        self._bell.open()
        self._listener.interrupted()
        self._on_ring(b"l")

    def _on_ring(self, message: bytes) -> None:
        kind, texts = message[:1], message[1:].decode("utf-8", "replace").split("\n")
        if kind != b"s":
            self._wake_here()
        if kind == b"l":
            for worker in list(self.workers):
                worker.left_behind()
        for text in texts:
            if kind == b"s" and self._listener is not None:
                self._listener.settled(TaskId(text), None)
            elif kind == b"c":
                for worker in list(self.workers):
                    worker.cancelled(TaskId(text))
            elif kind == b"p":
                for worker in list(self.workers):
                    worker.parked(text)

    def _wake_here(self) -> None:
        for wake in self.workers.values():
            wake()
