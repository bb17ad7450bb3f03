"""Group-committed settlements: while one batch is under way the next one gathers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from typedtasks.backend import Finish, Reschedule, Session, SessionLost, Settlement
from typedtasks.errors import BackendUnavailable
from typedtasks.logs import Log
from typedtasks.worker import decision

__all__ = ["Settler"]

_LIMIT: Final = 1000
_LIMIT_BYTES: Final = 32 * 1024 * 1024
_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 5.0

_log = Log("typedtasks.worker")


class Settler:
    """Takes settlements one by one and sends them to the session in batches; `done` is told of each that was answered.

    While the backend is away nothing is given up: results are kept and sent again until the session is lost. `sealed` says how an
    outcome is stored that is made here.
    """

    def __init__(
        self,
        session: Session,
        done: Callable[[Settlement], None],
        sealed: Callable[[Settlement], Settlement] | None = None,
    ) -> None:
        self._session = session
        self._done = done
        self._sealed = sealed
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
                count = _batch_length(self._gathering)
                self._sending, self._gathering = self._gathering[:count], self._gathering[count:]
                self._conclude(await self._send(self._sending))
            self._drained.set()

    async def _send(self, batch: list[Settlement], *, last: bool = False) -> list[bool]:
        pause = _FIRST_PAUSE
        while True:
            try:
                return await self._session.settle(batch)
            except BackendUnavailable as error:
                _log.warning("Settling %d tasks has to wait %.1f s: %s", len(batch), pause, error)
                await asyncio.sleep(pause)
                pause = min(_LONGEST_PAUSE, pause * 2)
            except SessionLost:
                raise
            except Exception:
                if last:
                    raise
                _log.exception("The backend refuses a batch of %d outcomes; each is sent by itself.", len(batch))
                return [await self._send_alone(settlement) for settlement in batch]

    async def _send_alone(self, settlement: Settlement) -> bool:
        """Send one outcome; a result that is refused by itself, too, ends its task as a crash that says so."""
        try:
            return (await self._send([settlement], last=True))[0]
        except SessionLost:
            raise
        except Exception as error:
            if not isinstance(settlement, Finish):
                raise
            refusal = decision.unsettled(settlement, error)
            return (await self._send([refusal if self._sealed is None else self._sealed(refusal)], last=True))[0]

    def _conclude(self, owned: list[bool]) -> None:
        for settlement, was_owned in zip(self._sending, owned, strict=True):
            if not was_owned:
                _log.warning(
                    "The outcome of %s was dropped: its lease had ended, so another worker runs it (or has settled it).",
                    settlement.delivery.id,
                )
            self._done(settlement)
        self._sending = []


def _batch_length(settlements: list[Settlement]) -> int:
    """Return how many of them go into one call: at least one, and never many large ones."""
    size = 0
    for count, settlement in enumerate(settlements[:_LIMIT]):
        size += len(settlement.body if isinstance(settlement, Reschedule) else settlement.outcome)
        if size > _LIMIT_BYTES:
            return max(1, count)
    return min(_LIMIT, len(settlements))
