"""One process's way to the backend, and all that can happen on it."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from tests.simulation.witness import Witness
from typedtasks.backend import (
    Delivery,
    LeaseKeeper,
    OutcomeListener,
    Publication,
    Recovered,
    Report,
    Session,
    SessionId,
    SessionListener,
    Settlement,
    TaskId,
)
from typedtasks.backends.memory import MemoryBackend
from typedtasks.errors import BackendUnavailable
from typedtasks.worker.lease import Heartbeat

__all__ = ["FaultyBackend", "Link", "LoopHeartbeat", "Rates", "Server"]

T = TypeVar("T")

_LATENCY: Final = 0.002
"""Seconds of every way: so that nobody is always first."""


@dataclass
class Rates:
    """How often what goes wrong, from 0 to 1, and how long it takes."""

    refused: float = 0.0
    """A call fails, and has no effect."""
    lost: float = 0.0
    """A call has its effect, and its answer is lost."""
    late: float = 0.0
    """A call takes up to `delay` seconds on its way there, and up to `delay` on its way back."""
    delay: float = 0.0
    news_lost: float = 0.0
    """What was pushed does not arrive."""


class Server:
    """The backend, and which batches of publications it has had: a batch that is sent again is stored once."""

    def __init__(self, backend: MemoryBackend, witness: Witness, *, knows_batches: bool = True) -> None:
        self.backend = backend
        self.witness = witness
        self.is_down = False
        self._knows_batches = knows_batches
        self._answers: dict[tuple[str, int], dict[TaskId, TaskId]] = {}

    async def publish(self, client: str, number: int, batch: Sequence[Publication]) -> dict[TaskId, TaskId]:
        """Store a batch, unless it came before: then its first answer holds."""
        if not self._knows_batches or (client, number) not in self._answers:
            self._answers[client, number] = await self.backend.publish(batch)
        return self._answers[client, number]


class Link:
    """What a process's calls go through. It can be paused, and cut for ever."""

    def __init__(self, server: Server, rates: Rates, chance: random.Random) -> None:
        self.server = server
        self.rates = rates
        self.chance = chance
        self.is_dead = False
        self._running = asyncio.Event()
        self._running.set()

    def pause(self) -> None:
        """Stop the process: nothing that it waits for happens before `resume`."""
        self._running.clear()

    def resume(self) -> None:
        """Let the process go on."""
        self._running.set()

    async def gate(self) -> None:
        """Return when the process may go on: at once, after its pause, or never."""
        await self._running.wait()
        if self.is_dead:
            await asyncio.get_running_loop().create_future()

    def refuses(self) -> bool:
        """Return whether the next call fails without an effect."""
        return self.server.is_down or self.chance.random() < self.rates.refused

    def loses(self) -> bool:
        """Return whether the answer of a call is lost."""
        return self.chance.random() < self.rates.lost

    async def call(self, effect: Callable[[], Awaitable[T]]) -> T:
        """Return what a call returns. Raises `BackendUnavailable`, after its effect or without one."""
        await self._travel()
        if self.refuses():
            raise BackendUnavailable("The server is not there.")
        answer = await effect()
        await self._travel()
        if self.loses():
            raise BackendUnavailable("The answer was lost.")
        return answer

    async def _travel(self) -> None:
        await self.gate()
        is_late = self.chance.random() < self.rates.late
        await asyncio.sleep(self.chance.uniform(0, self.rates.delay if is_late else _LATENCY))
        await self.gate()


class FaultyBackend:
    """A backend as one process sees it. Implements `typedtasks.backend.Backend`, but for the operator's verbs."""

    reply_to = ""

    def __init__(self, link: Link, name: str) -> None:
        self.link = link
        self._inner = link.server.backend
        self._name = name
        self._numbers = itertools.count()

    async def open(self, listener: OutcomeListener) -> str:
        """Begin to listen, through the link."""
        return await self._inner.open(_FaultyListener(self.link, listener))

    async def close(self) -> None:
        """Do nothing: the listener is of no use to anyone then."""

    async def publish(self, batch: Sequence[Publication]) -> dict[TaskId, TaskId]:
        """Send a batch under a number, and send it again when no answer came, as the Redis client does."""
        number = next(self._numbers)
        for pause in (0.05, 0.2, 0.5):
            try:
                return await self.link.call(lambda: self.link.server.publish(self._name, number, batch))
            except BackendUnavailable:
                await asyncio.sleep(pause)
        return await self.link.call(lambda: self.link.server.publish(self._name, number, batch))

    async def cancel(self, ids: Sequence[TaskId]) -> None:
        """Ask for cancellations."""
        await self.link.call(lambda: self._inner.cancel(ids))

    async def watch(self, ids: Sequence[TaskId]) -> None:
        """Watch outcomes."""
        await self.link.call(lambda: self._inner.watch(ids))

    async def unwatch(self, ids: Sequence[TaskId]) -> None:
        """Watch them no longer."""
        await self.link.call(lambda: self._inner.unwatch(ids))

    async def read_outcomes(self, ids: Sequence[TaskId]) -> dict[TaskId, bytes]:
        """Read outcomes."""
        return await self.link.call(lambda: self._inner.read_outcomes(ids))

    async def read_reports(self, ids: Sequence[TaskId]) -> dict[TaskId, bytes]:
        """Read how far tasks have come."""
        return await self.link.call(lambda: self._inner.read_reports(ids))

    async def missing(self, ids: Sequence[TaskId]) -> set[TaskId]:
        """Return the ids that are nowhere."""
        return await self.link.call(lambda: self._inner.missing(ids))

    async def join(self, session: SessionId, queues: Sequence[str], lease: float, listener: SessionListener) -> Session:
        """Begin a session."""
        news = _FaultyNews(self.link, listener)
        return FaultySession(self.link, await self.link.call(lambda: self._inner.join(session, queues, lease, news)))

    async def expire(self, session: SessionId, queues: Sequence[str]) -> None:
        """End the lease of a session."""
        await self.link.call(lambda: self._inner.expire(session, queues))

    def __repr__(self) -> str:
        return "memory://simulated"


