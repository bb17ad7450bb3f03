"""Tasks with `executor="process"` run in child processes of the worker, which are kept; what ends a child ends nothing else."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import signal
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from tests.processes import eventually, is_alive
from tests.worker.application import NotSquare, count_softly, desert, double, employ, hold_process, kill_process, root, spin
from tests.worker.test_processes import APPLICATION, Site
from typedtasks import Broker, Cancelled, Crashed, DefinitionError, Encrypt, Failure, TaskTimedOut, Worker
from typedtasks.backend import Priority, Publication, new_task_id
from typedtasks.envelope import Header, write_header
from typedtasks.task import SyncTask
from typedtasks.worker import pool


@pytest.fixture
async def broker(site: Site) -> AsyncIterator[Broker]:
    """An open broker with the application's tasks."""
    broker = Broker(site.url)
    for task in (hold_process, kill_process):
        broker.task(name=task.name, executor="process")(task.function)
    broker.task(name=double.name)(double.function)
    async with broker:
        yield broker


def rooting(broker: Broker) -> SyncTask[[int], tuple[int, int], NotSquare]:
    """Return a task of the broker."""
    return broker.task(name=root.name, executor="process", raises=NotSquare)(root.function)


def worker(broker: Broker, application: str = APPLICATION) -> Worker:
    """Return a worker in this process."""
    return Worker(broker, application=application, grace=5)


async def test_it_runs_in_a_process_that_is_kept(broker: Broker) -> None:
    """One by one they all run in the same; results and failures are what they are elsewhere."""
    task = rooting(broker)
    async with worker(broker), asyncio.timeout(30):
        results = [await (await task.enqueue(number * number)).result() for number in range(20)]
        assert [found for found, _ in results] == list(range(20))
        (child,) = {process for _, process in results}
        assert child != os.getpid()
        match await (await task.enqueue(17)).outcome():
            case Failure(NotSquare(number=number)):
                assert number == 17
            case other:
                raise AssertionError(other)
        match await (await task.enqueue(-1)).outcome():
            case Crashed("a negative number", type="ValueError", traceback=trace):
                assert "tests/worker/application.py" in trace
            case other:
                raise AssertionError(other)
        assert (await (await task.enqueue(4)).result())[1] == child
    eventually(lambda: not is_alive(child))


async def test_arguments_that_do_not_fit_are_rejected_there(broker: Broker) -> None:
    """They are a dead letter, and never reach the function."""
    id = new_task_id("default", broker.clock.now())
    task = rooting(broker)
    body = write_header(Header(task.name)) + b'{"number":"x"}'
    await broker.backend.publish([Publication(id, "default", Priority.NORMAL, body)])
    async with worker(broker), asyncio.timeout(30):
        assert isinstance(await broker.handle(task, id).outcome(), Crashed)
    assert [letter.id for letter in await broker.dead_letters()] == [id]


