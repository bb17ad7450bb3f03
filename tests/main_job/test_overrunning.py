"""Tasks that do not stop when they are told to: whoever waits has an answer, and the log says what goes on."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest

from tests.main_job.stage import Stage
from typedtasks import Broker, Cancelled, Context, Crashed, Depends, Retry, Success, TaskTimedOut, Worker
from typedtasks.injection import scope
from typedtasks.worker import hand

PATIENCE = 10.0


@pytest.fixture(autouse=True)
def little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let functions have little time to end after their cancellation."""
    monkeypatch.setattr(hand, "PATIENCE", 0.05)
    monkeypatch.setattr(scope, "_TEARDOWN_LIMIT", 0.05)


class Stubborn:
    """A function that swallows cancellations until it is let go."""

    def __init__(self) -> None:
        self.runs = 0
        self.may_end = asyncio.Event()

    async def __call__(self) -> None:
        self.runs += 1
        while not self.may_end.is_set():
            try:
                await self.may_end.wait()
            except asyncio.CancelledError:
                continue


async def test_a_task_that_swallows_its_timeout_is_settled_once_and_keeps_its_slot(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """The waiter has `TaskTimedOut`; the log names the task; what it returns in the end changes nothing, and frees the slot."""
    broker, stubborn = stage.broker(), Stubborn()

    @broker.task(name="stubborn", timeout=0.05)
    async def work() -> int:
        await stubborn()
        return 7

    @broker.task(name="next")
    async def following() -> int:
        return 1

    worker = Worker(broker, concurrency=1)
    async with broker, worker:
        handle = await work.enqueue()
        outcome = await handle.outcome(timeout=PATIENCE)
        assert isinstance(outcome, Crashed)
        assert isinstance(outcome.error, TaskTimedOut)
        assert outcome.message == (
            "stubborn ran longer than its timeout of 0.05 s, and ignores its cancellation: it goes on in its worker."
        )
        later = await following.enqueue()
        assert await later.peek() is None
        stubborn.may_end.set()
        assert await later.result(timeout=PATIENCE) == 1
        again = await handle.outcome()
        assert isinstance(again, Crashed)
        assert again.message == outcome.message
    assert worker.tally.failed == 1
    assert f"stubborn {handle.id}: its task is over, but it has ignored its cancellation" in caplog.text
    assert "All 1 slots of this worker are held by functions that were given up" in caplog.text


async def test_a_task_that_swallows_its_cancellation_is_cancelled_all_the_same(stage: Stage) -> None:
    """Within a moment, although it has no timeout."""
    broker, stubborn = stage.broker(), Stubborn()
    begun = asyncio.Event()

    @broker.task(name="stubborn")
    async def work() -> None:
        begun.set()
        await stubborn()

    async with broker, Worker(broker):
        handle = await work.enqueue()
        await asyncio.wait_for(begun.wait(), PATIENCE)
        await handle.cancel()
        assert await handle.outcome(timeout=PATIENCE) == Cancelled()
        stubborn.may_end.set()
    assert stubborn.runs == 1


async def test_a_retry_follows_a_timeout_that_was_swallowed() -> None:
    """Each attempt that goes on holds a slot, and none of them settles the task again."""
    broker, stubborn = Broker("memory://"), Stubborn()

    @broker.task(name="stubborn", timeout=0.02, retry=Retry(max_attempts=3, backoff=0.001))
    async def work() -> None:
        await stubborn()

    worker = Worker(broker)
    async with broker, worker:
        outcome = await (await work.enqueue()).outcome(timeout=PATIENCE)
        assert isinstance(outcome, Crashed)
        assert (outcome.attempts, stubborn.runs) == (3, 3)
        stubborn.may_end.set()
    assert (worker.tally.failed, worker.tally.retried) == (1, 2)


async def test_a_teardown_that_swallows_its_limit_does_not_keep_the_result(caplog: pytest.LogCaptureFixture) -> None:
    """What follows from the task is decided before."""
    broker, stubborn = Broker("memory://"), Stubborn()

    async def resource() -> AsyncIterator[int]:
        yield 1
        await stubborn()

    @broker.task(name="work")
    async def work(*, one: int = Depends(resource)) -> int:
        return one

    async with broker, Worker(broker):
        handle = await work.enqueue()
        assert await handle.outcome(timeout=PATIENCE) == Success(1, 1)
        stubborn.may_end.set()
    assert f"work {handle.id}: its task is over, but what comes after the yield of its dependencies goes on" in caplog.text


@pytest.mark.parametrize("has_dependencies", [False, True])
async def test_a_thread_that_runs_out_of_time_is_said_to_go_on(has_dependencies: bool, caplog: pytest.LogCaptureFixture) -> None:
    """It was not stopped: Python cannot do that."""
    broker, may_end = Broker("memory://"), threading.Event()

    @broker.task(name="plain", timeout=0.02)
    def plain() -> None:
        may_end.wait(PATIENCE)

    @broker.task(name="injected", timeout=0.02)
    def injected(*, context: Context = Depends()) -> None:
        may_end.wait(PATIENCE)

    task = injected if has_dependencies else plain
    async with broker, Worker(broker):
        handle = await task.enqueue()
        outcome = await handle.outcome(timeout=PATIENCE)
        may_end.set()
    assert isinstance(outcome, Crashed)
    assert outcome.message == (
        f"{task.name} ran longer than its timeout of 0.02 s, and its thread goes on until the function returns, because Python "
        "cannot stop a thread."
    )
    assert f"{task.name} ({handle.id}): its task is over, but its thread goes on" in caplog.text


async def test_a_worker_that_ends_names_what_ignores_it(caplog: pytest.LogCaptureFixture) -> None:
    """It does not wait for it."""
    broker, stubborn = Broker("memory://"), Stubborn()
    begun = asyncio.Event()

    @broker.task(name="stubborn")
    async def work() -> None:
        begun.set()
        await stubborn()

    async with broker:
        async with Worker(broker, grace=0):
            handle = await work.enqueue()
            await asyncio.wait_for(begun.wait(), PATIENCE)
        assert f"1 tasks ignore their cancellation; they are left behind: stubborn {handle.id}." in caplog.text
        stubborn.may_end.set()
        await asyncio.sleep(0)