class FaultySession:
    """A session through a link. Implements `typedtasks.backend.Session`."""

    def __init__(self, link: Link, inner: Session) -> None:
        self._link = link
        self._inner = inner
        self._witness = link.server.witness

    @property
    def id(self) -> SessionId:
        """The session's id."""
        return self._inner.id

    async def receive(self, capacity: int, wait: float) -> list[Delivery]:
        """Receive."""
        return await self._link.call(lambda: self._inner.receive(capacity, wait))

    async def settle(self, batch: Sequence[Settlement]) -> list[bool]:
        """Settle, before the witness."""

        async def effect() -> list[bool]:
            owned = [self._owns(item) for item in batch]
            answers = await self._inner.settle(batch)
            self._witness.ended(self.id, [item.delivery for item in batch], answers, owned)
            return answers

        return await self._link.call(effect)

    async def report(self, batch: Sequence[Report]) -> list[bool]:
        """Report, before the witness: nobody but the owner says how far a task has come."""

        async def effect() -> list[bool]:
            owned = [self._owns(item.delivery) for item in batch]
            answers = await self._inner.report(batch)
            if answers != owned:
                self._witness.breach(f"reports were answered with {answers}, and owned were {owned}")
            return answers

        return await self._link.call(effect)

    async def release(self, batch: Sequence[Delivery]) -> list[bool]:
        """Give back, before the witness."""

        async def effect() -> list[bool]:
            owned = [self._owns(delivery) for delivery in batch]
            answers = await self._inner.release(batch)
            self._witness.ended(self.id, batch, answers, owned)
            return answers

        return await self._link.call(effect)

    async def recover(self, held: Collection[str], capacity: int) -> Recovered:
        """Recover, before the witness."""

        async def effect() -> Recovered:
            before = dict(self._witness.owners)
            recovered = await self._inner.recover(held, capacity)
            for delivery in recovered.deliveries:
                owner, receipt = before[delivery.id]
                if owner == self.id and receipt in held:
                    self._witness.breach(f"{self._witness.name(delivery.id)} was handed out again, though it is in hand")
            return recovered

        return await self._link.call(effect)

    async def unpark(self, names: Collection[str], capacity: int) -> list[Delivery]:
        """Take parked tasks."""
        return await self._link.call(lambda: self._inner.unpark(names, capacity))

    def keeper(self) -> LeaseKeeper:
        """Return what renews the lease."""
        return _FaultyKeeper(self._link, self._inner.keeper())

    async def leave(self) -> None:
        """End the session, unless the process is dead or the server does not hear it."""
        if not self._link.is_dead and not self._link.refuses():
            await self._inner.leave()

    def _owns(self, item: Delivery | Settlement) -> bool:
        return self._witness.owns(self.id, item) and self._link.server.backend.is_alive(self.id)


class _FaultyKeeper:
    def __init__(self, link: Link, inner: LeaseKeeper) -> None:
        self.link = link
        self._inner = inner

    def renew(self) -> bool:
        if self.link.refuses():
            raise BackendUnavailable("The server is not there.")
        kept = self._inner.renew()
        if self.link.loses():
            raise BackendUnavailable("The answer was lost.")
        return kept

    def close(self) -> None:
        self._inner.close()


class LoopHeartbeat(Heartbeat):
    """The worker's heartbeat, driven by the event loop instead of a thread. It stands still while its process does."""

    def start(self) -> None:
        """Begin."""
        self._beating = asyncio.create_task(self._keep_beating(), name="heartbeat")

    async def stop(self) -> None:
        """End it."""
        self._beating.cancel()
        self.keeper.close()

    async def _keep_beating(self) -> None:
        due = self.interval
        while not self.stopped.is_set():
            await asyncio.sleep(due)
            assert isinstance(self.keeper, _FaultyKeeper)
            await self.keeper.link.gate()
            due = self.beat()


class _FaultyListener:
    """Passes outcomes on: now and then late, without their bytes, twice or never."""

    def __init__(self, link: Link, inner: OutcomeListener) -> None:
        self._link = link
        self._inner = inner

    def settled(self, id: TaskId, outcome: bytes | None) -> None:
        chance, loop = self._link.chance, asyncio.get_running_loop()
        if chance.random() < self._link.rates.news_lost:
            return
        for _ in range(1 + (chance.random() < self._link.rates.news_lost)):
            loop.call_later(chance.uniform(0, self._link.rates.delay), self._inner.settled, id, chance.choice([outcome, None]))

    def interrupted(self) -> None:
        self._inner.interrupted()


class _FaultyNews:
    """Passes on what a worker is told, or does not."""

    def __init__(self, link: Link, inner: SessionListener) -> None:
        self._link = link
        self._inner = inner

    def cancelled(self, id: TaskId) -> None:
        if self._arrives():
            self._inner.cancelled(id)

    def parked(self, name: str) -> None:
        if self._arrives():
            self._inner.parked(name)

    def left_behind(self) -> None:
        if self._arrives():
            self._inner.left_behind()

    def _arrives(self) -> bool:
        return not self._link.is_dead and self._link.chance.random() >= self._link.rates.news_lost
