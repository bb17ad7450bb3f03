"""Group-committed settlements: while one batch is under way the next one gathers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from typedtasks.backend import Session, Settlement
from typedtasks.errors import BackendFull, BackendUnavailable

__all__ = ["Settler"]

_LIMIT: Final = 1000
_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 5.0

_log = logging.getLogger("typedtasks.worker")


class Settler:
    """Takes settlements one by one and sends them to the session in batches; `done` is told of each that was answered.

    While the backend is away nothing is given up: results are kept and sent again until the session is lost.
    """

    def __init__(self, session: Session, done: Callable[[Settlement], None]) -> None:
        self._session = session
        self._done = done
        self._gathering: list[Settlement] = []
        self._sending: list[Settlement] = []
        self._wake = asyncio.Event()
        self._drained = asyncio.Event()
        self._drained.set()

    @property
    def unsettled(self) -> int:
        """How many settlements have not been answered yet."""
        return len(self._gathering) + len(self._sending)

    def put(self, settlement: Settlement) -> None:
        """Have a delivery settled with the next batch."""
        self._gathering.append(settlement)
        self._drained.clear()
        self._wake.set()

    async def drained(self) -> None:
        """Return when everything that was put has been answered."""
        await self._drained.wait()

    async def run(self) -> None:
        """Send batches until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._gathering:
                self._sending, self._gathering = self._gathering[:_LIMIT], self._gathering[_LIMIT:]
                self._conclude(await self._send(self._sending))
            self._drained.set()

    async def _send(self, batch: list[Settlement]) -> list[bool]:
        pause = _FIRST_PAUSE
        while True:
            try:
                return await self._session.settle(batch)
            except (BackendUnavailable, BackendFull) as error:
                _log.warning("Settling %d tasks has to wait %.1f s: %s", len(batch), pause, error)
                await asyncio.sleep(pause)
                pause = min(_LONGEST_PAUSE, pause * 2)

    def _conclude(self, owned: list[bool]) -> None:
        for settlement, was_owned in zip(self._sending, owned, strict=True):
            if not was_owned:
                _log.warning(
                    "The outcome of %s was dropped: its lease had ended, so another worker runs it (or has settled it).",
                    settlement.delivery.id,
                )
            self._done(settlement)
        self._sending = []
