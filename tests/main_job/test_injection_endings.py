"""Injected parameters of tasks that fail, are ended, or whose teardown does: everything is taken down, and no result is lost."""

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.main_job.dependencies import Refused, cursor, events
from tests.main_job.stage import Stage
from typedtasks import Cancelled, Context, Crashed, Depends, Failure, Retry, Worker

pytestmark = pytest.mark.usefixtures("no_events")


async def test_a_failure_reaches_the_dependencies_and_stays_what_it_is(stage: Stage) -> None:
    """A dependency that swallows it, or fails itself, changes nothing."""
    broker = stage.broker()

    async def swallowing() -> AsyncIterator[None]:
        try:
            yield
        except Refused:
            events.append("swallowed")

    @broker.task(name="refuse", raises=Refused)
    async def refuse(a: None = Depends(swallowing), b: str = Depends(cursor)) -> None:
        raise Refused(reason="no")

    async with broker, Worker(broker), asyncio.timeout(20):
        match await (await refuse.enqueue()).outcome():
            case Failure(Refused(reason="no")):
                pass
            case other:
                raise AssertionError(other)
    assert events[-4:] == ["close cursor", "connection saw Refused", "close connection", "swallowed"]


@pytest.mark.parametrize("is_async", [True, False])
async def test_an_error_in_a_teardown_is_logged_and_loses_no_result(
    stage: Stage, is_async: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """The other dependencies are taken down all the same."""
    broker = stage.broker()

    def broken() -> Iterator[int]:
        yield 1
        raise OSError("it cannot be closed")

    async def twice() -> AsyncIterator[int]:
        yield 1
        yield 2

    async def slow_or_not(cursor: str = Depends(cursor), a: int = Depends(broken), b: int = Depends(twice)) -> int:
        return a + b

    def in_thread(cursor: str = Depends(cursor), a: int = Depends(broken), b: int = Depends(twice)) -> int:
        return a + b

    task = broker.task(name="task")(slow_or_not) if is_async else broker.task(name="task")(in_thread)
    async with broker, Worker(broker), asyncio.timeout(20):
        handle = await task.enqueue()
        assert await handle.result() == 2
    assert events[-2:] == ["close cursor", "close connection"]
    assert [record.levelname for record in caplog.records if "the teardown of" in record.message] == ["ERROR", "ERROR"]
    assert f"task ({handle.id}): the teardown of" in caplog.text
    assert "OSError: it cannot be closed" in caplog.text
    assert "has yielded again" in caplog.text


async def test_a_cancellation_that_comes_out_of_a_dependency_is_what_the_dependency_says(stage: Stage) -> None:
    """A TaskGroup cancels whoever is in it when one of its tasks fails."""
    broker = stage.broker()

    async def group(cursor: str = Depends(cursor)) -> AsyncIterator[asyncio.TaskGroup]:
        async with asyncio.TaskGroup() as group:
            yield group

    async def limited(cursor: str = Depends(cursor)) -> AsyncIterator[None]:
        async with asyncio.timeout(0.05):
            yield

    async def fail() -> None:
        raise LookupError("it failed beside")

    @broker.task(name="beside", retry=Retry(max_attempts=2, backoff=0))
    async def beside(group: asyncio.TaskGroup = Depends(group), context: Context = Depends()) -> int:
        if context.attempt == 1:
            group.create_task(fail())
            await asyncio.sleep(60)
        return context.attempt

    @broker.task(name="late")
    async def late(limit: None = Depends(limited)) -> None:
        await asyncio.sleep(60)

    async with broker, Worker(broker), asyncio.timeout(20):
        assert await (await beside.enqueue()).result() == 2
        assert "connection saw ExceptionGroup" in events
        outcome = await (await late.enqueue()).outcome()
        assert isinstance(outcome, Crashed)
        assert outcome.type == "TimeoutError"
        assert events[-2:] == ["connection saw TimeoutError", "close connection"]


async def test_a_dependency_that_fails_is_the_tasks_failure(stage: Stage) -> None:
    """What was made before it is taken down."""
    broker = stage.broker()

    def failing(cursor: str = Depends(cursor)) -> int:
        raise LookupError("nothing there")

    def empty() -> Iterator[int]:
        yield from ()

    @broker.task(name="never")
    async def never(x: int = Depends(failing)) -> None:
        raise AssertionError

    @broker.task(name="never again")
    def never_again(x: int = Depends(empty)) -> None:
        raise AssertionError

    async with broker, Worker(broker), asyncio.timeout(20):
        outcome = await (await never.enqueue()).outcome()
        assert isinstance(outcome, Crashed)
        assert (outcome.type, outcome.message) == ("LookupError", "nothing there")
        assert events[-3:] == ["close cursor", "connection saw LookupError", "close connection"]
        outcome = await (await never_again.enqueue()).outcome()
        assert isinstance(outcome, Crashed)
        assert "came to its end without a yield" in outcome.message


@pytest.mark.parametrize("how", ["cancel", "timeout", "stop"])
async def test_what_an_asynchronous_task_got_is_taken_down_when_it_is_ended(stage: Stage, how: str) -> None:
    """By a cancellation, by its timeout, or by the end of its worker's grace time; and the context says so."""
    broker = stage.broker()
    started = asyncio.Event()
    seen: list[bool] = []

    @broker.task(name="hold", timeout=0.05 if how == "timeout" else 60)
    async def hold(context: Context, cursor: str = Depends(cursor)) -> None:
        started.set()
        seen.append(context.cancelled)
        try:
            await asyncio.sleep(60)
        finally:
            seen.append(context.cancelled)

    async with broker, asyncio.timeout(20):
        async with Worker(broker, grace=0):
            handle = await hold.enqueue()  # type: ignore[call-arg]
            await started.wait()
            if how == "cancel":
                await handle.cancel()
            if how != "stop":
                outcome = await handle.outcome()
                assert isinstance(outcome, Cancelled if how == "cancel" else Crashed)
        assert events[-3:] == ["close cursor", "connection saw CancelledError", "close connection"]
        assert seen == [False, True]


@pytest.mark.parametrize("how", ["cancel", "timeout", "stop"])
async def test_a_synchronous_task_sees_that_it_is_cancelled_and_is_taken_down_when_it_ends(stage: Stage, how: str) -> None:
    """Until then nothing that it uses is taken from it."""
    broker = stage.broker()
    loop, started, ended = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
    go = threading.Event()

    def first() -> Iterator[int]:
        try:
            yield 1
        finally:
            events.append("close first")
            loop.call_soon_threadsafe(ended.set)

    @broker.task(name="spin", timeout=0.05 if how == "timeout" else 60)
    def spin(first: int = Depends(first), cursor: str = Depends(cursor), *, context: Context) -> None:
        loop.call_soon_threadsafe(started.set)
        while not context.cancelled:
            time.sleep(0.001)
        events.append("saw it")
        go.wait(10)

    async with broker, asyncio.timeout(20):
        async with Worker(broker, grace=0):
            handle = await spin.enqueue()  # type: ignore[call-arg]
            await started.wait()
            if how == "cancel":
                await handle.cancel()
            if how != "stop":
                outcome = await handle.outcome()
                assert isinstance(outcome, Cancelled if how == "cancel" else Crashed)
        assert "close cursor" not in events
        go.set()
        await ended.wait()
        assert events[-5:] == ["saw it", "close cursor", "connection saw CancelledError", "close connection", "close first"]


async def test_a_teardown_without_end_is_ended(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The result is settled then."""
    monkeypatch.setattr("typedtasks.injection.scope._TEARDOWN_LIMIT", 0.05)
    broker = stage.broker()

    async def endless() -> AsyncIterator[int]:
        yield 1
        await asyncio.sleep(60)

    @broker.task(name="task")
    async def task(x: int = Depends(endless)) -> int:
        return x

    async with broker, Worker(broker), asyncio.timeout(20):
        assert await (await task.enqueue()).result() == 1
    with caplog.at_level(logging.ERROR):
        assert "took longer than 0.05 s" in caplog.text


async def test_a_cancellation_during_the_teardown_loses_no_result(stage: Stage) -> None:
    """It comes too late for the task, and cuts only that teardown short."""
    broker = stage.broker()
    tearing = asyncio.Event()

    async def endless() -> AsyncIterator[int]:
        yield 1
        tearing.set()
        await asyncio.sleep(60)

    @broker.task(name="task")
    async def task(cursor: str = Depends(cursor), x: int = Depends(endless)) -> int:
        return x

    async with broker, Worker(broker), asyncio.timeout(20):
        handle = await task.enqueue()
        await tearing.wait()
        await handle.cancel()
        assert await handle.result() == 1
    assert events[-2:] == ["close cursor", "close connection"]


async def test_a_timeout_during_the_teardown_loses_no_result(stage: Stage) -> None:
    """The timeout is the task's own."""
    broker = stage.broker()

    async def slow() -> AsyncIterator[int]:
        yield 1
        await asyncio.sleep(0.2)
        events.append("down")

    @broker.task(name="task", timeout=0.1)
    async def task(x: int = Depends(slow)) -> int:
        return x

    async with broker, Worker(broker), asyncio.timeout(20):
        assert await (await task.enqueue()).result() == 1
    assert events == ["down"]
