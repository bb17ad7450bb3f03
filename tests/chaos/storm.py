"""One run: a producer, a fleet of workers, faults, and the count of what became of each task."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from tests.chaos import application
from tests.chaos.fleet import Fleet
from tests.chaos.plan import Plan, Report
from tests.redis_server import RedisServer, SentinelSite
from typedtasks import Broker, Success, TaskHandle
from typedtasks.errors import BackendUnavailable

__all__ = ["Storm"]

_BATCH = 50
_DEPARTURE = 2.0
"""Seconds before the first fault: the workers have begun by then."""


class Storm:
    """Runs one plan with one seed, on SQLite, on a Redis of its own, or on one behind Sentinels, which then is never away."""

    def __init__(self, plan: Plan, seed: int, folder: Path, *, store: str, say: Callable[[str], None] = lambda text: None) -> None:
        self._plan = plan
        self._chance = random.Random(seed)
        self._folder = folder
        self._say = say
        options = ("--save", "", "--appendonly", "yes", "--appendfsync", "everysec")
        self._redis = RedisServer(folder, options) if store == "redis" else None
        self._server = SentinelSite(folder, 3) if store == "sentinel" else self._redis
        self._url = self._server.url if self._server else f"sqlite:///{folder / 'tasks.db'}"
        self._log = folder / "log"
        self._report = Report(seed, self._url.partition(":")[0], plan.most_executions)
        self._outcomes: dict[int, asyncio.Task[object]] = {}
        self._poison: list[TaskHandle[Any, Any]] = []  # Any: only their ids count
        self._ids: dict[str, int] = {}

    async def run(self) -> Report:
        """Return what has come of it."""
        if self._server is not None:
            await asyncio.to_thread(self._server.start)
        environment = {"TYPEDTASKS_URL": self._url, "CHAOS_LOG": str(self._log)}
        fleet = Fleet(self._plan.fleet, environment, self._folder, self._plan.lease, self._plan.concurrency)
        begun = time.monotonic()
        try:
            async with _resending(self._broker(), self._plan.resends, self._chance, self._report) as broker:
                tending = asyncio.create_task(_tend(fleet))
                producing = asyncio.create_task(self._produce(broker))
                await self._disturb(fleet)
                await producing
                calm = time.monotonic()
                await self._settle(calm)
                self._report.left = asdict(await broker.counts())
                await self._look_at_dead_letters(broker)
                tending.cancel()
            self._report.exit_codes = fleet.stop()
        finally:
            fleet.end()
            if self._server is not None:
                self._server.kill()
        self._report.seconds = time.monotonic() - begun
        self._count()
        return self._report

    @property
    def output(self) -> str:
        """What the workers have printed."""
        return "".join(path.read_text(errors="replace") for path in sorted(self._folder.glob("worker-*.log")))

    def _broker(self) -> Broker:
        broker = Broker(self._url)
        for task in (application.step, application.poison, application.newer, application.changed):
            broker.task(name=task.name)(task.function)
        return broker

    async def _produce(self, broker: Broker) -> None:
        """Send everything at an even pace. What was refused is sent again as another task: whether it was stored is not known."""
        plan, tasks = self._plan, broker.tasks
        poisonous = set(self._chance.sample(range(plan.tasks), plan.poison))
        clock, begun = asyncio.get_running_loop().time, asyncio.get_running_loop().time()
        number = 0
        while number < plan.tasks:
            numbers = range(number, min(plan.tasks, number + _BATCH))
            calls = []
            for n in numbers:
                seconds = self._chance.uniform(0.001, 0.02)
                if n in poisonous:
                    calls.append(tasks["chaos.poison"].call(n))
                else:
                    chance = self._chance.random()
                    if chance < plan.changed:
                        calls.append(tasks["chaos.changed"].call(n, seconds, why="chaos"))
                    else:
                        calls.append(tasks["chaos.newer" if chance < plan.changed + plan.newer else "chaos.step"].call(n, seconds))
            try:
                handles = await broker.enqueue_many(calls)
            except BackendUnavailable:
                self._report.faults["refused batches"] += 1
                await asyncio.sleep(0.2)
                continue
            for n, handle in zip(numbers, handles, strict=True):
                self._ids[handle.id] = n
                if n in poisonous:
                    self._poison.append(handle)
                else:
                    self._outcomes[n] = asyncio.create_task(self._outcome_of(handle))
            self._report.accepted += len(handles)
            number += _BATCH
            await asyncio.sleep(max(0, begun + plan.seconds * number / plan.tasks - clock()))

    async def _outcome_of(self, handle: TaskHandle[Any, Any]) -> object:
        while True:
            try:
                match await handle.outcome():
                    case Success(value):
                        return value
                    case other:
                        return other
            except BackendUnavailable:
                await asyncio.sleep(0.2)  # the handle can be awaited again

    async def _disturb(self, fleet: Fleet) -> None:
        plan = self._plan
        faults = ["kill"] * plan.kills + ["host"] * plan.hosts + ["pause"] * plan.pauses
        faults += ["redis"] * (plan.redis_kills if self._redis else 0)
        self._chance.shuffle(faults)
        times = sorted(self._chance.uniform(_DEPARTURE, plan.seconds) for _ in faults)
        begun = time.monotonic()
        pauses: list[asyncio.Task[None]] = []
        for at, fault in zip(times, faults, strict=True):
            await asyncio.sleep(max(0, begun + at - time.monotonic()))
            while len(fleet.workers()) < 2:
                await asyncio.sleep(0.05)
            self._say(f"{time.monotonic() - begun:6.1f} s  {fault}; {len(self._outcomes):,} sent, {self._open():,} open")
            self._report.faults[fault] += 1
            match fault:
                case "kill":
                    fleet.kill_worker(self._chance)
                case "host":
                    await asyncio.to_thread(fleet.kill_host, self._chance)
                case "pause":
                    pauses.append(asyncio.create_task(self._pause(fleet)))
                case _:
                    await asyncio.to_thread(self._restart_redis)
        if pauses:
            await asyncio.wait(pauses)

    async def _pause(self, fleet: Fleet) -> None:
        process = fleet.pause_worker(self._chance)
        await asyncio.sleep(self._plan.lease + 1.0)
        fleet.resume_worker(process)

    def _restart_redis(self) -> None:
        assert self._redis is not None, "only then it is asked for"
        self._redis.kill()
        time.sleep(self._chance.uniform(0.1, 1.0))  # it is away for a while
        self._redis.start()

    def _open(self) -> int:
        return sum(not outcome.done() for outcome in self._outcomes.values())

    async def _settle(self, calm: float) -> None:
        """Wait until everything has ended, and judge it."""
        poison = [asyncio.create_task(self._outcome_of(handle)) for handle in self._poison]
        waiting = [*self._outcomes.values(), *poison]
        _, late = await asyncio.wait(waiting, timeout=self._plan.patience)
        self._report.settled_after = time.monotonic() - calm
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        self._report.lost = len(late)
        self._report.poison = len(self._poison)
        self._report.wrong = sum(task.result() != n for n, task in self._outcomes.items() if not task.cancelled())

    async def _look_at_dead_letters(self, broker: Broker) -> None:
        poison = {handle.id for handle in self._poison}
        for letter in await broker.dead_letters(limit=100_000):
            if letter.id in poison:
                self._report.buried += 1
            else:
                self._report.innocents += 1
                self._say(f"an innocent dead letter: {letter.reason}")

    def _count(self) -> None:
        commits: Counter[str] = Counter()
        for line in self._log.read_text().splitlines():
            kind, _, name = line.partition(" ")
            self._report.executions += kind == "run"
            if kind == "commit":
                commits[name] += 1
        self._report.committed_twice = sum(number > 1 for number in commits.values())


async def _tend(fleet: Fleet) -> None:
    while True:
        fleet.tend()
        await asyncio.sleep(0.5)


class _resending:  # noqa: N801 - it reads as a function
    """An open broker, a share of whose batches is sent twice, as a client does that has lost the answer."""

    def __init__(self, broker: Broker, share: float, chance: random.Random, report: Report) -> None:
        self._broker = broker
        if not hasattr(broker.backend, "_publish_script"):
            return
        # Any: the second sending has to happen below the backend's own numbering, where only a lost answer causes it.
        backend = cast("Any", broker.backend)
        publish = backend._publish

        async def publish_twice(queue: str, envelopes: object) -> object:
            if chance.random() >= share:
                return await publish(queue, envelopes)
            report.resent += 1
            commands = backend._open_commands
            run = commands.run

            async def run_twice(*arguments: object) -> object:
                await run(*arguments)
                return await run(*arguments)

            commands.run = run_twice
            try:
                return await publish(queue, envelopes)
            finally:
                commands.run = run

        backend._publish = publish_twice

    async def __aenter__(self) -> Broker:
        return await self._broker.open()

    async def __aexit__(self, *_: object) -> None:
        await self._broker.close()
