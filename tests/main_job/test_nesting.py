"""Tasks that wait for tasks in their own queue, until every slot is taken by those that wait."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from typedtasks import Broker, Worker
from typedtasks.handle import TaskHandle
from typedtasks.worker import nesting

PATIENCE = 10.0


async def directly(handle: TaskHandle[int]) -> int:
    """Wait for a result."""
    return await handle.result()


async def with_a_timeout(handle: TaskHandle[int]) -> int:
    """Wait for it in another asyncio task, or not, as the version of Python has it."""
    return await asyncio.wait_for(handle.result(), PATIENCE)


async def together(handle: TaskHandle[int]) -> int:
    """Wait for several at once."""
    return (await asyncio.gather(handle.result(), handle.result()))[0]


async def in_a_group(handle: TaskHandle[int]) -> int:
    """Wait at the end of a group."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(handle.result())
    return task.result()


async def for_a_set(handle: TaskHandle[int]) -> int:
    """Wait for the first of several."""
    done, _ = await asyncio.wait([asyncio.create_task(handle.result())])
    return done.pop().result()


@pytest.mark.parametrize("wait", [directly, with_a_timeout, together, in_a_group, for_a_set])
@pytest.mark.parametrize("soft_timeout", [None, PATIENCE])
async def test_parents_that_hold_all_slots_are_named(
    wait: Callable[[TaskHandle[int]], Awaitable[int]],
    soft_timeout: float | None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Once, with what to do about it; and as soon as another worker comes, they go on."""
    monkeypatch.setattr(nesting, "_LOOK", 0.01)
    broker = Broker("memory://")

    @broker.task(name="child")
    async def child() -> int:
        return 1

    @broker.task(name="parent", soft_timeout=soft_timeout) if soft_timeout else broker.task(name="parent")
    async def parent() -> int:
        return await wait(await child.enqueue())

    async with broker, Worker(broker, concurrency=2), asyncio.timeout(PATIENCE):
        handles = [await parent.enqueue() for _ in range(2)]
        while "parent: all 2 slots of this worker are taken by tasks that wait" not in caplog.text:
            await asyncio.sleep(0)
        async with Worker(broker):
            assert [await handle.result() for handle in handles] == [1, 1]
    assert caplog.text.count("all 2 slots") == 1


async def test_tasks_that_work_are_not_said_to_wait(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Nor those of which one works: its slot becomes free."""
    monkeypatch.setattr(nesting, "_LOOK", 0.001)
    broker, may_end = Broker("memory://"), asyncio.Event()

    @broker.task(name="child")
    async def child() -> int:
        return 1

    @broker.task(name="parent")
    async def parent() -> int:
        return await (await child.enqueue()).result()

    @broker.task(name="working")
    async def working() -> None:
        await may_end.wait()

    async with broker, Worker(broker, concurrency=2), asyncio.timeout(PATIENCE):
        handles = [await working.enqueue(), await parent.enqueue()]
        for _ in range(20):
            await asyncio.sleep(0.001)  # looks that find nothing
        may_end.set()
        for handle in handles:
            await handle.outcome()
    assert "slots of this worker are taken" not in caplog.text
