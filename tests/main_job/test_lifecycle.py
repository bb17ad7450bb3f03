"""What whoever waits is told when a broker closes, is opened again, or its queue is purged."""

from __future__ import annotations

import asyncio

import pytest

from tests.main_job.stage import Stage
from typedtasks import Broker, BrokerClosed, ResultLost, Worker

PATIENCE = 10.0
LARGE = 20_000
"""Characters of a result that is too large to be pushed, so that it has to be read."""


def test_a_broker_can_be_opened_again_in_another_event_loop(stage: Stage) -> None:
    broker = stage.broker()

    @broker.task(name="large")
    async def large(size: int) -> str:
        return "x" * size

    async def once() -> int:
        async with broker, Worker(broker):
            return len(await (await large.enqueue(LARGE)).result(timeout=PATIENCE))

    assert [asyncio.run(once()) for _ in range(2)] == [LARGE, LARGE]


def test_a_worker_may_run_again_in_another_event_loop(stage: Stage) -> None:
    """As a suite needs it whose tests have a loop each, whether it is entered or run."""
    broker = stage.broker()
    worker = Worker(broker)

    @broker.task(name="double")
    async def double(value: int) -> int:
        return 2 * value

    async def entered() -> int:
        async with broker, worker:
            return await (await double.enqueue(21)).result(timeout=PATIENCE)

    async def run() -> int:
        async with broker:
            handle = await double.enqueue(21)
            await Worker.run(again, burst=True)
            return await handle.result(timeout=PATIENCE)

    again = Worker(broker)
    assert [asyncio.run(turn()) for turn in (entered, entered, run, run)] == [42] * 4


async def _waiter(broker: Broker) -> asyncio.Task[None]:
    """Wait for a task that no worker takes."""

    @broker.task(name="never")
    async def never() -> None: ...

    waiter = asyncio.create_task((await never.enqueue()).result())
    await asyncio.wait([waiter], timeout=0.05)
    return waiter


async def test_whoever_waits_when_the_broker_closes_gets_broker_closed(stage: Stage) -> None:
    broker = stage.broker()
    async with broker:
        waiter = await _waiter(broker)
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(BrokerClosed, match="closed while"):
            await waiter


async def test_whoever_waits_for_a_purged_task_gets_result_lost(stage: Stage) -> None:
    broker = stage.broker()
    async with broker:
        waiter = await _waiter(broker)
        assert await broker.purge() == 1
        async with asyncio.timeout(PATIENCE):
            with pytest.raises(ResultLost, match="is unknown"):
                await waiter


async def test_a_result_above_the_limit_is_result_invalid(stage: Stage) -> None:
    broker = stage.broker(max_result=1000)

    @broker.task(name="large")
    async def large(size: int) -> str:
        return "x" * size

    async with broker, Worker(broker):
        outcome = await (await large.enqueue(LARGE)).outcome(timeout=PATIENCE)
        assert "large returned more than may be stored" in str(outcome)
        assert "20002 bytes as JSON, and at most 1000" in str(outcome)