async def test_as_many_run_at_a_time_as_there_are_cpus(broker: Broker, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others wait for a child; the event loop goes on meanwhile."""
    monkeypatch.setattr(pool, "usable_cpus", lambda: 2)
    async with worker(broker), asyncio.timeout(30):
        handles = await broker.enqueue_many([broker.tasks["app.hold_process"].call(n) for n in range(5)])
        await asyncio.to_thread(eventually, lambda: len(site.lines("start")) == 2)
        assert await (await broker.tasks["app.double"].enqueue(4)).result() == 8
        assert len(site.lines("start")) == 2
        site.go()
        assert [await handle.result() for handle in handles] == list(range(5))
    assert len({line[2] for line in site.lines("start")}) == 2


async def test_a_timeout_ends_the_child_whatever_it_computes(broker: Broker, site: Site) -> None:
    """Each attempt has its time; when none is left the outcome is the timeout."""
    policy = spin.definition.retry
    assert policy is not None
    task = broker.task(name=spin.name, executor="process", timeout=0.3, retry=policy)(spin.function)
    async with worker(broker), asyncio.timeout(30):
        with pytest.raises(TaskTimedOut) as raised:
            await (await task.enqueue()).result()
        assert raised.value.attempts == 2
        processes = {int(line[2]) for line in site.lines("start spin")}
        assert len(processes) == 2
        await asyncio.to_thread(eventually, lambda: not any(map(is_alive, processes)))


async def test_a_soft_timeout_is_seen_in_the_child(broker: Broker) -> None:
    """Its context has the same clock; the function ends by itself, and the child is kept."""
    task = broker.task(name=count_softly.name, executor="process", soft_timeout=0.05)(count_softly.function)
    async with worker(broker), asyncio.timeout(30):
        first = await (await task.enqueue()).result()
        assert first != os.getpid()
        assert await (await task.enqueue()).result() == first


async def test_what_ends_two_fresh_children_is_a_dead_letter(broker: Broker) -> None:
    """With proof, and without an attempt of `retry`; its neighbours have their results."""
    task = rooting(broker)
    async with worker(broker), asyncio.timeout(60):
        before = await broker.enqueue_many([task.call(n * n) for n in range(10)])
        poison = await broker.tasks["app.kill_process"].enqueue()
        after = await broker.enqueue_many([task.call(n * n) for n in range(10)])
        assert [(await handle.result())[0] for handle in before + after] == 2 * list(range(10))
        match await poison.outcome():
            case Crashed(message, type="ProcessDied", attempts=1):
                assert "app.kill_process ends its process: it ran twice in a fresh process that was killed by SIGKILL" in message
            case other:
                raise AssertionError(other)
    (letter,) = await broker.dead_letters()
    assert letter.id == poison.id
    assert "these are my last words" in letter.reason


async def test_what_a_dead_child_has_said_is_encrypted_with_its_outcome(site: Site) -> None:
    """The reason of a dead letter stands in the store in clear text; it says how the child ended, and not what it wrote."""
    broker = Broker(site.url, codecs=[Encrypt({"test": bytes(32)})])
    task = broker.task(name=kill_process.name, executor="process")(kill_process.function)
    async with broker, worker(broker, "tests.worker.application:encrypted"), asyncio.timeout(30):
        outcome = await (await task.enqueue()).outcome()
        (letter,) = await broker.dead_letters()
    assert isinstance(outcome, Crashed)
    assert "these are my last words" in outcome.traceback
    assert "was killed by SIGKILL" in letter.reason
    assert "these are my last words" not in letter.reason


async def test_a_child_that_died_while_it_was_idle_is_replaced(broker: Broker) -> None:
    """Nobody notices, and nothing is blamed for it."""
    task = rooting(broker)
    async with worker(broker), asyncio.timeout(30):
        _, first = await (await task.enqueue(4)).result()
        os.kill(first, signal.SIGKILL)
        found, second = await (await task.enqueue(9)).result()
        assert found == 3
        assert second != first


async def test_a_cancellation_ends_the_child(broker: Broker, site: Site) -> None:
    """A function that computes cannot be asked; its process can be ended."""
    async with worker(broker), asyncio.timeout(30):
        handle = await broker.tasks["app.hold_process"].enqueue(1)
        await asyncio.to_thread(eventually, lambda: bool(site.lines("start 1")))
        await handle.cancel()
        assert isinstance(await handle.outcome(), Cancelled)
        child = int(site.lines("start 1")[0][2])
        await asyncio.to_thread(eventually, lambda: not is_alive(child))


async def test_a_cancellation_ends_the_programs_that_the_task_has_started(broker: Broker, tmp_path: Path) -> None:
    """Nobody waits for them any more."""
    lock = tmp_path / "lock"
    lock.touch()

    def is_held() -> bool:
        with lock.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    employing = broker.task(name=employ.name, executor="process")(employ.function)
    async with worker(broker), asyncio.timeout(30):
        handle = await employing.enqueue(str(lock))
        await asyncio.to_thread(eventually, is_held)
        await handle.cancel()
        assert isinstance(await handle.outcome(), Cancelled)
        await asyncio.to_thread(eventually, lambda: not is_held())


@pytest.mark.parametrize("away", [False, True])
async def test_a_child_that_dies_takes_its_programs_with_it(broker: Broker, site: Site, away: bool) -> None:
    """Those in sessions of their own go on, but nobody waits for them, though they have the child's standard error."""
    lock = site.folder / "lock"
    lock.touch()
    deserting = broker.task(name=desert.name, executor="process")(desert.function)
    async with worker(broker), asyncio.timeout(30):
        outcome = await (await deserting.enqueue(str(lock), away)).outcome()
    assert isinstance(outcome, Crashed)
    assert outcome.type == "ProcessDied"
    programs = [int(line[1]) for line in site.lines("program")]
    assert len(programs) == 2
    if away:
        for program in programs:
            os.kill(program, signal.SIGKILL)
    for program in programs:
        await asyncio.to_thread(eventually, partial(_is_gone, program))


def _is_gone(program: int) -> bool:
    return not is_alive(program)


async def test_a_worker_that_stops_gives_back_what_its_children_run(broker: Broker, site: Site) -> None:
    """And leaves no child behind."""
    handle = await broker.tasks["app.hold_process"].enqueue(1)
    stopping = worker(broker)
    async with stopping, asyncio.timeout(30):
        await asyncio.to_thread(eventually, lambda: bool(site.lines("start 1")))
        stopping.stop_now()
    assert not is_alive(int(site.lines("start 1")[0][2]))
    assert (await broker.counts()).ready == 1
    site.go()
    async with worker(broker), asyncio.timeout(30):
        assert await handle.result() == 1


async def test_children_end_with_a_worker_that_is_killed(site: Site) -> None:
    """Its tasks are run again by another."""
    broker = Broker(site.url)
    task = broker.task(name=hold_process.name)(hold_process.function)
    async with broker, asyncio.timeout(60):
        with site.worker("--lease", "2") as victim:
            handle = await task.enqueue(1)
            await asyncio.to_thread(eventually, lambda: bool(site.lines("start 1")), 20, lambda: victim.output)
            victim.popen.kill()
            child = int(site.lines("start 1")[0][2])
            await asyncio.to_thread(eventually, lambda: not is_alive(child))
        site.go()
        with site.worker():
            assert await handle.result() == 1


async def test_without_an_application_the_worker_refuses_to_start(tmp_path: Path) -> None:
    """Children could not import the broker; what to write is said."""
    here = Broker(f"sqlite:///{tmp_path / 'tasks.db'}")
    in_memory = Broker("memory://")
    for broker, text in ((here, r"pass Worker\(application='module:name'\)"), (in_memory, "use SQLite or Redis")):
        broker.task(name="app.root", executor="process")(root.function)
        async with broker:
            with pytest.raises(DefinitionError, match=f"app.root: executor='process' needs child processes that import.*{text}"):
                await Worker(broker).run(burst=True)


async def test_a_task_that_the_children_do_not_know_is_put_off(
    broker: Broker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is neither lost nor run in the worker; the log says what is wrong. The same when no child can be started."""
    monkeypatch.setattr(pool, "_PAUSE", 0.0)
    broker.task(name="app.nowhere", executor="process")(root.function)
    await broker.tasks["app.nowhere"].enqueue(4)
    with caplog.at_level(logging.ERROR, "typedtasks.worker"):
        await worker(broker).run(burst=True)
        await broker.tasks["app.nowhere"].enqueue(4)
        await worker(broker, "no_such_module:broker").run(burst=True)
    assert "does not define the task 'app.nowhere'" in caplog.text
    assert "no_such_module" in caplog.text
    counts = await broker.counts()
    assert (counts.ready, counts.running, counts.delayed, counts.parked) == (0, 0, 2, 0)
