"""Cases: a session that waits is woken by whatever makes a task ready for it, and by nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from typedtasks.backend import Delivery, SessionId, TaskId, queue_name
from typedtasks.testing.harness import BackendHarness, WorkerSide, bury, finish, park, retry

__all__ = ["WakingCases"]

_AT_ONCE = 0.9
"""Seconds. Looking again without being told takes a second and more."""


@asynccontextmanager
async def waiting(worker: WorkerSide, capacity: int = 1) -> AsyncGenerator[asyncio.Task[list[Delivery]], None]:
    """Yield what a session receives that waits; it has to be there at once after what is done meanwhile."""
    receiving = asyncio.create_task(worker.session.receive(capacity, 5.0))
    await asyncio.sleep(0.02)  # so that it waits; being early would only test less
    try:
        yield receiving
        async with asyncio.timeout(_AT_ONCE):
            await receiving
    finally:
        receiving.cancel()
        await asyncio.wait([receiving])


class WakingCases:
    """Cases of `Session.receive` that has to wait."""

    async def test_a_released_task_wakes(self, harness: BackendHarness) -> None:
        """Another worker had it, and gives it back."""
        client = await harness.client()
        one, two = await harness.worker(client, name="one"), await harness.worker(client, name="two")
        (id,) = await client.publish(harness.publication())
        delivery = await one.receive_one()
        async with waiting(two) as received:
            assert await one.session.release([delivery]) == [True]
        assert [delivery.id for delivery in received.result()] == [id]

    async def test_a_retry_wakes(self, harness: BackendHarness) -> None:
        """Where it has no delay."""
        client = await harness.client()
        one, two = await harness.worker(client, name="one"), await harness.worker(client, name="two")
        await client.publish(harness.publication())
        delivery = await one.receive_one()
        async with waiting(two) as received:
            assert await one.session.settle([retry(delivery, b"again")]) == [True]
        assert [delivery.body for delivery in received.result()] == [b"again"]

    async def test_what_follows_a_settlement_wakes(self, harness: BackendHarness) -> None:
        """The next step may be run by another worker."""
        client = await harness.client()
        one, two = await harness.worker(client, name="one"), await harness.worker(client, name="two")
        await client.publish(harness.publication())
        delivery = await one.receive_one()
        async with waiting(two) as received:
            await one.session.settle([finish(delivery)._replace(follow=(harness.publication(b"next"),))])
        assert [delivery.body for delivery in received.result()] == [b"next"]

    async def test_a_delayed_task_that_is_cancelled_wakes(self, harness: BackendHarness) -> None:
        """It is to be settled at once."""
        client, worker = await harness.pair()
        (id,) = await client.publish(harness.publication(delay_ms=60_000))
        async with waiting(worker) as received:
            await client.backend.cancel([id])
        assert [(delivery.id, delivery.cancelled) for delivery in received.result()] == [(id, True)]

    async def test_a_parked_task_that_is_taken_wakes_nobody_else(self, harness: BackendHarness) -> None:
        """It is handed to the one that has what it waits for; an idle one that has not, never sees it."""
        client = await harness.client()
        one, two = await harness.worker(client, name="one"), await harness.worker(client, name="two")
        await client.publish(harness.publication())
        await one.session.settle([park(await one.receive_one(), "known")])
        idle = asyncio.create_task(two.session.receive(1, 5.0))
        (delivery,) = await one.unpark("known")
        await client.publish(harness.publication(b"for anyone"))
        assert [received.body for received in await idle] == [b"for anyone"]
        assert await one.session.settle([finish(delivery)]) == [True]

    async def test_any_queue_of_a_session_wakes_it(self, harness: BackendHarness) -> None:
        """Not only the first."""
        client, worker = await harness.pair(queues=["a", "b", "c"])
        for queue in ("c", "b", "a"):
            async with waiting(worker) as received:
                await client.publish(harness.publication(queue=queue))
            (delivery,) = received.result()
            assert queue_name(delivery.queue) == queue
            assert await worker.session.settle([finish(delivery)]) == [True]

    async def test_another_queue_does_not_wake(self, harness: BackendHarness) -> None:
        """What is published there is for others."""
        client, worker = await harness.pair(queues=["a"])
        async with waiting(worker) as received:
            await client.publish(harness.publication(queue="b"))
            await asyncio.sleep(0.02)
            assert not received.done()
            await client.publish(harness.publication(queue="a"))
        assert [queue_name(delivery.queue) for delivery in received.result()] == ["a"]

    async def test_several_sessions_that_wait_share_what_comes(self, harness: BackendHarness) -> None:
        """Each takes what it has room for; none is told in vain for ever."""
        client = await harness.client()
        workers = [await harness.worker(client, name=f"worker{n}") for n in range(3)]
        async with waiting(workers[0]) as one, waiting(workers[1]) as two, waiting(workers[2]) as three:
            ids = await client.publish(*(harness.publication() for _ in range(3)))
        received = [delivery.id for task in (one, two, three) for delivery in task.result()]
        assert sorted(received) == sorted(ids)

    async def test_a_wait_without_any_task_ends_empty(self, harness: BackendHarness) -> None:
        """After its time, not before."""
        _, worker = await harness.pair()
        receiving = asyncio.create_task(worker.session.receive(1, 0.05))
        await asyncio.sleep(0.01)
        assert not receiving.done()
        await harness.pass_time(0.06)
        async with asyncio.timeout(_AT_ONCE):
            assert await receiving == []

    async def test_purging_disturbs_nobody_who_waits(self, harness: BackendHarness) -> None:
        """The next task arrives as before."""
        client, worker = await harness.pair()
        await client.publish(harness.publication(delay_ms=60_000))
        async with waiting(worker) as received:
            assert await client.backend.purge("default") == 1
            (id,) = await client.publish(harness.publication())
        assert [delivery.id for delivery in received.result()] == [id]

    async def test_a_session_that_is_ended_while_it_waits_keeps_nothing(self, harness: BackendHarness) -> None:
        """What it may be given after its end, another session gets, and only that one can settle it."""
        client = await harness.client()
        ended, alive = await harness.worker(client, name="ended"), await harness.worker(client, name="alive")
        receiving = asyncio.create_task(ended.session.receive(1, 0.2))
        await asyncio.sleep(0.02)
        await client.backend.expire(SessionId("ended"), ["default"])
        (id,) = await client.publish(harness.publication())
        taken: dict[TaskId, Delivery] = {}
        async with asyncio.timeout(_AT_ONCE):
            while not taken:
                taken = {delivery.id: delivery for delivery in [*await alive.receive(), *await alive.recover()]}
                await asyncio.sleep(0.005)
        await harness.pass_time(0.2)
        (given,) = await asyncio.gather(receiving, return_exceptions=True)
        for delivery in given if isinstance(given, list) else ():
            assert await ended.session.settle([finish(delivery, b"ended")]) == [False]
        assert await alive.session.settle([finish(taken[id], b"alive")]) == [True]
        assert await client.backend.read_outcomes([id]) == {id: b"alive"}

    async def test_a_burying_wakes_nobody(self, harness: BackendHarness) -> None:
        """A dead letter is not ready."""
        client, worker = await harness.pair()
        await client.publish(harness.publication())
        delivery = await worker.receive_one()
        async with waiting(worker) as received:
            await worker.session.settle([bury(delivery)])
            await asyncio.sleep(0.02)
            assert not received.done()
            await client.publish(harness.publication(b"next"))
        assert [delivery.body for delivery in received.result()] == [b"next"]
