"""The simulated world: workers that die, freeze and come back, clients that wait, and a server that goes away now and then."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final, cast

from tests.simulation.application import Job, Runs, define, send
from tests.simulation.faults import FaultyBackend, Link, LoopHeartbeat, Rates, Server
from tests.simulation.virtual_time import LoopClock, Stuck, VirtualLoop, simulated
from tests.simulation.witness import Violation, Witness, watched
from typedtasks import Broker, TaskHandle, Worker
from typedtasks.backend import Backend, Counts, SessionId
from typedtasks.backends.memory import MemoryBackend
from typedtasks.errors import BackendUnavailable, TypedTasksError

__all__ = ["run_seed", "run_seeds"]

_PATIENCE: Final = 900.0
"""Virtual seconds after the last fault in which everything has to come to its end."""
_GRACE: Final = 3.0
_KINDS: Final = ("add", "add", "add", "flaky", "crash", "refuse", "deadly", "rare")
_LAST_LINES: Final = 40


def run_seed(seed: int, *, kind: type[MemoryBackend] = MemoryBackend, knows_batches: bool = True) -> Witness:
    """Run the world of a seed and return its witness. Raises `Violation` where a promise was broken."""
    loop = VirtualLoop()
    clock = LoopClock(loop)
    witness = Witness()
    world = _World(seed, clock, Server(watched(kind, clock, witness), witness, knows_batches=knows_batches))
    with _silent():
        try:
            simulated(loop, world.run())
        except Stuck as stuck:
            witness.broken.append(str(stuck))
    witness.broken += loop.errors
    if witness.broken:
        broken, events = "\n  ".join(witness.broken[:10]), "\n".join(witness.history[-_LAST_LINES:])
        raise Violation(f"seed {seed}: {broken}\nAgain: python -m tests.simulation --seed {seed}\n{events}")
    return witness


def run_seeds(seeds: Iterable[int], *, kind: type[MemoryBackend] = MemoryBackend, knows_batches: bool = True) -> None:
    """Run the worlds of several seeds. Raises `Violation` for the first in which a promise was broken."""
    for seed in seeds:
        run_seed(seed, kind=kind, knows_batches=knows_batches)


class _World:
    def __init__(self, seed: int, clock: LoopClock, server: Server) -> None:
        self.chance = random.Random(f"world {seed}")
        self.seed = seed
        self.clock = clock
        self.server = server
        self.witness = server.witness
        self.runs = Runs()
        self.lease = self.chance.choice([1.0, 3.0, 10.0])
        self.is_over = False
        self._rates = self._some_rates()
        self._handles: list[tuple[Job, TaskHandle[Any, Any]]] = []  # Any: of all kinds of tasks
        self._waiting: list[asyncio.Task[None]] = []

    def new_link(self, name: str) -> Link:
        """Return a way to the server."""
        return Link(self.server, self._rates, random.Random(f"{name} {self.seed}"))

    async def run(self) -> None:
        """Send jobs while faults happen, let everything heal, and see whether all has come to its end."""
        processes = [_Process(self, number) for number in range(self.chance.randint(1, 4))]
        lives = [asyncio.create_task(process.run(), name=f"process {process.number}") for process in processes]
        clients = [_Client(self, number) for number in range(2)]
        for client in clients:
            await client.broker.open()
        sending = [asyncio.create_task(client.send_jobs(), name="sending") for client in clients]
        await self._make_trouble(processes)
        self._heal(processes)
        await asyncio.gather(*sending)
        await self._see_everything_end()
        self.is_over = True
        await self._see_workers_stop(processes, lives)
        for client in clients:
            await client.broker.close()
        left = [task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        if left:
            self.witness.breach(f"these still run: {left}")

    async def _make_trouble(self, processes: list[_Process]) -> None:
        for _ in range(self.chance.randint(0, 12)):
            await asyncio.sleep(self.chance.expovariate(0.5))
            process = self.chance.choice(processes)
            what = self.chance.choice(["kill", "kill", "freeze", "freeze", "stop", "down", "cancel", "cancel"])
            self.witness.note(f"TROUBLE: {what} {process.number}")
            if what == "kill":
                process.die()
            elif what == "freeze":
                process.freeze(self.chance.uniform(0, 3 * self.lease))
            elif what == "stop":
                process.stop()
            elif what == "down":
                self.server.is_down = True
                await asyncio.sleep(self.chance.uniform(0, 2 * self.lease))
                self.server.is_down = False
            else:
                await self._cancel_one()

    async def _cancel_one(self) -> None:
        handles = [handle for job, handle in self._handles if job.may_be_cancelled]
        if handles:
            try:
                await self.chance.choice(handles).cancel()
            except BackendUnavailable as error:
                self.witness.note(f"not cancelled: {error}")

    def _heal(self, processes: list[_Process]) -> None:
        self.witness.note("all faults are over")
        self.server.is_down = False
        self._rates.refused = self._rates.lost = self._rates.late = self._rates.news_lost = 0.0
        for process in processes:
            process.link.resume()

    def accept(self, job: Job, handle: TaskHandle[Any, Any], clients: list[Broker]) -> None:
        """Take notice of a job that was accepted, and have everyone wait for it."""
        self.witness.note(f"{job.kind} {job.number} is {self.witness.name(handle.id)}")
        self._handles.append((job, handle))
        self._waiting += [asyncio.create_task(self._wait(job, handle), name=f"waiter of {job.number}")]
        for broker in clients:
            other = broker.handle(broker.tasks[job.kind], handle.id)
            self._waiting.append(asyncio.create_task(self._wait(job, other), name=f"other waiter of {job.number}"))

    async def _wait(self, job: Job, handle: TaskHandle[Any, Any]) -> None:
        while True:
            try:
                outcome = await handle.outcome()
            except BackendUnavailable:
                await asyncio.sleep(0.5)
            except TypedTasksError as error:
                self.witness.breach(f"{job.kind} {job.number} ({self.witness.name(handle.id)}): {error!r}")
                return
            else:
                if not job.accepts(outcome):
                    self.witness.breach(f"{job.kind} {job.number} ended as {outcome!r:.300}")
                return

    async def _see_everything_end(self) -> None:
        begun = asyncio.get_running_loop().time()
        _, unanswered = await asyncio.wait(self._waiting, timeout=_PATIENCE) if self._waiting else (None, set())
        if unanswered:
            self.witness.breach(f"never answered: {[task.get_name() for task in unanswered]}")
            for task in unanswered:
                task.cancel()
        backend = self.server.backend
        while (found := await backend.counts("default")) != Counts(dead=found.dead):
            if asyncio.get_running_loop().time() - begun > _PATIENCE:
                self.witness.breach(f"tasks are left at the end: {found}")
                break
            await asyncio.sleep(10)
        for letter in await backend.dead_letters("default"):
            self.witness.breach(f"an innocent is a dead letter: {letter}")
        for job, handle in self._handles:
            if handle.id not in self.witness.outcomes:
                self.witness.breach(f"{job.kind} {job.number} ({self.witness.name(handle.id)}) has no outcome")

    async def _see_workers_stop(self, processes: list[_Process], lives: list[asyncio.Task[None]]) -> None:
        for process in processes:
            process.stop()
        _, running = await asyncio.wait(lives, timeout=_GRACE + 15)
        if running:
            self.witness.breach(f"did not stop: {[task.get_name() for task in running]}")
            for task in running:
                task.cancel()

    def _some_rates(self) -> Rates:
        chance = self.chance
        refused, lost, late, news_lost = (
            chance.choice([0.0, 0.0, chance.uniform(0, 0.1), chance.uniform(0, 0.4)]) for _ in range(4)
        )
        return Rates(refused, lost, late, chance.choice([0.05, 1.0, 2 * self.lease]), news_lost)


class _Process:
    """One worker process, and those that follow it when it has died."""

    def __init__(self, world: _World, number: int) -> None:
        self.number = number
        self.link = world.new_link(f"worker {number}.0")
        self._world = world
        self._backend = FaultyBackend(self.link, f"worker {number}")
        self._broker = Broker(cast("Backend", self._backend), clock=world.clock)  # but for the operator's verbs it is one
        define(self._broker, world.runs, self, knows_all=number == 0)
        self._chance = random.Random(f"process {number} {world.seed}")
        self._worker: Worker | None = None
        self._life: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Live, and live again."""
        life = 0
        while not self._world.is_over:
            session = SessionId(f"w{self.number}.{life}")
            self._life = asyncio.create_task(self._live(session), name=f"worker {session}")
            await asyncio.wait([self._life])
            if not self._life.cancelled():
                error = self._life.exception()
                if error is not None and not isinstance(error, BackendUnavailable):
                    self._world.witness.breach(f"worker {session} ended with {error!r}")
            life += 1
            self.link = self._backend.link = self._world.new_link(f"worker {self.number}.{life}")
            if self._chance.random() < 0.5:
                await self._world.server.backend.expire(session, ["default"])
            if not self._world.is_over:
                await asyncio.sleep(self._chance.uniform(0, 3))

    def die(self) -> None:
        """End it: nothing of its clean-up has an effect."""
        if self._life is not None and not self._life.done():
            self.link.is_dead = True
            self.link.resume()
            self._life.cancel()

    def freeze(self, seconds: float) -> None:
        """Stop it for some time."""
        self.link.pause()
        asyncio.get_running_loop().call_later(seconds, self.link.resume)

    def stop(self) -> None:
        """Ask it to stop."""
        if self._worker is not None:
            self._worker.stop()

    async def _live(self, session: SessionId) -> None:
        await self._broker.open()
        try:
            concurrency = self._chance.choice([1, 2, 5])
            self._worker = Worker(
                self._broker, concurrency=concurrency, lease=self._world.lease, grace=_GRACE, heartbeat=LoopHeartbeat
            )
            if self._world.is_over:
                self._worker.stop()
            await self._worker.run(session_id=session)
        finally:
            await self._broker.close()


