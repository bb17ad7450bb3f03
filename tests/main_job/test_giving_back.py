"""What a worker does not run, another gets at once; what a dead one held goes before new tasks; cancellations reach everything."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from tests.main_job.stage import Stage
from typedtasks import Broker, Cancelled, DefinitionError, Success, Worker
from typedtasks.backend import SessionId
from typedtasks.testing import RecordingListener


async def test_a_task_that_is_cancelled_at_any_moment_ends_and_gives_its_slot_back(stage: Stage) -> None:
    """Waiting, on its way to the worker, before its first step, or running: none is left over."""
    broker = stage.broker()

    @broker.task(name="wait")
    async def wait(number: int) -> int:
        await asyncio.sleep(0 if number % 2 else 0.001)
        return number

    async def send_and_cancel(number: int) -> object:
        handle = await wait.enqueue(number)
        for _ in range(number % 7):
            await asyncio.sleep(0)
        await handle.cancel()
        return await handle.outcome(timeout=20)

    async with broker, Worker(broker, concurrency=10):
        for start in range(0, 300, 30):
            outcomes = await asyncio.gather(*[send_and_cancel(number) for number in range(start, start + 30)])
            assert {type(outcome) for outcome in outcomes} <= {Cancelled, Success}
        assert await (await wait.enqueue(1)).result(timeout=20) == 1
        assert (await broker.counts()).running == 0


async def test_a_cancellation_that_comes_before_its_task_is_heeded(shared_stage: Stage) -> None:
    """The news of it travels on another way than the task, and may be faster."""
    broker = shared_stage.broker()
    hold = asyncio.Event()

    @broker.task(name="wait")
    async def wait() -> None:
        await hold.wait()

    async with broker, Worker(broker), asyncio.timeout(20):
        for _ in range(50):
            handle = await wait.enqueue()
            await handle.cancel()
            assert await handle.outcome() == Cancelled()


async def test_what_a_stopping_worker_has_not_started_is_run_by_another_at_once(stage: Stage) -> None:
    """Though one of its tasks goes on through the grace time."""
    broker = stage.broker()
    running, release = asyncio.Event(), asyncio.Event()

    @broker.task(name="slow")
    async def slow() -> None:
        running.set()
        await release.wait()

    @broker.task(name="short")
    async def short(number: int) -> int:
        return number

    async with broker, asyncio.timeout(20):
        stopping = Worker(broker, concurrency=2)
        stopped = asyncio.create_task(stopping.run())
        await broker.enqueue_many([short.call(number) for number in range(200)])
        handle = await slow.enqueue()
        await running.wait()
        late = await broker.enqueue_many([short.call(number) for number in range(2000)])
        await late[5].result()  # it takes ahead now
        stopping.stop()
        async with Worker(broker, concurrency=10):
            assert [await other.result() for other in late] == list(range(2000))
            assert not stopped.done()
            release.set()
            await handle.result()
        await stopped


async def test_what_a_dead_worker_held_goes_before_new_tasks(stage: Stage) -> None:
    """A survivor with a backlog takes it over as slots get free, not when the backlog is empty."""
    broker = stage.broker()
    order: list[int] = []

    @broker.task(name="note")
    async def note(number: int) -> None:
        order.append(number)
        await asyncio.sleep(0.001)

    async with broker, asyncio.timeout(30):
        await broker.enqueue_many([note.call(-1) for _ in range(40)])
        dead = await broker.backend.join(SessionId("dead"), ["default"], 30.0, RecordingListener())
        assert len(await dead.receive(40, 0)) == 40
        handles = await broker.enqueue_many([note.call(number) for number in range(2000)])
        async with Worker(broker, concurrency=2, lease=1.2):
            await handles[20].result()
            await broker.backend.expire(SessionId("dead"), ["default"])
            for handle in handles:
                await handle.result()
        await dead.leave()
    assert order.count(-1) == 40
    last = max(place for place, number in enumerate(order) if number == -1)
    assert len(order) - last > 500


async def test_a_worker_that_cannot_begin_says_so_where_it_is_entered() -> None:
    """Not when it is left, or never, while others wait for results."""
    broker = Broker("memory://")

    @broker.task(name="odd")
    async def odd(value: "NowhereDefined") -> None:  # type: ignore[name-defined]  # noqa: F821, UP037
        raise AssertionError(value)

    async with broker:
        with pytest.raises(DefinitionError, match="NowhereDefined"):
            async with Worker(broker):
                raise AssertionError("it must not be entered")


async def test_a_worker_can_be_entered_again_after_it_was_left(stage: Stage) -> None:
    """As one of several tests does with a worker that they share."""
    broker = stage.broker()

    @broker.task(name="double")
    async def double(number: int) -> int:
        return 2 * number

    async with broker, asyncio.timeout(20):
        worker = Worker(broker)
        for number in range(3):
            async with worker:
                assert await (await double.enqueue(number)).result() == 2 * number


async def test_a_worker_that_is_cancelled_while_it_stops_leaves_nothing_running() -> None:
    """Its lease ends, so another worker would run the same task beside it."""
    broker = Broker("memory://")
    running, ended = asyncio.Event(), asyncio.Event()

    @broker.task(name="slow")
    async def slow() -> None:
        running.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    async with broker, asyncio.timeout(20):
        worker = Worker(broker)
        serving = asyncio.create_task(worker.run())
        await slow.enqueue()
        await running.wait()
        worker.stop()
        await asyncio.sleep(0.01)  # into the grace time
        serving.cancel()
        await asyncio.wait([serving])
        assert serving.cancelled()
        assert ended.is_set()
        assert [task for task in asyncio.all_tasks() if task.get_name().startswith(("typedtasks-settlement", "slow"))] == []


async def test_a_worker_beside_other_code_says_when_it_has_ended(caplog: pytest.LogCaptureFixture) -> None:
    """That code may wait for its results for ever."""
    broker = Broker("memory://")
    async with broker:
        worker = Worker(broker)
        with contextlib.suppress(asyncio.CancelledError):
            async with worker:
                (serving,) = [task for task in asyncio.all_tasks() if task.get_name() == "typedtasks-worker"]
                serving.cancel()
                await asyncio.wait([serving])
                await asyncio.sleep(0)
                assert "The worker has ended, and runs nothing any more" in caplog.text


async def test_a_worker_whose_entering_is_cancelled_does_not_go_on(stage: Stage) -> None:
    """Nobody could stop it."""
    broker = stage.broker()

    @broker.task(name="double")
    async def double(number: int) -> int:
        return 2 * number

    async with broker, asyncio.timeout(20):
        handle = await double.enqueue(1)

        async def enter() -> None:
            async with Worker(broker):
                raise AssertionError("it must not be entered")

        entering = asyncio.create_task(enter())
        await asyncio.sleep(0)
        entering.cancel()
        await asyncio.wait([entering])
        assert entering.cancelled()
        assert [task.get_name() for task in asyncio.all_tasks() if task.get_name() == "typedtasks-worker"] == []
        assert (await broker.counts()).running == 0
        assert (await broker.counts()).ready == (await handle.peek() is None)


async def test_all_that_a_dead_worker_had_is_taken_over_by_an_idle_one_with_few_slots(stage: Stage) -> None:
    """As fast as slots get free: it does not wait for new tasks, or for a timer, in between."""
    broker = stage.broker()

    @broker.task(name="note")
    async def note(x: int) -> int:
        await asyncio.sleep(0.005)
        return x

    async with broker:
        handles = await broker.enqueue_many([note.call(x) for x in range(40)])
        dead = await broker.backend.join(SessionId("dead"), broker.queues, 60.0, RecordingListener())
        assert len(await dead.receive(100, 0)) == 40
        async with Worker(broker, concurrency=4), asyncio.timeout(5):
            await broker.backend.expire(SessionId("dead"), broker.queues)
            assert [await handle.result() for handle in handles] == list(range(40))
            await dead.leave()
