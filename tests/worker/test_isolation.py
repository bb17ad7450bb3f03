"""A delivery that was lost twice runs alone in a child process: what kills its process is found out, and nobody else is blamed."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.processes import eventually, is_alive
from tests.worker.application import block_with_timeout, double, hold, kill, process
from tests.worker.test_processes import APPLICATION, Site
from typedtasks import Broker, Cancelled, Crashed, TaskError, TaskHandle, TaskTimedOut, Worker
from typedtasks.backend import Bury, Delivery, Finish, Priority, Publication, Reschedule, SessionId, Settlement, TaskId
from typedtasks.testing import RecordingListener
from typedtasks.worker import child, execution, pool
from typedtasks.worker.frames import read_delivery, read_settlement, write_delivery, write_settlement
from typedtasks.worker.program import ChildProgram

DELIVERY = Delivery(TaskId("default.x"), "default", Priority.LOW, b"\xff\x00", 3, "default:2:1-0", True)


@pytest.fixture
async def broker(site: Site) -> AsyncIterator[Broker]:
    """An open broker with the application's tasks."""
    broker = Broker(site.url)
    for task in (double, hold, kill, process, block_with_timeout):
        broker.task(name=task.name, timeout=task.definition.timeout or 60)(task.function)
    async with broker:
        yield broker


async def lost_twice(broker: Broker, name: str, *arguments: object) -> TaskHandle[Any, TaskError]:
    """Return the handle of a call that two sessions had, which died."""
    handle = await broker.tasks[name].enqueue(*arguments)
    for number in range(2):
        session = await broker.backend.join(SessionId(f"dead-{handle.id}-{number}"), ["default"], 30, RecordingListener())
        deliveries = await session.receive(1, 0) if number == 0 else (await session.recover([], 1)).deliveries
        assert [delivery.id for delivery in deliveries] == [handle.id]
        await session.leave()
    return handle


def worker(broker: Broker, application: str = APPLICATION) -> Worker:
    """Return a worker in this process."""
    return Worker(broker, application=application, grace=5)


async def test_an_innocent_suspect_gives_its_result_from_a_process_of_its_own(broker: Broker) -> None:
    """Nothing is lost, and nobody has to know."""
    suspect = await lost_twice(broker, "app.process")
    other = await broker.tasks["app.process"].enqueue()
    async with worker(broker), asyncio.timeout(20):
        assert await suspect.result() != os.getpid()
        assert await other.result() == os.getpid()
    assert (await broker.counts()).dead == 0


async def test_what_ends_its_child_twice_is_a_dead_letter_with_proof(broker: Broker) -> None:
    """The signal and the end of standard error; its waiter is told, and its neighbours have their results."""
    poison = await lost_twice(broker, "app.kill")
    neighbours = await broker.enqueue_many([broker.tasks["app.double"].call(n) for n in range(20)])
    async with worker(broker), asyncio.timeout(30):
        assert [await handle.result() for handle in neighbours] == [2 * n for n in range(20)]
        match await poison.outcome():
            case Crashed(message, type=kind):
                assert kind == "ProcessDied"
                assert "was killed by SIGKILL" in message
            case other:
                raise AssertionError(other)
    (letter,) = await broker.dead_letters()
    assert letter.id == poison.id
    assert "was killed by SIGKILL" in letter.reason
    assert "these are my last words" in letter.reason


async def test_a_suspect_can_be_cancelled(broker: Broker, site: Site) -> None:
    """Its function gets its `CancelledError`, and its child is gone."""
    suspect = await lost_twice(broker, "app.hold", 1)
    async with worker(broker), asyncio.timeout(20):
        await asyncio.to_thread(eventually, lambda: bool(site.lines("start 1")))
        await suspect.cancel()
        assert isinstance(await suspect.outcome(), Cancelled)
    child = int(site.lines("start 1")[0][2])
    eventually(lambda: not is_alive(child))


