"""Scenes that the simulation found, each played by itself: what was wrong there stays right."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from tests.simulation.virtual_time import LoopClock, VirtualLoop, simulated
from typedtasks import Broker, Worker
from typedtasks.backend import Delivery, TaskId
from typedtasks.backends.memory import MemoryBackend
from typedtasks.backends.memory_state import Entry
from typedtasks.batching import cancel_and_wait
from typedtasks.worker.lease import Heartbeat


class Still(Heartbeat):
    """Never beats: no scene is as long as a lease."""

    def start(self) -> None:
        return

    async def stop(self) -> None:
        return


class Counting(MemoryBackend):
    """Counts how often it hands something out."""

    handed_out = 0

    def lease_out(self, name: str, entry: Entry, session: str) -> Delivery:
        self.handed_out += 1
        return super().lease_out(name, entry, session)  # type: ignore[arg-type]  # a NewType of str


def test_a_parked_task_is_not_tossed_between_a_full_worker_that_knows_it_and_an_idle_one_that_does_not() -> None:
    """In a rolling deployment they would do nothing else: once a second is often enough."""
    loop = VirtualLoop()
    clock = LoopClock(loop)
    backend = Counting(clock)
    new, old = Broker(backend, clock=clock), Broker(backend, clock=clock)

    @new.task(name="long")
    async def long() -> None:
        await asyncio.sleep(10)

    @new.task(name="rare")
    async def rare() -> str:
        return "done"

    async def scene() -> int:
        options = {"concurrency": 1, "lease": 1000.0, "heartbeat": Still}
        async with new, old:
            await long.enqueue()
            async with Worker(new, **options):  # type: ignore[arg-type]  # they are of a type by name
                await asyncio.sleep(1)
                async with Worker(old, **options):  # type: ignore[arg-type]  # see above
                    handle = await rare.enqueue()
                    await asyncio.sleep(8)
                    handed_out = backend.handed_out
                assert await handle.result(timeout=20) == "done"
        return handed_out

    assert simulated(loop, scene()) < 20


def test_a_worker_that_is_cancelled_during_its_grace_time_leaves_nothing_running() -> None:
    """Whoever cancels it goes on on the same event loop."""
    loop = VirtualLoop()
    clock = LoopClock(loop)
    broker = Broker(MemoryBackend(clock), clock=clock)

    @broker.task(name="long")
    async def long() -> None:
        await asyncio.sleep(100)

    async def scene() -> list[str]:
        async with broker:
            worker = Worker(broker, lease=1000.0, grace=50.0, heartbeat=Still)
            running = asyncio.create_task(worker.run())
            await long.enqueue()
            await asyncio.sleep(1)
            worker.stop()
            await asyncio.sleep(1)
            running.cancel()
            await asyncio.wait([running])
        return [task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task()]

    assert simulated(loop, scene()) == []


def test_a_broker_that_closes_leaves_no_question_under_way() -> None:
    """Those who asked have given up; the answer comes to a backend that is still there."""
    loop = VirtualLoop()
    clock = LoopClock(loop)

    class Slow(MemoryBackend):
        async def read_outcomes(self, ids: Sequence[TaskId]) -> dict[TaskId, bytes]:
            await asyncio.sleep(1)
            return await super().read_outcomes(ids)

    broker = Broker(Slow(clock), clock=clock)

    @broker.task(name="nothing")
    async def nothing() -> None:
        return

    async def scene() -> list[str]:
        async with broker:
            handles = [await nothing.enqueue() for _ in range(3)]
            asking = [asyncio.create_task(handle.peek()) for handle in handles]
            await asyncio.sleep(0.5)
            await cancel_and_wait(asking)
        return [task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task()]

    assert simulated(loop, scene()) == []
