"""The memory backend: the port's state machine on an injected clock. Users' tests run on it, and it is the model for the others."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence

from typedtasks.backend import (
    Buried,
    Bury,
    Counts,
    Delivery,
    OutcomeListener,
    Page,
    Publication,
    Recovered,
    Report,
    Reschedule,
    SessionId,
    SessionListener,
    SessionLost,
    SessionState,
    Settlement,
    TaskId,
    Waiting,
    queue_of,
    read_plan,
    session_states,
)
from typedtasks.backends.memory_state import Entry, MemoryQueue
from typedtasks.clock import Clock, SystemClock

__all__ = ["MemoryBackend", "MemoryLeaseKeeper", "MemorySession"]


class MemoryBackend:
    """Tasks and outcomes in this process. Several brokers may share one object, as processes share a Redis."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock: Clock = clock or SystemClock()
        self.queues: dict[str, MemoryQueue] = {}
        self.outcomes: dict[TaskId, tuple[bytes, float]] = {}
        self.reports: dict[TaskId, tuple[bytes, float]] = {}
        self.leases: dict[SessionId, float] = {}
        self.queues_of: dict[SessionId, tuple[str, ...]] = {}
        self.workers: dict[SessionId, SessionListener] = {}
        self.lock = threading.Lock()
        """Guards the leases, which the heartbeat's thread renews."""
        self._listeners: list[OutcomeListener] = []
        self._open = 0
        self._changed = asyncio.Event()
        self._fence = 0

    @property
    def reply_to(self) -> str:
        """Empty: everyone who opened this object hears of every outcome."""
        return ""

    async def open(self, listener: OutcomeListener) -> str:
        """Begin to tell a listener of outcomes."""
        self._listeners.append(listener)
        self._open += 1
        return "Memory: tasks live as long as this process."

    async def close(self) -> None:
        """Forget the listeners, once all who opened the object have closed it. The tasks stay, for whoever opens it again."""
        self._open -= 1
        if self._open <= 0:
            self._open = 0
            self._listeners.clear()

    async def publish(self, batch: Sequence[Publication]) -> dict[TaskId, TaskId]:
        """Store envelopes. One that is there already (sent again) is left alone."""
        now = self.now_ms()
        holders = [(item.id, self.queue(item.queue).publish(item, now)) for item in batch]
        self.wake()
        return {id: holder for id, holder in holders if holder != id}

    async def cancel(self, ids: Sequence[TaskId]) -> None:
        """Mark tasks as cancelled; delayed ones become ready, to be settled by the next worker."""
        for id in ids:
            queue = self.queue(queue_of(id))
            for place in (queue.running, *queue.ready.values()):
                if id in place:
                    place[id].cancelled = True
            if id in queue.delayed:
                queue.delayed[id].cancelled = True
                queue.make_ready(id)
            for listener in list(self.workers.values()):
                listener.cancelled(id)
        self.wake()

    async def watch(self, ids: Sequence[TaskId]) -> None:
        """Nothing has to be done: every listener hears of every outcome."""

    async def unwatch(self, ids: Sequence[TaskId]) -> None:
        """Nothing has to be done."""

    async def read_outcomes(self, ids: Sequence[TaskId]) -> dict[TaskId, bytes]:
        """Return the outcomes that exist."""
        return self._unexpired(self.outcomes, ids)

    async def read_reports(self, ids: Sequence[TaskId]) -> dict[TaskId, bytes]:
        """Return what was reported of tasks."""
        return self._unexpired(self.reports, ids)

    async def missing(self, ids: Sequence[TaskId]) -> set[TaskId]:
        """Return the ids that are nowhere."""
        known = await self.read_outcomes(ids)
        return {id for id in ids if id not in known and not self.queue(queue_of(id)).knows(id)}

    async def join(self, session: SessionId, queues: Sequence[str], lease: float, listener: SessionListener) -> MemorySession:
        """Begin a session."""
        self.leases[session] = self.steady_ms() + lease * 1000
        self.queues_of[session] = tuple(queues)
        self.workers[session] = listener
        return MemorySession(self, session, queues, lease)

    async def expire(self, session: SessionId, queues: Sequence[str]) -> None:
        """End the lease of a session."""
        self.leases.pop(session, None)
        self.tell_left_behind()

    async def counts(self, queue: str) -> Counts:
        """Return how many tasks of the queue are in each state."""
        return self.queue(queue).counts()

    async def peek(self, queue: str, limit: int = 100) -> list[Waiting]:
        """Return tasks of the queue that have not ended."""
        return self.queue(queue).waiting(queue)[:limit]

    async def parked(self, queue: str, limit: int = 100) -> list[Waiting]:
        """Return the queue's parked tasks."""
        return [task for task in self.queue(queue).waiting(queue) if task.awaits][:limit]

    async def scan(self, queue: str, cursor: str = "", limit: int = 250) -> Page:
        """Return the tasks of the queue that follow one whose id is the cursor."""
        found = self.queue(queue).after(cursor, limit)
        return Page(found, found[-1].id if len(found) == limit else "")

    async def sessions(self, queue: str) -> list[SessionState]:
        """Return the sessions that read the queue or own deliveries of it."""
        now = self.steady_ms()
        reading = [session for session, queues in self.queues_of.items() if queue in queues and session in self.leases]
        leases = {str(session): int(self.leases[session] - now) for session in reading}
        return session_states(queue, leases, self.queue(queue).held())

    async def dead_letters(self, queue: str, limit: int = 100, offset: int = 0) -> list[Buried]:
        """Return the queue's dead letters, the oldest first."""
        found = self.queue(queue)
        return found.buried(queue, list(found.dead)[offset : offset + limit])

    async def find_dead_letters(self, queue: str, ids: Sequence[TaskId]) -> list[Buried]:
        """Return the dead letters that are named and there."""
        return self.queue(queue).buried(queue, dict.fromkeys(ids))

    async def replay(self, queue: str, ids: Sequence[TaskId]) -> set[TaskId]:
        """Make dead letters ready again."""
        found = self.queue(queue).replay(ids)
        for id in found:
            self.outcomes.pop(id, None)
        self.wake()
        return found

    async def drop(self, queue: str, ids: Sequence[TaskId]) -> set[TaskId]:
        """Delete dead letters."""
        return self.queue(queue).drop(ids)

    async def purge(self, queue: str, *, dead: bool = False) -> int:
        """Delete what waits, or the dead letters."""
        return self.queue(queue).purge(dead=dead)

    def unread(self, id: TaskId) -> bytes | None:
        """Return the envelope of a task that waits in a queue which no session reads; None for any other."""
        name = queue_of(id)
        if any(name in queues for queues in self.queues_of.values()):
            return None
        queue = self.queue(name)
        found = next((place[id] for place in (*queue.ready.values(), queue.delayed) if id in place), None)
        return None if found is None else found.body

    def queue(self, name: str) -> MemoryQueue:
        """Return the queue of a name; it begins empty."""
        return self.queues.setdefault(name, MemoryQueue())

    def now_ms(self) -> int:
        """Return the time in milliseconds since 1970."""
        return int(self.clock.now() * 1000)

    def steady_ms(self) -> int:
        """Return milliseconds by a clock that nobody can set: leases go by it."""
        return int(self.clock.monotonic() * 1000)

    def lease_out(self, name: str, entry: Entry, session: SessionId) -> Delivery:
        """Give an entry to a session, under a new fence."""
        self._fence += 1
        entry.fence, entry.owner, entry.deliveries = self._fence, session, entry.deliveries + 1
        self.queue(name).running[entry.id] = entry
        receipt = str(entry.fence)
        return Delivery(entry.id, name, entry.priority, entry.body, entry.deliveries, receipt, entry.cancelled, entry.unmet)

    def is_alive(self, session: str) -> bool:
        """Return whether a session has a lease."""
        return self.leases.get(SessionId(session), 0) > self.steady_ms()

    def tell_left_behind(self) -> None:
        """Tell every worker that a session has ended, which may have left deliveries behind."""
        for worker in list(self.workers.values()):
            worker.left_behind()

    def conclude(self, id: TaskId, outcome: bytes, ttl_ms: int) -> None:
        """Keep an outcome and tell every listener."""
        self.outcomes[id] = (outcome, self.now_ms() + ttl_ms)
        for listener in list(self._listeners):
            listener.settled(id, outcome)

    def forget_expired(self) -> None:
        """Delete the outcomes and reports whose time is over, and give back the keys whose window is."""
        now = self.now_ms()
        for queue in self.queues.values():
            queue.forget_windows(now)
        for kept in (self.outcomes, self.reports):
            for id in [id for id, (_, expires) in kept.items() if expires <= now]:
                del kept[id]

    def _unexpired(self, kept: Mapping[TaskId, tuple[bytes, float]], ids: Sequence[TaskId]) -> dict[TaskId, bytes]:
        now = self.now_ms()
        found = {id: kept[id] for id in ids if id in kept}
        return {id: body for id, (body, expires) in found.items() if expires > now}

    def tell_parked(self, name: str) -> None:
        """Tell every worker that a task of this name was parked."""
        for listener in list(self.workers.values()):
            listener.parked(name)

    def wake(self) -> None:
        """Wake every session that waits."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def change(self, due_within: float) -> None:
        """Return when something has changed, or after `due_within` seconds of the clock."""
        changed = asyncio.create_task(self._changed.wait())
        timer = asyncio.create_task(self.clock.sleep(due_within))
        try:
            await asyncio.wait([changed, timer], return_when=asyncio.FIRST_COMPLETED)
        finally:
            changed.cancel()
            timer.cancel()


class MemorySession:
    """A worker's session. Implements `typedtasks.backend.Session`; a receipt is the fence's number."""

    def __init__(self, backend: MemoryBackend, id: SessionId, queues: Sequence[str], lease: float) -> None:
        self._backend = backend
        self._id = id
        self._queues = tuple(queues)
        self._lease_ms = lease * 1000
        self._turn = 0

    @property
    def id(self) -> SessionId:
        """The session's id."""
        return self._id

    async def receive(self, capacity: int, wait: float) -> list[Delivery]:
        """Claim what is ready; when there is nothing, wait for a change or the next due time."""
        clock = self._backend.clock
        deadline = clock.monotonic() + wait
        while True:
            deliveries = list(self._claim(capacity))
            left = deadline - clock.monotonic()
            if deliveries or left <= 0:
                return deliveries
            await self._backend.change(min([left, *self._until_due()]))

    async def settle(self, batch: Sequence[Settlement]) -> list[bool]:
        """End deliveries."""
        answers = [self._settle(item) for item in batch]
        self._backend.wake()
        return answers

    async def report(self, batch: Sequence[Report]) -> list[bool]:
        """Keep how far deliveries have come."""
        owned = [self._owned(item.delivery) is not None for item in batch]
        for item, is_owned in zip(batch, owned, strict=True):
            if is_owned:
                self._backend.reports[item.delivery.id] = (item.body, self._backend.now_ms() + item.ttl_ms)
        return owned

    async def release(self, batch: Sequence[Delivery]) -> list[bool]:
        """Give deliveries back."""
        answers: list[bool] = []
        for delivery in batch:
            entry = self._take_back(delivery)
            if entry is not None:
                entry.deliveries -= 1
                self._give_back(self._backend.queue(delivery.queue), entry)
            answers.append(entry is not None)
        self._backend.wake()
        return answers

    async def recover(self, held: Collection[str], capacity: int) -> Recovered:
        """Take over what sessions without a lease owned, and find own deliveries that are not in hand."""
        self._check()
        self._backend.forget_expired()
        found: list[Delivery] = []
        for name in self._queues:
            for entry in list(self._backend.queue(name).running.values()):
                if entry.cancelled and entry.owner == self._id:
                    self._backend.workers[self._id].cancelled(entry.id)
                lost = entry.owner == self._id and str(entry.fence) not in held
                if len(found) < capacity and (lost or not self._backend.is_alive(entry.owner)):
                    found.append(self._backend.lease_out(name, entry, self._id))
        ends = [lease for session, lease in self._backend.leases.items() if session != self._id]
        now = self._backend.steady_ms()
        next_end = min([lease for lease in ends if lease > now], default=math.inf) - now
        awaited = dict.fromkeys(name for queue in self._queues for name in self._backend.queue(queue).awaited())
        return Recovered(found, min(self._lease_ms, next_end + 1) / 1000, tuple(awaited))

    async def unpark(self, names: Collection[str], capacity: int) -> list[Delivery]:
        """Take parked tasks that wait for one of these names."""
        self._check()
        found: list[Delivery] = []
        for queue in self._queues:
            entries = self._backend.queue(queue).unpark(names, max(0, capacity - len(found)), self._backend.now_ms())
            found += [self._backend.lease_out(queue, entry, self._id) for entry in entries]
        return found

    def keeper(self) -> MemoryLeaseKeeper:
        """Return what renews this session's lease."""
        return MemoryLeaseKeeper(self._backend, self._id, self._lease_ms)

    async def leave(self) -> None:
        """End the session."""
        self._backend.leases.pop(self._id, None)
        self._backend.queues_of.pop(self._id, None)
        self._backend.workers.pop(self._id, None)
        self._backend.tell_left_behind()

    def _claim(self, capacity: int) -> Iterator[Delivery]:
        self._check()
        left = capacity
        plan, first = divmod(self._turn, len(self._queues))
        self._turn += 1
        for name in self._queues[first:] + self._queues[:first]:
            self._backend.queue(name).promote(self._backend.now_ms())
            for priority, limit in read_plan(plan, left):
                ready = self._backend.queue(name).ready[priority]
                for id in list(ready)[: min(limit, left)]:
                    left -= 1
                    yield self._backend.lease_out(name, ready.pop(id), self._id)

    def _until_due(self) -> Iterator[float]:
        for name in self._queues:
            for entry in self._backend.queue(name).delayed.values():
                yield max(0.001, entry.due_ms / 1000 - self._backend.clock.now())

    def _settle(self, item: Settlement) -> bool:
        entry = self._take_back(item.delivery)
        if entry is None:
            return False
        backend, queue = self._backend, self._backend.queue(item.delivery.queue)
        if isinstance(item, Reschedule):
            if entry.cancelled:  # it is not run again: the next worker settles it at once
                entry.body, entry.deliveries = item.body, 0
                queue.ready[entry.priority][entry.id] = entry
                return True
            again = Publication(entry.id, item.delivery.queue, entry.priority, item.body, item.delay_ms, item.eta_ms)
            stored = queue.store(again, backend.now_ms())
            if item.awaits:
                stored.deliveries = entry.deliveries - 1
            if item.awaits and stored.due_ms:
                queue.park(stored, item.awaits, stored.due_ms - backend.now_ms(), backend.now_ms())
                backend.tell_parked(item.awaits)
            return True
        if isinstance(item, Bury):
            entry.reason, entry.died_ms = item.reason, backend.now_ms()
            queue.dead[entry.id] = entry
        else:
            for following in item.follow:
                backend.queue(following.queue).publish(following, backend.now_ms())
        backend.conclude(entry.id, item.outcome, item.ttl_ms)
        return True

    def _give_back(self, queue: MemoryQueue, entry: Entry) -> None:
        """Put an entry where this session has it from: among the parked ones, or the ready ones."""
        if entry.awaits and not entry.cancelled:
            queue.park(entry, entry.awaits, entry.patience_ms, self._backend.now_ms())
            self._backend.tell_parked(entry.awaits)
        else:
            entry.awaits = ""
            queue.ready[entry.priority][entry.id] = entry

    def _take_back(self, delivery: Delivery) -> Entry | None:
        """Return the entry of a delivery that this session still owns, out of the running ones."""
        entry = self._owned(delivery)
        return None if entry is None else self._backend.queue(delivery.queue).running.pop(delivery.id)

    def _owned(self, delivery: Delivery) -> Entry | None:
        entry = self._backend.queue(delivery.queue).running.get(delivery.id)
        if entry is None or not self._backend.is_alive(self._id):
            return None
        return entry if entry.owner == self._id and str(entry.fence) == delivery.receipt else None

    def _check(self) -> None:
        if not self._backend.is_alive(self._id):
            raise SessionLost


class MemoryLeaseKeeper:
    """Renews a session's lease, from any thread."""

    def __init__(self, backend: MemoryBackend, session: SessionId, lease_ms: float) -> None:
        self._backend = backend
        self._session = session
        self._lease_ms = lease_ms

    def renew(self) -> bool:
        """Extend the lease. False: it had ended."""
        with self._backend.lock:
            if not self._backend.is_alive(self._session):
                return False
            self._backend.leases[self._session] = self._backend.steady_ms() + self._lease_ms
            return True

    def close(self) -> None:
        """Nothing has to be closed."""
