"""What the conformance suite plays on: clients and workers of one store, and listeners that remember what they were told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass

from typedtasks.backend import (
    Backend,
    Bury,
    Delivery,
    Finish,
    Once,
    Priority,
    Publication,
    Reschedule,
    Session,
    SessionId,
    TaskId,
    new_task_id,
    queue_name,
)

__all__ = [
    "BackendHarness",
    "Client",
    "RecordingListener",
    "WorkerSide",
    "bury",
    "finish",
    "park",
    "publication",
    "retry",
]

_PATIENCE = 5.0


class RecordingListener:
    """Remembers what a backend tells: it is an `OutcomeListener` and a `SessionListener` in one."""

    def __init__(self) -> None:
        self.outcomes: dict[TaskId, bytes | None] = {}
        self.cancellations: list[TaskId] = []
        self.parkings: list[str] = []
        self.interruptions = 0
        self.departures = 0
        self._told = asyncio.Event()

    def settled(self, id: TaskId, outcome: bytes | None) -> None:
        """Remember an outcome."""
        self.outcomes[id] = outcome
        self._told.set()

    def interrupted(self) -> None:
        """Remember that outcomes may have been missed."""
        self.interruptions += 1
        self._told.set()

    def cancelled(self, id: TaskId) -> None:
        """Remember a cancellation."""
        self.cancellations.append(id)
        self._told.set()

    def parked(self, name: str) -> None:
        """Remember a parked task's name."""
        self.parkings.append(name)
        self._told.set()

    def left_behind(self) -> None:
        """Remember that deliveries may have been left behind."""
        self.departures += 1
        self._told.set()

    async def wait_for(self, condition: Callable[[], bool]) -> None:
        """Return when a condition holds that depends on what was told. Raises `TimeoutError` after 5 seconds."""
        async with asyncio.timeout(_PATIENCE):
            while not condition():
                self._told.clear()
                await self._told.wait()


@dataclass(frozen=True, slots=True)
class Client:
    """One opened backend, and what it was told."""

    backend: Backend
    listener: RecordingListener
    queues: set[str]
    """Where something was published, by whichever client of the harness."""

    async def publish(self, *items: Publication) -> list[TaskId]:
        """Publish envelopes and return their ids."""
        self.queues.update(queue_name(item.queue) for item in items)
        await self.backend.publish(items)
        return [item.id for item in items]


@dataclass(frozen=True, slots=True)
class WorkerSide:
    """One session, and what it was told."""

    session: Session
    listener: RecordingListener

    async def receive(self, capacity: int = 100) -> list[Delivery]:
        """Receive without waiting."""
        return await self.session.receive(capacity, 0)

    async def recover(self, held: Collection[str] = (), capacity: int = 10) -> list[Delivery]:
        """Take over what was left behind."""
        return (await self.session.recover(held, capacity)).deliveries

    async def unpark(self, *names: str, capacity: int = 100) -> list[Delivery]:
        """Take parked tasks."""
        return await self.session.unpark(names, capacity)

    async def receive_one(self) -> Delivery:
        """Receive exactly one delivery, waiting for it."""
        (delivery,) = await self.session.receive(1, _PATIENCE)
        return delivery


