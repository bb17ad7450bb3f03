"""What one session has in hand: the tasks that run, and those that wait for a slot."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, cast

from typedtasks.backend import Delivery, Settlement, TaskId
from typedtasks.batching import cancel_and_wait
from typedtasks.worker.decision import Received
from typedtasks.worker.execution import Execution, Prepared
from typedtasks.worker.pace import Pace

__all__ = ["PATIENCE", "Hand"]

PATIENCE: Final = 2.0
"""Seconds that a function has to end after its cancellation, before its task is settled all the same."""

_LONGEST_WAIT: Final = 0.1
"""Seconds that a task may be in hand and not started, before it is given back to whoever can start it."""
_REMEMBERED: Final = 10_000
"""Cancellations that are remembered, because a task may still be on its way when the news of its cancellation is here."""


class Hand:
    """Starts deliveries, never more than `concurrency` at a time, and hands what follows from each to `put`.

    `freed` is set whenever there may be room for more, and `overdue` when some of what waits should be given back.
    """

    def __init__(self, execution: Execution, concurrency: int, put: Callable[[Settlement], None]) -> None:
        self._execution = execution
        execution.abandoned.freed = self._use_slot
        execution.overran = self._insist
        self._concurrency = concurrency
        self._put = put
        self._loop = asyncio.get_running_loop()
        self.pace = Pace(execution.clock.monotonic)
        self.held: set[str] = set()
        """The receipts of all that is not settled or given back yet."""
        self.freed = asyncio.Event()
        self.overdue = asyncio.Event()
        self.given_back: list[Delivery] = []
        """What ran and was ended by `abandon`: to be released."""
        self._waiting: deque[Delivery] = deque()
        """In hand, and not started: what was taken ahead (see `Pace`), or by intake and recovery for the same free slots."""
        self._running: dict[str, tuple[Prepared, asyncio.Task[Settlement]]] = {}
        """By receipt: one task may be here twice, after its lease had ended."""
        self._cancelled: set[str] = set()
        self._recent: dict[TaskId, None] = {}
        self.starts = 0
        """How many executions were started so far."""
        self._watched: asyncio.TimerHandle | None = None
        """Set while something waits: at its time, whatever has waited for too long is overdue."""
        self._ending = False

    @property
    def is_idle(self) -> bool:
        """Whether nothing runs."""
        return not self._running

    @property
    def is_full(self) -> bool:
        """Whether every slot is taken."""
        return len(self._running) + len(self._waiting) + self._execution.abandoned.count >= self._concurrency

    def running(self) -> list[tuple[str, asyncio.Task[object]]]:
        """Return what runs, each with the name of its task."""
        return [(prepared.received.task.name, cast("asyncio.Task[object]", task)) for prepared, task in self._running.values()]

    def room(self) -> int:
        """Return how many more deliveries may be taken in: for free slots, and ahead of them."""
        taken = len(self._running) + len(self._waiting) + self._execution.abandoned.count
        return self._concurrency + self.pace.allowance() - taken

    def slots(self) -> int:
        """Return how many more deliveries could be started at once."""
        return self._concurrency - len(self._running) - len(self._waiting) - self._execution.abandoned.count

    def accept(self, deliveries: Sequence[Delivery]) -> None:
        """Take deliveries in, and start them as far as there are slots."""
        for delivery in deliveries:
            if delivery.receipt not in self.held:
                self.held.add(delivery.receipt)
                is_cancelled = delivery.id in self._recent
                self._waiting.append(delivery._replace(cancelled=True) if is_cancelled else delivery)
        self._fill()
        self._watch()

    def cancel(self, id: TaskId) -> None:
        """Cancel a task that is in hand, or that will be soon."""
        self._recent[id] = None
        if len(self._recent) > _REMEMBERED:
            del self._recent[next(iter(self._recent))]
        for receipt, (prepared, task) in self._running.items():
            received = prepared.received
            if received.delivery.id == id and receipt not in self._cancelled:
                self._cancelled.add(receipt)
                task.cancel()
                self._insist(received)
        self._waiting = deque(item._replace(cancelled=True) if item.id == id else item for item in self._waiting)

    def take_waiting(self) -> list[Delivery]:
        """Return what waits for a slot. It is no longer in hand, but held until `forget` or `accept`."""
        waiting = list(self._waiting)
        self._waiting.clear()
        return waiting

    def put_back(self, deliveries: Sequence[Delivery]) -> None:
        """Undo `take_waiting`."""
        self._waiting.extendleft(reversed(deliveries))
        self._fill()
        self._watch()

    def forget(self, deliveries: Sequence[Delivery]) -> None:
        """Take notice that deliveries are settled or given back."""
        self.held.difference_update([delivery.receipt for delivery in deliveries])

    async def idle(self) -> None:
        """Return when nothing runs."""
        while self._running:
            await asyncio.wait([task for _, task in self._running.values()])

    async def abandon(self, patience: float) -> list[str]:
        """Cancel whatever runs, wait for it up to `patience` seconds, and return the names of those who ignored it."""
        self._ending = True
        self._waiting.clear()
        self._execution.abandoned.cancel()
        try:
            async with asyncio.timeout(patience):
                await cancel_and_wait([task for _, task in self._running.values()])
                await asyncio.sleep(0)  # their callbacks
        except TimeoutError:
            return [task.get_name() for _, task in self._running.values()]
        return []

    def close(self) -> None:
        """End the timer."""
        if self._watched is not None:
            self._watched.cancel()

    def _fill(self) -> None:
        """Start what waits, as far as there are slots."""
        while self._waiting and len(self._running) + self._execution.abandoned.count < self._concurrency:
            self.starts += 1
            self._start(self._waiting.popleft())

    def _start(self, delivery: Delivery) -> None:
        prepared = self._execution.prepare(delivery)
        if isinstance(prepared, Prepared):
            name = f"{prepared.received.header.task} {delivery.id}"
            # Contexts are named, because this may be called where another execution has set variables.
            context = self._execution.context
            own = context.copy()
            if prepared.received.task.boundary.injected:
                prepared = prepared._replace(context=own)
            task = self._loop.create_task(self._execution.run(prepared), name=name, context=own)
            self._running[delivery.receipt] = (prepared, task)
            # A callback, because the end of a task that is cancelled before its first step runs nothing else.
            task.add_done_callback(partial(self._ended, prepared), context=context)
        else:
            self._put(prepared)

    def _ended(self, prepared: Prepared, task: asyncio.Task[Settlement]) -> None:
        delivery = prepared.received.delivery
        if delivery.receipt not in self._running:
            return  # it was given up, and is settled
        del self._running[delivery.receipt]
        try:
            self._put(task.result())
        except asyncio.CancelledError as error:
            if delivery.receipt in self._cancelled:
                self._put(self._execution.cancelled(prepared.received))
            elif self._ending:
                self.given_back.append(delivery)
            else:  # the function cancelled itself
                self._put(self._execution.failed(prepared.received, error))
        except Exception as error:  # noqa: BLE001 - a mistake of ours may cost one task its result, but never a slot
            self._put(self._execution.failed(prepared.received, error))
        self._cancelled.discard(delivery.receipt)
        self._use_slot()

    def _insist(self, received: Received) -> None:
        """Give an execution that was cancelled a moment to end; then its task is settled, whether it has ended or not."""
        running = self._running.get(received.delivery.receipt)
        if running is not None:
            self._loop.call_later(PATIENCE, self._give_up, *running, context=self._execution.context)

    def _give_up(self, prepared: Prepared, task: asyncio.Task[Settlement]) -> None:
        receipt = prepared.received.delivery.receipt
        if task.done() or self._ending or receipt not in self._running:
            return
        settlement = self._execution.given_up(prepared.received, is_cancelled=receipt in self._cancelled)
        is_decided = receipt in self._execution.decided
        del self._running[receipt]
        self._cancelled.discard(receipt)
        what = "what comes after the yield of its dependencies goes on" if is_decided else "it has ignored its cancellation"
        self._execution.abandoned.add(task, task.get_name(), f"{what} for {PATIENCE:g} s, and still runs")
        self._put(settlement)

    def _use_slot(self) -> None:
        if not self._ending:
            self._fill()
        self.freed.set()

    def _watch(self) -> None:
        if self._waiting and self._watched is None:
            due = self.starts + len(self._waiting)
            self._watched = self._loop.call_later(_LONGEST_WAIT, self._look_at_waiting, due)

    def _look_at_waiting(self, due: int) -> None:
        """`due` is how many tasks should have been started by now: all that were in hand when the timer was set."""
        self._watched = None
        if self._waiting and self.starts < due:
            self.pace.stalled()
            self.overdue.set()
        self._watch()
