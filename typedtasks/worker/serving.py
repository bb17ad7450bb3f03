"""One session's life: intake, recovery and settlement as separate loops over one set of deliveries in hand."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from typedtasks.backend import Bury, Delivery, Finish, Reschedule, Session, SessionLost, Settlement, TaskId
from typedtasks.batching import cancel_and_wait
from typedtasks.errors import BackendUnavailable
from typedtasks.outcome import is_success, read_outcome
from typedtasks.worker.execution import Execution, Prepared
from typedtasks.worker.pace import Pace
from typedtasks.worker.settlement import Settler

__all__ = ["Serving", "Tally"]

_WAIT: Final = 5.0
"""Seconds that one call waits for tasks; the backend wakes it as soon as there is one."""
_LONGEST_IN_HAND: Final = 0.1
"""Seconds that a task may be in hand and not started, before it is given back to whoever can start it."""
_PAUSE: Final = 1.0
"""Seconds before a backend that is away is asked again."""

_log = logging.getLogger("typedtasks.worker")


@dataclass(slots=True)
class Tally:
    """What a worker has settled so far."""

    succeeded: int = 0
    failed: int = 0
    """Ended with anything but a result: failures, timeouts, refused payloads, cancellations, expiries."""
    rescheduled: int = 0
    """Put back for another attempt, or parked."""


class Serving:
    """Runs what one session receives, never more than `concurrency` at a time.

    It is its session's listener (`SessionListener`): cancellations reach running tasks, and parked tasks that are known here
    are taken at once.
    """

    def __init__(self, execution: Execution, names: Sequence[str], *, concurrency: int, recovery: float, tally: Tally) -> None:
        self._execution = execution
        execution.thread_returned = self._make_use_of_slot
        self._names = frozenset(names)
        self._concurrency = concurrency
        self._recovery = recovery
        self._tally = tally
        self._held: set[str] = set()
        self._running: dict[str, tuple[TaskId, asyncio.Task[None]]] = {}
        """By receipt: one task may be here twice, after its lease had ended."""
        self._backlog: deque[Delivery] = deque()
        """In hand, and not started: what was taken ahead (see `Pace`), or by intake and recovery for the same free slots."""
        self._starts = 0
        self._pace = Pace()
        self._watched: asyncio.TimerHandle | None = None
        """Set while there is a backlog: at its time whatever has been in it for too long is given back."""
        self._overdue = asyncio.Event()
        self._cancelled: set[str] = set()
        self._ending = False
        self._given_back: list[Delivery] = []
        self._freed = asyncio.Event()
        self._parked = asyncio.Event()
        self._lost = asyncio.Event()
        self._settler: Settler

    async def run(self, session: Session, stopping: asyncio.Event, *, burst: bool) -> None:
        """Serve until `stopping` is set, or (`burst`) until nothing is left. Raises `SessionLost` when the lease has ended.

        What runs then goes on: `finish` ends it.
        """
        self._settler = Settler(session, self._settled)
        self._settling = asyncio.create_task(self._settler.run(), name="typedtasks-settlement")
        loops: list[asyncio.Task[None]] = [
            asyncio.create_task(self._take_in(session, burst=burst), name="typedtasks-intake"),
            asyncio.create_task(self._recover(session), name="typedtasks-recovery"),
            asyncio.create_task(self._unpark(session), name="typedtasks-unparking"),
            asyncio.create_task(self._give_back(session), name="typedtasks-giving-back"),
            asyncio.create_task(self._fail_when_lost(), name="typedtasks-lease"),
            asyncio.create_task(_until(stopping), name="typedtasks-stop"),
            self._settling,
        ]
        try:
            ended, _ = await asyncio.wait(loops, return_when=asyncio.FIRST_COMPLETED)
            for loop in ended:
                loop.result()
        finally:
            await cancel_and_wait(loops[:-1])
            if self._watched is not None:
                self._watched.cancel()

    async def finish(self, session: Session, grace: float, hurried: asyncio.Event) -> None:
        """Let what runs come to its end for up to `grace` seconds (or until `hurried`), then give the rest back."""
        self._given_back += self._backlog
        self._backlog.clear()
        if self._running:
            rest = asyncio.create_task(self._idle())
            hurry = asyncio.create_task(_until(hurried))
            await asyncio.wait([rest, hurry], timeout=grace, return_when=asyncio.FIRST_COMPLETED)
            rest.cancel()
            hurry.cancel()
        await self.abandon()
        try:
            async with asyncio.timeout(_WAIT):
                if self._given_back:
                    _log.info("Giving back %d tasks that did not end in time.", len(self._given_back))
                    await session.release(self._given_back)
                await self._settler.drained()
        except (TimeoutError, BackendUnavailable, SessionLost) as error:
            _log.warning("Not everything could be settled before the end; it will be run again: %s", error)
        await self.close()

    async def abandon(self) -> None:
        """Cancel whatever runs and wait for it. Nothing of it is settled."""
        self._ending = True
        self._backlog.clear()
        try:
            async with asyncio.timeout(_WAIT):
                await cancel_and_wait([task for _, task in self._running.values()])
        except TimeoutError:
            _log.warning("%d tasks ignore their cancellation; they are left behind.", len(self._running))

    async def close(self) -> None:
        """End the settlement loop."""
        await cancel_and_wait([self._settling])

    def lose(self) -> None:
        """Take notice that the lease has ended."""
        self._lost.set()

    def cancelled(self, id: TaskId) -> None:
        """Cancel a task that runs here (see `SessionListener`)."""
        for receipt, (running, task) in self._running.items():
            if running == id:
                self._cancelled.add(receipt)
                task.cancel()
        self._backlog = deque(item._replace(cancelled=True) if item.id == id else item for item in self._backlog)

    def parked(self, name: str) -> None:
        """Take a parked task if it is known here (see `SessionListener`)."""
        if name in self._names:
            self._parked.set()

    async def _take_in(self, session: Session, *, burst: bool) -> None:
        if burst:  # what is parked or left behind is part of "until nothing is left"
            await self._unpark_known(session)
            await self._recover_some(session)
        while True:
            free = self._free()
            if free <= 0 or (self._all_slots_taken() and 2 * free < self._pace.allowance()):
                self._freed.clear()
                await self._freed.wait()
                await asyncio.sleep(0)  # what ends in this turn of the loop frees its slot too
                continue
            try:
                deliveries = await session.receive(free, 0 if burst else _WAIT)
            except BackendUnavailable as error:
                _log.warning("No tasks can be received, trying again in %g s: %s", _PAUSE, error)
                await asyncio.sleep(_PAUSE)
                continue
            self._accept(deliveries)
            if burst and not deliveries:
                if not self._running and not self._settler.unsettled:
                    return
                await self._calm()

    async def _calm(self) -> None:
        """Return when nothing runs here and everything is settled."""
        await self._idle()
        await self._settler.drained()

    async def _idle(self) -> None:
        while self._running:
            await asyncio.wait([task for _, task in self._running.values()])

    async def _recover(self, session: Session) -> None:
        while True:
            await self._recover_some(session)
            await asyncio.sleep(self._recovery)

    async def _recover_some(self, session: Session) -> None:
        try:
            free = self._free()
            if free > 0:
                self._accept(await session.recover(self._held, free))
        except BackendUnavailable as error:
            _log.warning("Nothing can be recovered now: %s", error)

    async def _unpark(self, session: Session) -> None:
        self._parked.set()  # whatever was parked before this worker came
        while True:
            await self._parked.wait()
            self._parked.clear()
            await self._unpark_known(session)

    async def _unpark_known(self, session: Session) -> None:
        try:
            await session.unpark(self._names)
        except BackendUnavailable as error:
            _log.warning("Parked tasks cannot be taken now; their time will come: %s", error)

    async def _give_back(self, session: Session) -> None:
        """Give back what others may start sooner."""
        while True:
            await self._overdue.wait()
            self._overdue.clear()
            batch = list(self._backlog)
            self._backlog.clear()
            self._given_back += batch  # should this be the end: `finish` gives it back
            try:
                await session.release(batch)
            except BackendUnavailable as error:
                _log.warning("%d tasks cannot be given back now: %s", len(batch), error)
                self._backlog.extendleft(reversed(batch))
                self._fill()
            else:
                self._held.difference_update(delivery.receipt for delivery in batch)
            del self._given_back[-len(batch) :]

    async def _fail_when_lost(self) -> None:
        await self._lost.wait()
        raise SessionLost

    def _free(self) -> int:
        limit = self._concurrency + self._pace.allowance()
        waiting = max(0, self._settler.unsettled - limit)
        return limit - len(self._running) - len(self._backlog) - self._execution.abandoned_threads - waiting

    def _all_slots_taken(self) -> bool:
        return len(self._running) + len(self._backlog) + self._execution.abandoned_threads >= self._concurrency

    def _accept(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            if delivery.receipt not in self._held:
                self._held.add(delivery.receipt)
                self._backlog.append(delivery)
        self._fill()
        self._watch()

    def _fill(self) -> None:
        """Start what is in hand, as far as there are slots."""
        while self._backlog and len(self._running) + self._execution.abandoned_threads < self._concurrency:
            self._starts += 1
            self._start(self._backlog.popleft())

    def _watch(self) -> None:
        if self._backlog and self._watched is None:
            due = self._starts + len(self._backlog)
            self._watched = asyncio.get_running_loop().call_later(_LONGEST_IN_HAND, self._look_at_backlog, due)

    def _look_at_backlog(self, due: int) -> None:
        """`due` is how many tasks should have been started by now: all that were in hand when the timer was set."""
        self._watched = None
        if self._backlog and self._starts < due:
            self._pace.stalled()
            self._overdue.set()
        self._watch()

    def _start(self, delivery: Delivery) -> None:
        prepared = self._execution.prepare(delivery)
        if isinstance(prepared, Prepared):
            name = f"{prepared.received.header.task} {delivery.id}"
            self._running[delivery.receipt] = (delivery.id, asyncio.create_task(self._run(prepared), name=name))
        else:
            self._put(prepared)

    async def _run(self, prepared: Prepared) -> None:
        delivery = prepared.received.delivery
        try:
            self._put(await self._execution.run(prepared))
        except asyncio.CancelledError as error:
            if delivery.receipt in self._cancelled:
                self._put(self._execution.cancelled(prepared.received))
            elif self._ending:
                self._given_back.append(delivery)
            else:
                self._put(self._execution.failed(prepared.received, error))  # the function cancelled itself
        finally:
            self._cancelled.discard(delivery.receipt)
            del self._running[delivery.receipt]
            self._make_use_of_slot()

    def _put(self, settlement: Settlement) -> None:
        self._settler.put(settlement)
        self._pace.ended()
        if isinstance(settlement, Finish) and is_success(settlement.outcome):
            self._tally.succeeded += 1
        else:
            self._note(settlement)

    def _note(self, settlement: Settlement) -> None:
        delivery = settlement.delivery
        match settlement:
            case Reschedule(awaits=name) if name:
                self._tally.rescheduled += 1
                _log.warning("%s: parked, because no task named %r is known here.", delivery.id, name)
            case Reschedule(delay_ms=delay, eta_ms=eta):
                self._tally.rescheduled += 1
                _log.info("%s: failed, and runs again %s.", delivery.id, f"in {delay / 1000:g} s" if not eta else f"at {eta}")
            case Bury(reason=reason):
                self._tally.failed += 1
                _log.warning("%s: is a dead letter now. %s", delivery.id, reason)
            case Finish(outcome=outcome):
                self._tally.failed += 1
                line, _ = read_outcome(outcome)
                _log.warning("%s: %s. %s: %s", delivery.id, line["outcome"], line.get("type", ""), line.get("message", ""))

    def _make_use_of_slot(self) -> None:
        self._fill()
        self._freed.set()

    def _settled(self, settlement: Settlement) -> None:
        self._held.discard(settlement.delivery.receipt)
        self._freed.set()


async def _until(event: asyncio.Event) -> None:
    await event.wait()