class BackendHarness:
    """Makes clients and workers of one empty store, and closes them all.

    `make` returns one more backend object for the store, not open yet. `pass_time` lets the store's time pass: on a real store it
    sleeps, on one with a clock of its own it moves that clock. `leftovers` names what the store holds that nothing will ever
    delete: keys or rows that are neither empty queues nor have a time to live. `close` ends every task first, so it may be
    none then. Without `leftovers` that is not looked at. `place` is that of a `SpreadingBackend`.
    """

    def __init__(
        self,
        make: Callable[[], Backend],
        pass_time: Callable[[float], Awaitable[None]],
        leftovers: Callable[[], Awaitable[Collection[str]]] | None = None,
        place: Callable[[str, Once | None], str] | None = None,
    ) -> None:
        self._place = place
        self._make = make
        self.pass_time = pass_time
        self._leftovers = leftovers
        self._clients: list[Client] = []
        self._workers: list[WorkerSide] = []
        self._queues = {"default", "other"}

    async def client(self) -> Client:
        """Return one more opened client of the store."""
        listener = RecordingListener()
        backend = self._make()
        await backend.open(listener)
        client = Client(backend, listener, self._queues)
        self._clients.append(client)
        return client

    async def worker(
        self, client: Client, *, name: str = "worker", queues: Sequence[str] = ("default",), lease: float = 30.0
    ) -> WorkerSide:
        """Return a session that has joined."""
        listener = RecordingListener()
        worker = WorkerSide(await client.backend.join(SessionId(name), queues, lease, listener), listener)
        self._workers.append(worker)
        self._queues.update(queues)
        return worker

    async def pair(self, *, queues: Sequence[str] = ("default",)) -> tuple[Client, WorkerSide]:
        """Return a client, and a session that has joined through it."""
        client = await self.client()
        return client, await self.worker(client, queues=queues)

    def publication(
        self,
        body: bytes = b"body",
        *,
        queue: str = "default",
        priority: Priority = Priority.NORMAL,
        delay_ms: int = 0,
        eta_ms: int = 0,
        once: Once | None = None,
    ) -> Publication:
        """Return an envelope for a queue. A backend does not look into its bytes."""
        place = queue if self._place is None else self._place(queue, once)
        return publication(body, queue=place, priority=priority, delay_ms=delay_ms, eta_ms=eta_ms, once=once)

    async def close(self) -> None:
        """End all sessions and tasks, close all clients, and check that nothing is left. Raises `AssertionError` otherwise."""
        for worker in self._workers:
            await worker.session.leave()
        if self._leftovers is not None:
            await self._end_tasks()
        for client in reversed(self._clients):
            await client.backend.close()
        if self._leftovers is not None:
            left = sorted(await self._leftovers())
            assert not left, f"the store holds for ever, though all sessions and tasks have ended: {left}"

    async def _end_tasks(self) -> None:
        """Finish what ran, and delete what waits and what is dead."""
        client = await self.client()
        queues = sorted(self._queues)
        last = await client.backend.join(SessionId("the-last-one"), queues, 30.0, RecordingListener())
        while left_behind := (await last.recover((), 1000)).deliveries:
            await last.settle([finish(delivery) for delivery in left_behind])
        await asyncio.gather(*(client.backend.purge(queue, dead=dead) for queue in queues for dead in (False, True)))
        await last.leave()


def publication(
    body: bytes = b"body",
    *,
    queue: str = "default",
    priority: Priority = Priority.NORMAL,
    delay_ms: int = 0,
    eta_ms: int = 0,
    once: Once | None = None,
) -> Publication:
    """Return an envelope for a queue. A backend does not look into its bytes."""
    return Publication(new_task_id(queue, 1_700_000_000.0), queue, priority, body, delay_ms, eta_ms, once)


def finish(delivery: Delivery, outcome: bytes = b"outcome", *, ttl_ms: int = 60_000, reply_to: str = "") -> Finish:
    """Return the settlement of a task that gave an outcome."""
    return Finish(delivery, outcome, ttl_ms, reply_to)


def retry(delivery: Delivery, body: bytes = b"again", *, delay_ms: int = 0, eta_ms: int = 0) -> Reschedule:
    """Return the settlement of a task that is to be run again."""
    return Reschedule(delivery, body, delay_ms, eta_ms)


def park(delivery: Delivery, name: str, body: bytes = b"parked", *, delay_ms: int = 60_000) -> Reschedule:
    """Return the settlement of a task that waits for a worker that knows `name`."""
    return Reschedule(delivery, body, delay_ms, awaits=name)


def bury(delivery: Delivery, reason: str = "because", outcome: bytes = b"rejected") -> Bury:
    """Return the settlement of a task that can never be run."""
    return Bury(delivery, reason, outcome, 60_000)
