"""One session's life: intake, recovery and settlement as separate loops over what is in hand."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from typedtasks.backend import BACKEND_ERRORS, Bury, Delivery, Finish, Reschedule, Session, SessionLost, Settlement, TaskId
from typedtasks.batching import cancel_and_wait
from typedtasks.errors import one_line
from typedtasks.logs import Log
from typedtasks.outcome import OutcomeLine, is_success, read_outcome
from typedtasks.trouble import Trouble
from typedtasks.worker.execution import Execution
from typedtasks.worker.hand import Hand
from typedtasks.worker.nesting import warn_of_waits
from typedtasks.worker.parking import Here, Parking
from typedtasks.worker.settlement import Settler

__all__ = ["Serving", "Tally"]

_WAIT: Final = 10.0
"""Seconds that one call waits for tasks; the backend wakes it as soon as there is one."""
_LAST_CALL: Final = 5.0
"""Seconds that the backend has for what is given back or settled at the end."""
_FIRST_PAUSE: Final = 0.1
_PAUSE: Final = 1.0
"""Seconds before a backend that is away is asked again (the first time; at most), and before parked tasks are looked for again."""
_BREATH: Final = 0.05
"""Seconds in which parked tasks are gathered before they are looked for again."""
_STILL_HERE: Final = 15.0
"""Seconds after which a worker without a free slot says again that it is here for parked tasks."""
_LOOK_AGAIN: Final = 3.0
"""Seconds before something is looked for again that a backend which is away may have."""
_LAST_WORDS: Final = 0.4
"""Seconds that cancelled tasks have to end, and again that their worker has to say so, before it exits all the same."""
_ALL: Final = 10_000
"""More than one worker has in hand: at its end it gives back whatever it finds."""

_log = Log("typedtasks.worker")


@dataclass(slots=True)
class Tally:
    """What a worker has settled so far."""

    succeeded: int = 0
    failed: int = 0
    """Ended with anything but a result: failures, timeouts, refused payloads, expiries."""
    cancelled: int = 0
    retried: int = 0
    """Put back for another attempt."""
    parked: int = 0
    """Put back for a worker that knows their task."""


class Serving:
    """Runs what one session receives.

    It is its session's listener (`SessionListener`): cancellations reach running tasks, and parked tasks for which this worker has
    what they wait for are taken at once.
    """

    def __init__(self, execution: Execution, here: Here, *, concurrency: int, tally: Tally) -> None:
        self._parking = Parking(here, execution.clock.monotonic)
        self._concurrency = concurrency
        self._tally = tally
        self._execution = execution
        self._hand = Hand(execution, concurrency, self._put)
        self._recovery_due = False
        """Whether something may be left to take over. It goes before new tasks: those have a worker, or will get one."""
        self._recovering = asyncio.Lock()
        self._recovery_trouble = Trouble(_log, "What was left behind can be recovered again.")
        self._parking_trouble = Trouble(_log, "Parked tasks can be taken again.")
        self._is_waiting = False
        """Whether the intake waits for tasks that are ready, because there are none."""
        self._look_at = 0.0
        """When a worker without a free slot looks, too: it takes nothing, and hears of what it has missed."""
        self._next_look: asyncio.TimerHandle | None = None
        self._look = asyncio.Event()
        self._parked = asyncio.Event()
        self._lost = asyncio.Event()
        self._settler: Settler

    async def run(self, session: Session, stopping: asyncio.Event, *, burst: bool) -> None:
        """Serve until `stopping` is set, or (`burst`) until nothing is left. Raises `SessionLost` when the lease has ended.

        What runs then goes on: `finish` ends it.
        """
        self._settler = Settler(session, self._settled, self._execution.sealed if self._execution.seals else None)
        self.left_behind()  # by those who were here before
        self._settling = asyncio.create_task(self._settler.run(), name="typedtasks-settlement")
        loops: list[asyncio.Task[None]] = [
            asyncio.create_task(self._take_in(session, burst=burst), name="typedtasks-intake"),
            asyncio.create_task(self._recover(session), name="typedtasks-recovery"),
            asyncio.create_task(self._unpark(session), name="typedtasks-unparking"),
            asyncio.create_task(self._give_back(session), name="typedtasks-giving-back"),
            asyncio.create_task(self._fail_when_lost(), name="typedtasks-lease"),
            asyncio.create_task(warn_of_waits(self._hand), name="typedtasks-nesting"),
            asyncio.create_task(_until(stopping), name="typedtasks-stop"),
            self._settling,
        ]
        try:
            ended, _ = await asyncio.wait(loops, return_when=asyncio.FIRST_COMPLETED)
            for loop in ended:
                loop.result()
        finally:
            await cancel_and_wait(loops[:-1])
            if self._next_look is not None:
                self._next_look.cancel()
            self._hand.close()

    async def finish(self, session: Session, grace: float, hurried: asyncio.Event) -> None:
        """Give back what has not been started, let what runs come to its end for `grace` seconds (or until `hurried`)."""
        unstarted = [*self._hand.given_back, *self._hand.take_waiting()]
        self._hand.given_back.clear()
        await self._release(session, unstarted, also_lost=True)
        if not self._hand.is_idle:
            rest = asyncio.create_task(self._hand.idle())
            hurry = asyncio.create_task(_until(hurried))
            try:
                await asyncio.wait([rest, hurry], timeout=grace, return_when=asyncio.FIRST_COMPLETED)
            finally:
                rest.cancel()
                hurry.cancel()
        await self.abandon()
        if self._hand.given_back:
            _log.info("Giving back %d tasks that did not end in time.", len(self._hand.given_back))
            await self._release(session, self._hand.given_back)
        try:
            async with asyncio.timeout(_LAST_CALL):
                await self._settler.drained()
        except TimeoutError:
            _log.warning("%d outcomes could not be settled before the end; their tasks run again.", self._settler.unsettled)
        await self.close()

    async def abandon(self) -> None:
        """Cancel whatever runs and wait for it. Nothing of it is settled."""
        ignored = await self._hand.abandon(_LAST_WORDS)
        if ignored:
            _log.warning("%d tasks ignore their cancellation; they are left behind: %s.", len(ignored), ", ".join(sorted(ignored)))

    async def close(self) -> None:
        """End the settlement loop."""
        await cancel_and_wait([self._settling])

    def lose(self) -> None:
        """Take notice that the lease has ended."""
        self._lost.set()

    def cancelled(self, id: TaskId) -> None:
        """Cancel a task that runs here (see `SessionListener`)."""
        self._hand.cancel(id)

    def parked(self, name: str) -> None:
        """Take a parked task if what it waits for is here (see `SessionListener`)."""
        if self._parking.hear(name):
            self._parked.set()

    def left_behind(self) -> None:
        """Look for what was left behind (see `SessionListener`)."""
        self._recovery_due = True
        self._look.set()

    async def _take_in(self, session: Session, *, burst: bool) -> None:
        hand = self._hand
        if burst:  # what is parked or left behind is part of "until nothing is left"
            self._recovery_due = True
        pause, trouble = _FIRST_PAUSE, Trouble(_log, "Tasks can be received again.")
        are_parked_next = True
        while True:
            free = self._free()
            if free <= 0 or (hand.is_full and 2 * free < hand.pace.allowance()):
                hand.freed.clear()
                await hand.freed.wait()
                await asyncio.sleep(0)  # what ends in this turn of the loop frees its slot too
                continue
            if self._recovery_due:
                await self._recover_some(session)
                continue
            are_parked = bool(self._parking.knows_of_any and self._room_for_parked() and self._parking.due())
            if are_parked and are_parked_next:  # they and the ready ones take turns, so that neither have to wait for the others
                are_parked_next = False
                await self._take_parked(session)
                continue
            are_parked_next = True
            self._is_waiting = not (burst or are_parked)
            try:
                deliveries = await session.receive(free, _WAIT if self._is_waiting else 0)
            except BACKEND_ERRORS as error:
                trouble.note("No tasks can be received, trying again in %g s: %s", pause, error)
                await asyncio.sleep(pause)
                pause = min(_PAUSE, 2 * pause)
                continue
            finally:
                self._is_waiting = False
            trouble.over()
            pause = _FIRST_PAUSE
            hand.accept(deliveries)
            if len(deliveries) == 1:  # what a lone task gives at once is settled before more is asked for: its caller waits
                await asyncio.sleep(0)
                await asyncio.sleep(0)
            if burst and not deliveries:
                if hand.is_idle and not self._settler.unsettled and not self._parking.due():
                    return
                await hand.idle()
                await self._settler.drained()

    async def _recover(self, session: Session) -> None:
        while True:
            await self._look.wait()
            self._look.clear()
            await self._recover_some(session)

    async def _recover_some(self, session: Session) -> None:
        """Take over what was left behind, as far as there is room. It stays due until all of it is taken."""
        loop = asyncio.get_running_loop()
        async with self._recovering:
            free = max(0, self._free())
            if not self._recovery_due or (free == 0 and loop.time() < self._look_at):
                return  # the intake does it, as soon as there is a free slot
            self._look_at = loop.time() + _STILL_HERE
            self._recovery_due = free == 0
            try:
                found, next_look, parked = await session.recover(self._hand.held, free)
            except BACKEND_ERRORS as error:
                self._recovery_trouble.note("Nothing can be recovered now, trying again in %g s: %s", _LOOK_AGAIN, error)
                found, next_look, parked = [], _LOOK_AGAIN, ()
            else:
                self._recovery_trouble.over()
            for awaited in parked:
                self.parked(awaited)
            self._recovery_due |= bool(found) and len(found) >= free
            self._hand.accept(found)
            if self._next_look is not None:
                self._next_look.cancel()
            self._next_look = loop.call_later(next_look, self.left_behind)

    async def _unpark(self, session: Session) -> None:
        """Take parked tasks as soon as they are heard of, as long as the intake waits for others: else it takes both in turn.

        Where there is no free slot, this says that somebody is here for them.
        """
        while True:
            await _until(self._parked, _STILL_HERE if self._parking.knows_of_any else None)
            self._parked.clear()
            await self._take_parked(session)
            while self._is_waiting and self._parking.due():
                self._hand.freed.clear()
                if self._room_for_parked() == 0:
                    await _until(self._hand.freed, _STILL_HERE)
                await self._take_parked(session)
            await asyncio.sleep(_BREATH if self._room_for_parked() else _PAUSE)

    async def _take_parked(self, session: Session) -> None:
        """Take parked tasks for free slots."""
        async with self._recovering:  # which would take what is on its way here for lost
            for awaited in self._parking.due():
                room = self._room_for_parked()
                try:
                    found = await session.unpark([awaited], room)
                except BACKEND_ERRORS as error:
                    self._parking_trouble.note("Parked tasks cannot be taken now, trying again soon: %s", error)
                    self._parking.leave(awaited)
                    return
                self._parking_trouble.over()
                self._parking.take(awaited, found, room)
                self._hand.accept(found)

    async def _give_back(self, session: Session) -> None:
        """Give back what others may start sooner."""
        while True:
            await self._hand.overdue.wait()
            self._hand.overdue.clear()
            batch = self._hand.take_waiting()
            try:
                await session.release(batch)
            except asyncio.CancelledError:
                self._hand.given_back += batch  # this is the end: `finish` gives it back
                raise
            except BACKEND_ERRORS as error:
                _log.warning("%d tasks cannot be given back now: %s", len(batch), error)
                self._hand.put_back(batch)
            else:
                self._hand.forget(batch)
                for delivery in batch:
                    self._parking.end(delivery.receipt, in_vain=False)

    async def _release(self, session: Session, batch: list[Delivery], *, also_lost: bool = False) -> None:
        """Give back for good, and `also_lost`: what was claimed when the intake ended."""
        try:
            async with asyncio.timeout(_LAST_CALL):
                if also_lost:
                    batch = [*batch, *(await session.recover(self._hand.held, _ALL)).deliveries]
                if batch:
                    await session.release(batch)
        except (TimeoutError, *BACKEND_ERRORS, SessionLost) as error:
            _log.warning("%d tasks could not be given back; they run again when the lease has ended: %s", len(batch), error)

    async def _fail_when_lost(self) -> None:
        await self._lost.wait()
        raise SessionLost

    def _room_for_parked(self) -> int:
        """Return how many parked tasks may be taken: none ahead of free slots, because to give them back parks them again."""
        return max(0, min(self._free(), self._hand.slots()))

    def _free(self) -> int:
        room = self._hand.room()
        too_many = self._settler.unsettled - self._concurrency - self._hand.pace.allowance()
        return room - max(0, too_many)

    def _put(self, settlement: Settlement) -> None:
        self._settler.put(self._execution.sealed(settlement) if self._execution.seals else settlement)
        self._hand.pace.ended()
        if isinstance(settlement, Finish) and is_success(settlement.outcome):
            self._tally.succeeded += 1
        else:
            self._note(settlement)

    def _settled(self, settlement: Settlement) -> None:
        self._parking.end(settlement.delivery.receipt, in_vain=False)
        self._hand.held.discard(settlement.delivery.receipt)
        self._hand.freed.set()
        if self._recovery_due:  # more was left behind than there was room for
            self._look.set()

    def _note(self, settlement: Settlement) -> None:
        """Count and log whatever is not a success. A retry was logged where its error was known."""
        tally, delivery = self._tally, settlement.delivery
        task = self._execution.name_of(delivery)
        who, extra = one_line(f"{task} ({delivery.id})"), {"fields": {"task": task, "id": delivery.id}}
        match settlement:
            case Reschedule(awaits=name) if name:
                tally.parked += 1
                self._parking.end(delivery.receipt, in_vain=True)  # before the news of it comes back
                reason = "no task of this name is known here" if name == task else f"{name} is not here"
                _log.warning("%s: parked, because %s.", who, reason, extra=extra)
            case Reschedule():
                tally.retried += 1
            case Bury(reason=reason):
                tally.failed += 1
                _log.warning("%s: is a dead letter now. %s", who, reason, extra=extra)
            case Finish(outcome=outcome):
                self._note_outcome(who, task, delivery.id, read_outcome(outcome)[0])

    def _note_outcome(self, who: str, task: str, id: TaskId, line: OutcomeLine) -> None:
        ending, attempts = line["outcome"], line.get("attempts", 1)
        extra = {"fields": {"task": task, "id": id, "outcome": ending, "attempts": attempts, "error": line.get("type")}}
        if ending in ("cancelled", "expired"):
            self._tally.cancelled += ending == "cancelled"
            self._tally.failed += ending == "expired"
            _log.info("%s: %s.", who, ending, extra=extra)
            return
        self._tally.failed += 1
        times = f" after {attempts} attempts" if attempts > 1 else ""
        text = f"{line.get('type', '')}: {line.get('message', '')}"
        if ending == "failure":
            _log.info("%s: ended%s with a failure that it declares, %s", who, times, text, extra=extra)
        else:
            trace = line.get("traceback", "").strip()
            _log.warning("%s: %s%s. %s%s", who, ending.replace("_", " "), times, text, f"\n{trace}" if trace else "", extra=extra)


async def _until(event: asyncio.Event, patience: float | None = None) -> None:
    """Return when an event is set, or after `patience` seconds."""
    with suppress(TimeoutError):
        async with asyncio.timeout(patience):
            await event.wait()
