"""Short tasks are taken ahead of free slots; a slow task never keeps others from a worker that could run them."""

from __future__ import annotations

import asyncio

from tests.main_job.stage import Stage
from typedtasks import Worker


async def test_what_was_taken_ahead_is_given_back_when_slow_tasks_fill_the_slots(stage: Stage) -> None:
    """The first worker runs short tasks, takes more of them ahead, and is then blocked; the second runs all that is left."""
    broker = stage.broker()
    blocked, release = asyncio.Event(), asyncio.Event()

    @broker.task(name="short")
    async def short(number: int) -> int:
        return number

    @broker.task(name="slow")
    async def slow() -> None:
        blocked.set()
        await release.wait()

    calls = [short.call(number) for number in range(400)]
    async with broker, asyncio.timeout(20):
        first = await broker.enqueue_many(calls)
        slow_ones = await broker.enqueue_many([slow.call(), slow.call()])
        rest = await broker.enqueue_many(calls)
        async with Worker(broker, concurrency=2):
            await blocked.wait()
            async with Worker(broker, concurrency=2):
                for handle, number in zip([*first, *rest], [*range(400)] * 2, strict=True):
                    assert await handle.result() == number
                assert (await broker.counts()).running == 2
                release.set()
                for slow_one in slow_ones:
                    await slow_one.result()
        counts = await broker.counts()
    assert counts.running == counts.ready == counts.dead == 0
