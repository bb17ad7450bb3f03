"""Injected parameters and lifespans in real worker processes, and in their children."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager

import pytest

from tests.processes import Process, eventually, started
from tests.worker import injected_application as application
from tests.worker.test_processes import Site
from typedtasks import Broker, Cancelled, Progress


@pytest.fixture
async def broker(site: Site) -> AsyncIterator[Broker]:
    """A client's broker with the application's tasks."""
    broker = Broker(site.url)
    for task in (application.in_thread, application.on_loop, application.spin, application.wait):
        broker.task(name=task.name)(task.function)
    broker.task(name=application.in_process.name, executor="process")(application.in_process.function)
    async with broker:
        yield broker


def worker(site: Site, *options: str) -> AbstractContextManager[Process]:
    """Start a worker."""
    command = ("-m", "typedtasks", "worker", "tests.worker.injected_application:broker", *options)
    return started(*command, folder=site.folder, TYPEDTASKS_URL=site.url, TEST_LOG=str(site.log))


async def test_tasks_get_the_same_in_a_process_in_a_thread_and_on_the_loop(site: Site, broker: Broker) -> None:
    """State belongs to the process that runs the task; a worker and its child leave their lifespans when they stop."""
    with worker(site) as process:
        async with asyncio.timeout(30):
            for name in ("inj.process", "inj.thread", "inj.loop"):
                task = broker.tasks[name]
                handle = await task.enqueue(1)
                result, of_cursor, of_state, id, pid = await handle.result()
                assert (result, id) == (2, handle.id)
                assert await handle.progress() == Progress(1, 2, name.removeprefix("inj."))
                assert of_cursor == of_state == pid
                assert (pid == process.popen.pid) == (name != "inj.process")
        assert process.stop() == 0
    entered = [int(line[1]) for line in site.lines("enter")]
    assert entered[0] == process.popen.pid
    assert len(entered) == 2
    assert sorted(int(line[1]) for line in site.lines("leave")) == sorted(entered)
    closed = [line[1:] for line in site.lines("close")]
    assert [line[0] for line in closed] == ["cursor", "session"] * 3
    assert all(line[2] == "True" for line in closed if line[0] == "cursor")


@pytest.mark.parametrize("name", ["spin", "wait"])
@pytest.mark.parametrize("how", ["cancel", "stop"])
async def test_a_task_that_is_ended_takes_down_what_it_got(site: Site, broker: Broker, name: str, how: str) -> None:
    """By a cancellation, and by a worker whose grace time is over."""
    with worker(site, "--grace", "0.1") as process:
        async with asyncio.timeout(30):
            handle = await broker.tasks[f"inj.{name}"].enqueue()
            eventually(lambda: bool(site.lines("start")))
            if how == "cancel":
                await handle.cancel()
                assert await handle.outcome() == Cancelled()
                eventually(lambda: len(site.lines("close")) == 2)
        assert process.stop() == 0
    assert [line[1] for line in site.lines("close")] == ["cursor", "session"]
    assert len(site.lines("saw it")) == (name == "spin")
