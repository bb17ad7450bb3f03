"""Group-committed settlements: while one batch is under way the next one gathers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from typedtasks.backend import BACKEND_ERRORS, Finish, PartlySettled, Reschedule, Session, SessionLost, Settlement
from typedtasks.logs import Log
from typedtasks.trouble import Trouble
from typedtasks.worker import decision

__all__ = ["Settler"]

_LIMIT: Final = 1000
_LIMIT_BYTES: Final = 32 * 1024 * 1024
_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 5.0

_log = Log("typedtasks.worker")


class Settler:
    """Takes settlements one by one and sends them to the session in batches; `done` is told of each that was answered.

    While the backend is away nothing is given up: results are kept and sent again until the session is lost. What the backend
    cannot settle of a batch holds up nothing else: it goes out again after a pause. `sealed` says how an outcome is stored that is
    made here.
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
        self._put_off: list[Settlement] = []
        self._again: asyncio.TimerHandle | None = None
        self._pause = _FIRST_PAUSE
        self._trouble = Trouble(_log, "Outcomes can be settled again.")
        self._wake = asyncio.Event()
        self._drained = asyncio.Event()
        self._drained.set()

    @property
    def unsettled(self) -> int:
        """How many settlements have not been answered yet."""
        return len(self._gathering) + len(self._sending) + len(self._put_off)

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
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._gathering:
                    count = _batch_length(self._gathering)
                    self._sending, self._gathering = self._gathering[:count], self._gathering[count:]
                    self._conclude(await self._send(self._sending))
                if not self._put_off:
                    self._drained.set()
        finally:
            if self._again is not None:
                self._again.cancel()

    async def _send(self, batch: list[Settlement], *, last: bool = False) -> Sequence[bool | None]:
        """Return for each whether it was owned and is settled; None for what has to be sent once more."""
        pause = _FIRST_PAUSE
        while True:
            try:
                answers = await self._session.settle(batch)
            except PartlySettled as error:
                self._trouble.note("Settling %d tasks has to wait: %s", error.answers.count(None), error)
                return error.answers
            except BACKEND_ERRORS as error:
                self._trouble.note("Settling %d tasks has to wait %.1f s: %s", len(batch), pause, error)
                await asyncio.sleep(pause)
                pause = min(_LONGEST_PAUSE, pause * 2)
            except SessionLost:
                raise
            except Exception:
                if last:
                    raise
                _log.exception("The backend refuses a batch of %d outcomes; each is sent by itself.", len(batch))
                return [await self._send_alone(settlement) for settlement in batch]
            else:
                if not self._put_off:
                    self._trouble.over()
                return answers

    async def _send_alone(self, settlement: Settlement) -> bool | None:
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

    def _conclude(self, owned: Sequence[bool | None]) -> None:
        for settlement, was_owned in zip(self._sending, owned, strict=True):
            if was_owned is None:
                self._put_off.append(settlement)
                continue
            if not was_owned:
                _log.warning(
                    "The outcome of %s was dropped: its lease had ended, so another worker runs it, or it has an outcome already.",
                    settlement.delivery.id,
                )
            self._done(settlement)
        self._sending = []
        if not self._put_off:
            self._pause = _FIRST_PAUSE
        elif self._again is None:
            self._again = asyncio.get_running_loop().call_later(self._pause, self._send_again)
            self._pause = min(_LONGEST_PAUSE, self._pause * 2)

    def _send_again(self) -> None:
        """Have sent once more what was put off."""
        self._again = None
        self._gathering += self._put_off
        self._put_off = []
        self._wake.set()


def _batch_length(settlements: list[Settlement]) -> int:
    """Return how many of them go into one call: at least one, and never many large ones."""
    size = 0
    for count, settlement in enumerate(settlements[:_LIMIT]):
        size += len(settlement.body if isinstance(settlement, Reschedule) else settlement.outcome)
        if size > _LIMIT_BYTES:
            return max(1, count)
    return min(_LIMIT, len(settlements))