async def test_a_suspect_that_blocks_beyond_its_timeout_is_stopped(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here even a blocked event loop can be ended."""
    monkeypatch.setattr(execution, "_SLACK", 0.2)
    suspect = await lost_twice(broker, "app.block_with_timeout")
    async with worker(broker), asyncio.timeout(20):
        with pytest.raises(TaskTimedOut):
            await suspect.result()


async def test_a_worker_that_stops_gives_a_suspect_back(broker: Broker, site: Site) -> None:
    """The next one runs it."""
    suspect = await lost_twice(broker, "app.hold", 1)
    stopping = worker(broker)
    async with stopping, asyncio.timeout(20):
        await asyncio.to_thread(eventually, lambda: bool(site.lines("start 1")))
        stopping.stop_now()
    assert (await broker.counts()).ready == 1
    site.go()
    async with worker(broker), asyncio.timeout(20):
        assert await suspect.result() == 1


async def test_without_a_child_a_suspect_runs_here(
    broker: Broker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """At least once is the first promise; the log says why it is not alone."""
    monkeypatch.setattr(pool, "_PAUSE", 0.0)
    suspect = await lost_twice(broker, "app.process")
    with caplog.at_level(logging.ERROR, "typedtasks.worker"):
        async with worker(broker, "no_such_module:broker"), asyncio.timeout(30):
            assert await suspect.result() == os.getpid()
    assert "no_such_module" in caplog.text


async def test_only_a_fresh_child_is_a_witness(monkeypatch: pytest.MonkeyPatch) -> None:
    """What dies in a child that ran something else before has not done it by that."""
    runs: list[tuple[str, bool]] = []

    class Child:
        """Dies of what it runs second, and of poison."""

        is_clean = is_alive = True

        def __init__(self, command: object) -> None:
            self.used = False

        async def start(self) -> None: ...

        async def end(self, patience: float = 0) -> None: ...

        async def dismiss(self, patience: float) -> None: ...

        async def run(self, delivery: Delivery, timeout: float, report: object) -> Settlement:
            runs.append((delivery.id, self.used))
            await asyncio.sleep(0)
            if self.used or delivery.id == "poison":
                raise child.Died("was killed", "")
            self.used = True
            return Finish(delivery, b"", 0)

    monkeypatch.setattr(pool, "Child", Child)
    alone = pool.ChildPool(ChildProgram("app:broker"), 1)
    names = ["first", "innocent", "poison"]
    ended = await asyncio.gather(
        *(alone.run(DELIVERY._replace(id=TaskId(name)), "mail.send", 0, print) for name in names), return_exceptions=True
    )
    assert [type(end) for end in ended] == [Finish, Finish, child.Died]
    assert runs == [
        ("first", False),
        ("innocent", True),
        ("innocent", False),
        ("poison", True),
        ("poison", False),
        ("poison", False),
    ]


@pytest.mark.parametrize(
    "settlement",
    [
        Finish(DELIVERY, b"\x01\xff", 1000, "me", (Publication(TaskId("q.y"), "q", Priority.HIGH, b"\xfe"),)),
        Reschedule(DELIVERY, b"\xff", 5, 0, "app.other"),
        Bury(DELIVERY, "because\n\u2028", b"\x00", 1000, "me"),
    ],
)
def test_settlements_and_deliveries_pass_between_processes_unchanged(settlement: Settlement) -> None:
    """Bytes, too."""
    assert read_settlement(write_settlement(settlement)) == settlement
    assert read_delivery(write_delivery(DELIVERY)) == DELIVERY


def test_poison_among_innocents_is_found_and_they_are_not_blamed(site: Site) -> None:
    """Two supervised processes, 200 innocents around two poisonous tasks."""

    async def send_and_wait() -> None:
        broker = site.broker()
        broker.task(name=kill.name)(kill.function)
        async with broker, asyncio.timeout(60):
            calls = [broker.tasks["app.double"].call(n) for n in range(200)]
            innocents = await broker.enqueue_many(calls[:100])
            poison = await broker.tasks["app.kill"].enqueue()
            innocents += await broker.enqueue_many(calls[100:])
            assert [await handle.result() for handle in innocents] == [2 * n for n in range(200)]
            assert isinstance(await poison.outcome(), Crashed)
            assert [letter.id for letter in await broker.dead_letters()] == [poison.id]

    with site.worker("--processes", "2", "--concurrency", "50"):
        asyncio.run(send_and_wait())
