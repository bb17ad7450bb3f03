"""Calls with one `dedup_key` are one task while its window runs, and every caller has its result."""

from __future__ import annotations

import asyncio

from tests.main_job.stage import Stage
from typedtasks import AsyncTask, Broker, Worker

PATIENCE = 10


def charging(broker: Broker, name: str = "charge", *, queue: str = "default") -> AsyncTask[[int], int]:
    """Return a task of a broker."""

    @broker.task(name=name, queue=queue)
    async def charge(cents: int) -> int:
        return cents

    return charge


async def test_a_second_call_with_the_key_is_the_first_task(stage: Stage) -> None:
    """Its own arguments are not sent, and both handles give the first one's result."""
    broker = stage.broker()
    charge = charging(broker)
    async with broker:
        once = charge.options(dedup_key="order-17")
        first, second = await once.enqueue(1), await once.enqueue(2)
        assert second.id == first.id
        assert (first.deduplicated, second.deduplicated) == (False, True)
        assert (await broker.counts()).ready == 1
        async with Worker(broker):
            assert [await first.result(PATIENCE), await second.result(PATIENCE)] == [1, 1]
            third = await once.enqueue(3)
            assert (third.deduplicated, await third.result(PATIENCE)) == (True, 1)


async def test_the_result_comes_to_whoever_sent_the_duplicate(stage: Stage) -> None:
    """Another client than that which sent the task, and before and after the task has ended."""
    one, two = stage.broker(), stage.broker()
    charge_one, charge_two = charging(one), charging(two)
    async with one, two:
        await charge_one.options(dedup_key="k").enqueue(1)
        early = await charge_two.options(dedup_key="k").enqueue(2)
        waiting = asyncio.create_task(early.result(PATIENCE))
        await asyncio.sleep(0.05)  # so that it waits; being early would only test less
        async with Worker(one):
            assert await waiting == 1
        late = await charge_two.options(dedup_key="k").enqueue(2)
        assert (late.id, late.deduplicated, await late.result(PATIENCE)) == (early.id, True, 1)


async def test_concurrent_calls_with_one_key_are_one_task(stage: Stage) -> None:
    """Whoever of them comes first."""
    broker = stage.broker()
    charge = charging(broker)
    async with broker:
        handles = await asyncio.gather(*[charge.options(dedup_key="k").enqueue(number) for number in range(50)])
        assert len({handle.id for handle in handles}) == 1
        assert sorted(handle.deduplicated for handle in handles) == [False] + 49 * [True]
        assert (await broker.counts()).ready == 1


async def test_calls_of_a_batch_with_one_key_are_one_task(stage: Stage) -> None:
    """Handles come in the order of the calls, over several groups of 1,000."""
    broker = stage.broker()
    charge = charging(broker)
    async with broker:
        calls = [charge.options(dedup_key=f"order-{number % 1500}").call(number) for number in range(2500)]
        handles = await broker.enqueue_many([charge.call(0), *calls, charge.call(1)])
        assert [handle.deduplicated for handle in handles] == 1501 * [False] + 1000 * [True] + [False]
        assert [handle.id for handle in handles[1501:2501]] == [handle.id for handle in handles[1:1001]]
        assert (await broker.counts()).ready == 1502


async def test_a_key_belongs_to_its_task_and_its_queue(stage: Stage) -> None:
    """Equal keys elsewhere are other keys."""
    broker = stage.broker()
    charge, refund = charging(broker), charging(broker, "refund")
    async with broker:
        handles = [
            await task.options(dedup_key="k", queue=queue).enqueue(1) for task in (charge, refund) for queue in ("default", "slow")
        ]
        assert not any(handle.deduplicated for handle in handles)
        assert len({handle.id for handle in handles}) == 4


async def test_a_delayed_call_and_a_cancelled_one_hold_their_key(stage: Stage) -> None:
    """The window runs from the call, whatever becomes of the task."""
    broker = stage.broker()
    charge = charging(broker)
    async with broker:
        first = await charge.options(dedup_key="k", delay=3600).enqueue(1)
        assert (await charge.options(dedup_key="k").enqueue(1)).id == first.id
        await first.cancel()
        async with Worker(broker):
            await first.outcome(PATIENCE)
        assert (await charge.options(dedup_key="k").enqueue(1)).id == first.id


async def test_after_the_window_the_key_begins_again(stage: Stage) -> None:
    """By the backend's clock."""
    broker = stage.broker()
    charge = charging(broker)
    async with broker:
        once = charge.options(dedup_key="k", dedup_window=0.1)
        first = await once.enqueue(1)
        await asyncio.sleep(0.15)  # the store's own time has to pass
        second = await once.enqueue(2)
        assert second.id != first.id
        assert not second.deduplicated
