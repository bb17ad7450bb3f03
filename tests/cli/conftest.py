"""A queue with a task in each state that an operator meets."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from typedtasks import AsyncTask, Broker, Worker
from typedtasks.backend import Priority, Publication, TaskId, new_task_id
from typedtasks.envelope import Header, write_header

MODULE = """
from typedtasks import Broker
broker = Broker({url!r})

@broker.task(name="double")
async def double(x: int) -> int:
    return 2 * x
"""
PATIENCE = 10.0


@pytest.fixture
def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A module with a broker; its queue holds a ready task, a delayed one, a parked one and two dead letters."""
    url = f"sqlite:///{tmp_path / 'tasks.db'}"
    (tmp_path / "operated.py").write_text(MODULE.format(url=url))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    asyncio.run(_fill(url))
    yield "operated:broker"
    sys.modules.pop("operated", None)


def another_broker(url: str = "sqlite:///tasks.db") -> tuple[Broker, AsyncTask[[int], int]]:
    """Return a broker on the file in the working directory, and its task, as another process has them."""
    broker = Broker(url)

    @broker.task(name="double")
    async def double(x: int) -> int:
        return 2 * x

    return broker, double


async def _fill(url: str) -> None:
    broker, double = another_broker(url)
    async with broker:
        await put_raw(broker, write_header(Header("nobody_knows")) + b"{}")
        dead = [await put_raw(broker, write_header(Header("double")) + b'{"x":"three"}') for _ in range(2)]
        async with asyncio.timeout(PATIENCE), Worker(broker):
            for id in dead:
                await broker.wait_outcome(id, foreign=False, ttl_ms=60_000)
            while not (await broker.counts()).parked:
                await asyncio.sleep(0.01)
        await double.enqueue(1)
        await double.options(delay=3600).enqueue(2)


async def put_raw(broker: Broker, body: bytes) -> TaskId:
    """Put bytes into the queue as a foreign producer would."""
    id = new_task_id("default", broker.clock.now())
    await broker.backend.publish([Publication(id, "default", Priority.NORMAL, body)])
    return id
