"""Soft timeouts: a task is asked to end by itself before its timeout ends it, on every backend."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from tests.main_job.stage import Stage
from typedtasks import Broker, Context, Crashed, DefinitionError, Depends, Retry, SoftTimeout, Success, TaskTimedOut, Worker

PATIENCE = 10.0
SOON = 0.02


async def test_a_task_may_catch_its_soft_timeout_and_return_what_it_has(stage: Stage) -> None:
    """It is raised where the task waits. What the task still awaits afterwards is not disturbed."""
    broker = stage.broker()

    @broker.task(name="crawl", soft_timeout=SOON, timeout=PATIENCE)
    async def crawl() -> list[str]:
        try:
            await asyncio.Event().wait()
        except SoftTimeout as error:
            await asyncio.sleep(0)
            return ["so far", str(error)]
        return []

    async with broker, Worker(broker):
        outcome = await (await crawl.enqueue()).outcome(timeout=PATIENCE)
    assert outcome == Success(["so far", "crawl has run for 0.02 s, its soft timeout: end it, and return what there is."])


async def test_an_ending_without_a_traceback_is_one_line_of_the_log(broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    """And no line is empty."""

    @broker.task(name="stuck", soft_timeout=SOON, timeout=PATIENCE)
    async def stuck() -> None:
        await asyncio.Event().wait()

    with caplog.at_level(logging.WARNING, "typedtasks.worker"):
        async with broker, Worker(broker):
            await (await stuck.enqueue()).outcome(timeout=PATIENCE)
    (text,) = caplog.messages
    assert text.endswith("stuck ran longer than its soft timeout of 0.02 s, and did not catch it.")


@pytest.fixture
def broker() -> Broker:
    return Broker("memory://")


async def test_a_soft_timeout_that_is_not_caught_is_a_timeout(broker: Broker) -> None:
    """It says which; and it is retried as every timeout is."""
    attempts: list[int] = []

    @broker.task(name="hang", soft_timeout=SOON, retry=Retry(max_attempts=2, backoff=0.001, on=TimeoutError))
    async def hang() -> None:
        attempts.append(1)
        try:
            await asyncio.Event().wait()
        except Exception:  # noqa: BLE001 - what is under test: such a handler does not swallow it
            attempts.append(-1)

    async with broker, Worker(broker):
        handle = await hang.enqueue()
        with pytest.raises(TaskTimedOut, match=r"hang ran longer than its soft timeout of 0\.02 s, and did not catch it\."):
            await handle.result(timeout=PATIENCE)
    assert attempts == [1, 1]


async def test_the_timeout_ends_a_task_that_goes_on_after_its_soft_timeout(broker: Broker) -> None:
    """The soft timeout comes once."""
    caught: list[str] = []

    @broker.task(name="hang", soft_timeout=SOON, timeout=2 * SOON)
    async def hang() -> None:
        while True:
            try:
                await asyncio.Event().wait()
            except SoftTimeout:
                caught.append("soft")

    async with broker, Worker(broker):
        outcome = await (await hang.enqueue()).outcome(timeout=PATIENCE)
    assert isinstance(outcome, Crashed)
    assert outcome.message == "hang ran longer than its timeout and was stopped."
    assert caught == ["soft"]


async def test_task_groups_and_timeouts_in_the_task_end_what_they_have_begun(broker: Broker) -> None:
    """It is a cancellation to them, wherever in them the task waits."""
    ended: list[str] = []

    async def child(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(name)

    @broker.task(name="at_the_end", soft_timeout=SOON)
    async def at_the_end() -> str:
        try:
            async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
                group.create_task(child("first"))
        except SoftTimeout:
            return "caught"
        return "never"

    @broker.task(name="in_the_body", soft_timeout=SOON)
    async def in_the_body() -> str:
        result = "never"
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(child("second"))
                await asyncio.wait_for(child("third"), PATIENCE)
        except* SoftTimeout:
            result = "caught"
        return result

    @broker.task(name="uncaught", soft_timeout=SOON)
    async def uncaught() -> None:
        async with asyncio.TaskGroup():
            await asyncio.Event().wait()

    async with broker, Worker(broker):
        assert await (await at_the_end.enqueue()).result(timeout=PATIENCE) == "caught"
        assert await (await in_the_body.enqueue()).result(timeout=PATIENCE) == "caught"
        with pytest.raises(TaskTimedOut, match="soft timeout"):
            await (await uncaught.enqueue()).result(timeout=PATIENCE)
    assert sorted(ended) == ["first", "second", "third"]


async def test_a_synchronous_task_sees_its_soft_timeout_in_its_context(broker: Broker) -> None:
    """A thread cannot be interrupted. The time is that of the call where the call has one."""
    pause = threading.Event()

    @broker.task(name="count", soft_timeout=3600)
    def count(*, context: Context = Depends()) -> bool:
        while not context.soft_timed_out:
            pause.wait(0.001)
        return context.cancelled

    async with broker, Worker(broker):
        assert not await (await count.options(soft_timeout=SOON).enqueue()).result(timeout=PATIENCE)


async def test_dependencies_are_told_of_a_soft_timeout_that_passes(broker: Broker) -> None:
    """As of every way in which a task fails. A task that ends before it hears nothing of it."""
    told: list[str] = []

    async def connection() -> AsyncIterator[int]:
        try:
            yield 1
        except BaseException as error:
            told.append(type(error).__name__)
            raise

    @broker.task(name="use", soft_timeout=SOON)
    async def use(seconds: float, *, number: int = Depends(connection), context: Context = Depends()) -> bool:
        await asyncio.sleep(seconds)
        return context.soft_timed_out

    async with broker, Worker(broker):
        assert not await (await use.enqueue(0)).result(timeout=PATIENCE)
        with pytest.raises(TaskTimedOut):
            await (await use.enqueue(3600)).result(timeout=PATIENCE)
    assert told == ["SoftTimeout"]


async def test_a_cancellation_at_the_same_moment_is_a_cancellation(broker: Broker) -> None:
    """Who asked for the end of a task is not answered with a reason to go on."""
    seen: list[str] = []

    @broker.task(name="hang", soft_timeout=SOON)
    async def hang() -> None:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().call_later(SOON, task.cancel)
        threading.Event().wait(2 * SOON)  # both are due when the loop has its next turn
        try:
            await asyncio.Event().wait()
        except BaseException as error:
            seen.append(type(error).__name__)
            raise

    async with broker, Worker(broker):
        await (await hang.enqueue()).outcome(timeout=PATIENCE)
    assert seen == ["CancelledError"]


async def test_a_timeout_in_the_task_at_the_same_moment_only_delays_it(broker: Broker) -> None:
    """The inner one is raised where it belongs, and the soft timeout where the task waits next."""
    seen: list[str] = []

    @broker.task(name="poll", soft_timeout=SOON, timeout=PATIENCE)
    async def poll() -> None:
        try:
            async with asyncio.timeout(SOON / 2):
                threading.Event().wait(2 * SOON)  # both are due when the loop has its next turn
                await asyncio.Event().wait()
        except TimeoutError:
            seen.append("inner")
        try:
            await asyncio.Event().wait()
        except SoftTimeout:
            seen.append("soft")
        await asyncio.sleep(0)

    async with broker, Worker(broker):
        await (await poll.enqueue()).result(timeout=PATIENCE)
    assert seen == ["inner", "soft"]


async def test_the_end_of_a_cancelled_task_is_not_disturbed(broker: Broker) -> None:
    """A soft timeout that is due while the task cleans up asks for what happens already."""
    is_clean = asyncio.Event()

    @broker.task(name="hang", soft_timeout=SOON)
    async def hang() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(2 * SOON)
            is_clean.set()

    async with broker, Worker(broker):
        await (await hang.enqueue()).outcome(timeout=PATIENCE)
    assert is_clean.is_set()


async def test_what_takes_the_cancellation_for_itself_only_delays_it(broker: Broker) -> None:
    """Such as another task that is waited for. Nothing of the cancellation is left behind."""

    async def stubborn() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "partial"
        return "never"

    @broker.task(name="collect", soft_timeout=SOON, timeout=PATIENCE)
    async def collect(*, context: Context = Depends()) -> tuple[str, bool]:
        found = await asyncio.create_task(stubborn())
        try:
            await asyncio.Event().wait()
        except SoftTimeout:
            return found, context.cancelled
        return "never", True

    async with broker, Worker(broker):
        assert await (await collect.enqueue()).result(timeout=PATIENCE) == ("partial", False)


@pytest.mark.parametrize("options", [{"soft_timeout": 30, "timeout": 30}, {"soft_timeout": 31, "timeout": 30}])
def test_a_soft_timeout_has_to_be_shorter_than_the_timeout(broker: Broker, options: dict[str, float]) -> None:
    """Otherwise the task has no time to end by itself."""
    with pytest.raises(DefinitionError, match=r"hang: soft_timeout=3. is not shorter than timeout=30, which ends the task"):
        broker.task(name="hang", soft_timeout=options["soft_timeout"], timeout=options["timeout"])(_nothing)


def test_a_call_is_refused_whose_soft_timeout_is_not_shorter(broker: Broker) -> None:
    """With its own timeout, or the definition's."""
    task = broker.task(name="hang", soft_timeout=10, timeout=30)(_nothing)
    with pytest.raises(DefinitionError, match="soft_timeout=30 is not shorter than timeout=30"):
        task.options(soft_timeout=30)
    with pytest.raises(DefinitionError, match="soft_timeout=5 is not shorter than timeout=5"):
        task.options(soft_timeout=5, timeout=5)
    with pytest.raises(DefinitionError, match="soft_timeout=0 is not possible"):
        task.options(soft_timeout=0)
    assert task.options(timeout=5).task is task  # it ends before its soft timeout


def test_a_context_made_by_hand_knows_its_soft_deadline(broker: Broker) -> None:
    """For tests of a task's function."""
    assert not Context(broker=broker, name="count").soft_timed_out
    assert Context(broker=broker, name="count", soft_deadline=datetime(2020, 1, 1, tzinfo=UTC)).soft_timed_out


async def _nothing() -> None:
    """Do nothing."""
