"""Who awaits a task in memory without a worker is told so."""

from __future__ import annotations

import asyncio
import logging

import pytest

from typedtasks import Broker, ResultTimeout, Worker


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is looked for after a hundredth of a second."""
    monkeypatch.setattr("typedtasks.attendance._PATIENCE", 0.01)


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what was said of workers that are missing."""
    return [record.getMessage() for record in caplog.records if "no worker reads" in record.getMessage()]


async def test_a_wait_in_memory_without_a_worker_is_named_once(caplog: pytest.LogCaptureFixture) -> None:
    """With the task, the queue, and what to do; the wait goes on, because a worker may still begin."""
    broker = Broker("memory://")

    @broker.task(name="double")
    async def double(x: int) -> int:
        return 2 * x

    async with broker:
        handle = await double.enqueue(2)
        for _ in range(2):
            with pytest.raises(ResultTimeout):
                await handle.result(timeout=0.1)
        (said,) = warnings(caplog)
        assert said.startswith(f"double ({handle.id}) is awaited, and no worker reads its queue 'default': it waits in memory://")
        assert "async with Worker(broker):" in said
        async with Worker(broker):
            assert await handle.result(timeout=5) == 4


async def test_nothing_is_said_where_a_worker_reads_the_queue(caplog: pytest.LogCaptureFixture) -> None:
    """However long a task takes."""
    caplog.set_level(logging.WARNING)
    broker = Broker("memory://")

    @broker.task(name="rest")
    async def rest() -> None:
        await asyncio.sleep(0.05)

    async with broker, Worker(broker):
        await (await rest.enqueue()).result(timeout=5)
        await (await rest.options(delay=0.05).enqueue()).result(timeout=5)
    assert not warnings(caplog)
