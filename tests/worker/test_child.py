"""A child process that ends, or answers, in a way that nobody expects."""

from __future__ import annotations

import asyncio
import sys

import pytest

from typedtasks import Broker, Crashed, Worker
from typedtasks.backend import Delivery, Priority, Settlement, TaskId
from typedtasks.worker.child import Child, Died
from typedtasks.worker.execution import Execution, Prepared

DELIVERY = Delivery(TaskId("default.x"), "default", Priority.LOW, b"{}", 3, "default:2:1-0")
CHILD = """
import os, sys
def say(message):
    os.write(int(sys.argv[-1]), len(message).to_bytes(4, "big") + message)
say(b"")
length = int.from_bytes(sys.stdin.buffer.read(4), "big")
sys.stdin.buffer.read(length)
"""


async def ran(script: str) -> Settlement:
    """Return what follows from a delivery in a child that runs a script."""
    child = Child((sys.executable, "-c", CHILD + script))
    await child.start()
    try:
        async with asyncio.timeout(10):
            return await child.run(DELIVERY, 5, lambda progress: None)
    finally:
        await child.end()


@pytest.mark.parametrize("answer", [b"", b"+", b"+finish\n{", b"\xff" * 100, b"+finish\n[]"])
async def test_an_answer_that_is_none_counts_as_a_death(answer: bytes) -> None:
    """The task has written where its process answers: the child is not used again."""
    with pytest.raises(Died, match="wrote over its answer"):
        await ran(f"say({answer!r}); sys.stdin.buffer.read()")


async def test_a_real_time_signal_is_named_by_its_number() -> None:
    """Python has no names for them."""
    with pytest.raises(Died, match="was killed by signal 35"):
        await ran("os.kill(os.getpid(), 35)")


async def test_a_mistake_of_the_worker_itself_costs_a_task_its_result_and_no_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next one runs."""
    run, broken = Execution.run, True

    async def break_once(self: Execution, prepared: Prepared) -> Settlement:
        nonlocal broken
        if broken:
            broken = False
            raise LookupError("a mistake")
        return await run(self, prepared)

    monkeypatch.setattr(Execution, "run", break_once)
    broker = Broker("memory://")

    @broker.task(name="nothing")
    async def nothing() -> None:
        return

    async with broker, Worker(broker, concurrency=1), asyncio.timeout(10):
        outcome = await (await nothing.enqueue()).outcome()
        assert isinstance(outcome, Crashed)
        assert (outcome.type, outcome.message) == ("LookupError", "a mistake")
        await (await nothing.enqueue()).result()
