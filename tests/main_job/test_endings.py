"""How tasks end, and how long others wait for it: cancelled, expired, too late, lost, closed; on every backend."""

from __future__ import annotations

import asyncio

import pytest

from tests.main_job.stage import Stage
from typedtasks import (
    BrokerClosed,
    Cancelled,
    Crashed,
    Expired,
    ResultExpired,
    ResultLost,
    ResultTimeout,
    Retry,
    TaskCancelled,
    TaskExpired,
    Worker,
)
from typedtasks.backend import Priority, Publication, new_task_id
from typedtasks.envelope import Header, write_header

PATIENCE = 10.0


async def test_a_waiting_task_can_be_cancelled(stage: Stage) -> None:
    """It is never started; its outcome is Cancelled."""
    broker = stage.broker()
    ran: list[str] = []

    @broker.task(name="run")
    async def run(what: str) -> None:
        ran.append(what)

    async with broker:
        waiting, delayed = await run.enqueue("waiting"), await run.options(delay=3600).enqueue("delayed")
        await waiting.cancel()
        await delayed.cancel()
        async with Worker(broker):
            assert await waiting.outcome(timeout=PATIENCE) == Cancelled()
            with pytest.raises(TaskCancelled):
                await delayed.result(timeout=PATIENCE)
    assert ran == []


async def test_a_running_task_can_be_cancelled(stage: Stage) -> None:
    """It gets a CancelledError at its await."""
    broker = stage.broker()
    started = asyncio.Event()

    @broker.task(name="hang")
    async def hang() -> None:
        started.set()
        await asyncio.Event().wait()

    async with broker, Worker(broker):
        handle = await hang.enqueue()
        await asyncio.wait_for(started.wait(), PATIENCE)
        await handle.cancel()
        assert await handle.outcome(timeout=PATIENCE) == Cancelled()


async def test_a_task_that_was_not_started_in_time_expires(stage: Stage) -> None:
    """It is not run any more."""
    broker = stage.broker()

    @broker.task(name="run")
    async def run() -> str:
        return "ran"

    async with broker:
        handle = await run.options(expires=0.001).enqueue()
        await asyncio.sleep(0.01)  # the time that has to pass is what the test is about
        async with Worker(broker):
            assert await handle.outcome(timeout=PATIENCE) == Expired()
            with pytest.raises(TaskExpired):
                await handle.result(timeout=PATIENCE)


async def test_a_task_whose_retry_would_come_too_late_ends_with_its_failure(stage: Stage) -> None:
    """It was started in time, so it is not said to have expired; and who waits is told at once."""
    broker = stage.broker()

    @broker.task(name="fail", retry=Retry(max_attempts=3, backoff=3600))
    async def fail() -> None:
        raise OSError("it is broken")

    async with broker, Worker(broker):
        match await (await fail.options(expires=60).enqueue()).outcome(timeout=PATIENCE):
            case Crashed(message="it is broken", attempts=1):
                pass
            case other:
                raise AssertionError(other)


async def test_waiting_too_long_raises_and_the_handle_can_be_awaited_again(stage: Stage) -> None:
    """ResultTimeout ends the waiting, not the task."""
    broker = stage.broker()

    @broker.task(name="run")
    async def run() -> str:
        return "ran"

    async with broker:
        handle = await run.enqueue()
        with pytest.raises(ResultTimeout, match=r"gave no result within 0\.05 s\. The task goes on: await"):
            await handle.result(timeout=0.05)
        async with Worker(broker):
            assert await handle.result(timeout=PATIENCE) == "ran"


async def test_a_result_that_expired_says_so_instead_of_hanging(stage: Stage) -> None:
    """After result_ttl the outcome is gone, and so is the waiting."""
    broker = stage.broker(result_ttl=0.05)

    @broker.task(name="run")
    async def run() -> str:
        return "ran"

    async with broker, Worker(broker):
        handle = await run.enqueue()
        await handle.result(timeout=PATIENCE)
        await asyncio.sleep(0.1)  # the time that has to pass is what the test is about
        with pytest.raises(ResultExpired, match="result_ttl"):
            await broker.handle(run, handle.id).result(timeout=PATIENCE)
        with pytest.raises(ResultExpired, match="result_ttl"):
            await handle.result(timeout=PATIENCE)


async def test_an_id_that_nobody_knows_is_lost_not_awaited_for_ever(stage: Stage) -> None:
    """A purged task has no outcome any more."""
    broker = stage.broker()

    @broker.task(name="run")
    async def run() -> str:
        return "ran"

    async with broker:
        handle = await run.enqueue()
        assert await broker.purge() == 1
        with pytest.raises(ResultLost, match="is unknown"):
            await broker.handle(run, handle.id).result(timeout=30)


async def test_an_old_id_that_nobody_knows_is_lost_at_once(stage: Stage) -> None:
    """It cannot be on its way any more. One that is known, however old, is waited for."""
    broker = stage.broker()

    @broker.task(name="run")
    async def run() -> str:
        return "ran"

    async with broker:
        minute_ago = broker.clock.now() - 60
        unknown = broker.handle(run, new_task_id("default", minute_ago))
        async with asyncio.timeout(3):  # less than the patience with ids that are new
            with pytest.raises(ResultLost, match="is unknown"):
                await unknown.result()
        id = new_task_id("default", minute_ago)
        await broker.backend.publish([Publication(id, "default", Priority.NORMAL, write_header(Header("run")) + b"{}")])
        known = broker.handle(run, id)
        with pytest.raises(ResultTimeout, match="Whether the task is still known was not found out"):
            await known.result(timeout=0.2)
        async with Worker(broker):
            assert await known.result(timeout=PATIENCE) == "ran"


async def test_a_closed_broker_says_so_by_name(stage: Stage) -> None:
    """It never hangs."""
    broker = stage.broker()

    @broker.task(name="run")
    async def run() -> None: ...

    with pytest.raises(BrokerClosed, match="use it inside `async with broker:`"):
        await run.enqueue()
    async with broker:
        handle = await run.enqueue()
    with pytest.raises(BrokerClosed, match="is not open"):
        await handle.result(timeout=1)