class _Client:
    """Someone who sends jobs and waits for them."""

    def __init__(self, world: _World, number: int) -> None:
        self._world = world
        self._number = number
        self._chance = random.Random(f"client {number} {world.seed}")
        self.link = world.new_link(f"client {number}")
        self.broker = Broker(cast("Backend", FaultyBackend(self.link, f"client {number}")), clock=world.clock)
        define(self.broker, world.runs, self, knows_all=True)

    def die(self) -> None:
        """Never happens: no task runs here."""
        raise NotImplementedError

    async def send_jobs(self) -> None:
        """Send jobs, some now and some later."""
        for number in range(self._chance.randint(1, 12)):
            await asyncio.sleep(self._chance.choice([0.0, 0.0, self._chance.expovariate(1.0)]))
            job = Job(
                1000 * self._number + number,
                self._chance.choice(_KINDS),
                may_be_cancelled=self._chance.random() < 0.3,
                may_expire=self._chance.random() < 0.1,
            )
            try:
                handle = await send(self.broker, job, self._chance, 2 * self._world.lease)
            except BackendUnavailable as error:
                self._world.witness.note(f"{job.kind} {job.number} was not accepted: {error}")
            else:
                self._world.accept(job, handle, [self.broker] if self._chance.random() < 0.3 else [])


@contextmanager
def _silent() -> Iterator[None]:
    log = logging.getLogger("typedtasks")
    level = log.level
    log.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        log.setLevel(level)
