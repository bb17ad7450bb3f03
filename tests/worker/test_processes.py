"""`typedtasks worker` as real processes: killed, stopped, restarted, asked for nonsense."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest
from redis import Redis

from tests.processes import Process, eventually, started
from tests.worker.application import block, die, double, fail, hold, hold_in_thread, process
from typedtasks import Broker, Counts, Success
from typedtasks.task import AnyTask

APPLICATION = "tests.worker.application:broker"
PATIENCE = 20.0


@dataclass
class Site:
    """One store, one folder, and the log that its processes share."""

    url: str
    folder: Path

    def broker(self) -> Broker:
        """Return a broker on the store with the application's tasks."""
        broker = Broker(self.url)
        for task in (double, hold, hold_in_thread, block, fail, process, die):
            broker.task(name=task.name)(task.function)
        return broker

    def worker(self, *options: str) -> AbstractContextManager[Process]:
        """Start a worker."""
        return started(
            "-m", "typedtasks", "worker", APPLICATION, *options, folder=self.folder, TYPEDTASKS_URL=self.url, TEST_LOG=str(self.log)
        )

    @property
    def log(self) -> Path:
        """The file that the tasks write to."""
        return self.folder / "log"

    def lines(self, kind: str) -> list[list[str]]:
        """Return what the tasks have written."""
        text = self.log.read_text() if self.log.exists() else ""
        return [line.split() for line in text.splitlines() if line.startswith(kind)]

    def go(self) -> None:
        """Let the holding tasks go on."""
        Path(f"{self.log}.go").touch()


@pytest.fixture(params=["sqlite", "redis"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """A store that processes can share, empty."""
    if request.param == "sqlite":
        yield Site(f"sqlite:///{tmp_path / 'tasks.db'}", tmp_path)
        return
    url = str(request.getfixturevalue("redis_url"))
    with Redis.from_url(url) as redis:
        redis.flushall()
    yield Site(url, tmp_path)


def named(broker: Broker, task: AnyTask) -> AnyTask:
    """Return the broker's own task of the same name."""
    return broker.tasks[task.name]


async def until(condition: object, *, worker: Process) -> None:
    """Return when something about the processes holds."""
    assert callable(condition)
    await asyncio.to_thread(eventually, condition, PATIENCE, lambda: worker.output)


async def test_a_hundred_tasks_of_a_killed_worker_are_run_again_and_settled_once(site: Site) -> None:
    """kill -9 while it holds 100 tasks: another worker runs every one within 20 s, and each has one outcome."""
    broker = site.broker()
    async with broker:
        handles = await broker.enqueue_many([named(broker, hold).call(n) for n in range(100)])
        with site.worker() as victim, site.worker() as survivor_later:
            survivor_later.stop()
            await until(lambda: len(site.lines("start")) == 100, worker=victim)
            victim.popen.kill()
            killed = time.monotonic()
            site.go()
            with site.worker() as survivor:
                results = await asyncio.gather(*(handle.outcome(timeout=30) for handle in handles))
                taken = time.monotonic() - killed
                assert survivor.stop() == 0
        assert results == [Success(n) for n in range(100)]
        assert taken < 20
        assert sorted(int(line[1]) for line in site.lines("end")) == list(range(100))
        assert await broker.counts() == Counts()


async def test_two_worker_processes_share_the_work(site: Site) -> None:
    """Under one supervisor; SIGTERM ends both."""
    broker = site.broker()
    async with broker:
        with site.worker("--processes", "2", "--concurrency", "5") as worker:
            handles = await broker.enqueue_many([named(broker, hold).call(n) for n in range(10)])
            await until(lambda: len(site.lines("start")) == 10, worker=worker)
            site.go()
            assert [await handle.result(timeout=PATIENCE) for handle in handles] == list(range(10))
            assert len({line[2] for line in site.lines("start")}) == 2
            assert worker.stop() == 0


async def test_a_child_that_dies_is_restarted_and_its_task_runs_again_at_once(site: Site) -> None:
    """The successor ends the dead session's lease, so nobody waits for it."""
    broker = site.broker()
    async with broker:
        with site.worker("--processes", "2", "--concurrency", "1") as worker:
            pid = await (await named(broker, process).enqueue()).result(timeout=PATIENCE)
            handle = await named(broker, hold).enqueue(1)
            await until(lambda: site.lines("start"), worker=worker)
            killed = int(site.lines("start")[0][2])
            os.kill(killed, signal.SIGKILL)
            begun = time.monotonic()
            site.go()
            assert await handle.result(timeout=PATIENCE) == 1
            assert time.monotonic() - begun < 10
            worker.wait_for_output("was killed by SIGKILL; starting another")
            assert isinstance(pid, int)
            assert worker.stop() == 0


async def test_a_stopping_worker_takes_nothing_new_and_finishes_what_runs(site: Site) -> None:
    """SIGTERM during a task: its result arrives, the next task waits, the exit code is 0."""
    broker = site.broker()
    async with broker:
        with site.worker("--concurrency", "1") as worker:
            running = await named(broker, hold).enqueue(1)
            await until(lambda: site.lines("start"), worker=worker)
            waiting = await named(broker, hold).enqueue(2)
            worker.popen.send_signal(signal.SIGTERM)
            await asyncio.to_thread(worker.wait_for_output, "taking nothing new")
            site.go()
            assert await running.result(timeout=PATIENCE) == 1
            assert await asyncio.to_thread(worker.popen.wait, PATIENCE) == 0
        assert await waiting.peek() is None
        assert (await broker.counts()).ready == 1


@pytest.mark.parametrize("synchronous", [False, True])
async def test_what_does_not_end_in_the_grace_time_is_given_back(site: Site, synchronous: bool) -> None:
    """The worker exits in time, also with a thread that nothing can stop, and the task is ready for another."""
    broker = site.broker()
    async with broker:
        with site.worker("--grace", "0.2") as worker:
            await named(broker, hold_in_thread if synchronous else hold).enqueue(1)
            await until(lambda: site.lines("start"), worker=worker)
            begun = time.monotonic()
            assert await asyncio.to_thread(worker.stop) == 0
            assert time.monotonic() - begun < 5
        assert (await broker.counts()).ready == 1


@pytest.mark.parametrize("processes", ["1", "2"])
async def test_a_blocked_event_loop_does_not_keep_a_worker_from_ending(site: Site, processes: str) -> None:
    """Grace time and a second, whatever the task does; it runs again elsewhere."""
    broker = site.broker()
    async with broker:
        with site.worker("--grace", "0.5", "--processes", processes) as worker:
            await named(broker, block).enqueue(30.0)
            await until(lambda: site.lines("start"), worker=worker)
            begun = time.monotonic()
            await asyncio.to_thread(worker.stop)
            assert time.monotonic() - begun < 3.5
        counts = await broker.counts()
        assert counts.ready + counts.running == 1


async def test_a_second_signal_ends_the_grace_time(site: Site) -> None:
    """Ctrl-C twice."""
    broker = site.broker()
    async with broker:
        with site.worker() as worker:
            await named(broker, hold).enqueue(1)
            await until(lambda: site.lines("start"), worker=worker)
            worker.popen.send_signal(signal.SIGINT)
            await asyncio.to_thread(worker.wait_for_output, "taking nothing new")
            assert await asyncio.to_thread(worker.stop, signal.SIGINT) == 0
        assert (await broker.counts()).ready == 1


async def test_a_burst_runs_what_is_there_and_exits(site: Site) -> None:
    """0 when all succeeded, 1 when one failed."""
    broker = site.broker()
    async with broker:
        handles = await broker.enqueue_many([named(broker, double).call(n) for n in range(250)])
        with site.worker("--burst") as worker:
            assert await asyncio.to_thread(worker.popen.wait, PATIENCE) == 0, worker.output
        assert [await handle.result(timeout=1) for handle in handles] == [2 * n for n in range(250)]
        await named(broker, fail).enqueue()
        with site.worker("--burst", "--processes", "2", "--log-format", "json") as worker:
            assert await asyncio.to_thread(worker.popen.wait, PATIENCE) == 1, worker.output
            worker.stop()
    records = [json.loads(line) for line in worker.output.splitlines()]
    (crash,) = [record for record in records if "crashed. ValueError: no" in record["message"]]
    assert (crash["task"], crash["outcome"], crash["attempts"], crash["error"]) == ("app.fail", "crashed", 1, "ValueError")
    assert "in fail" in crash["message"]  # the traceback


async def test_a_worker_whose_loop_is_blocked_keeps_its_lease_and_names_the_task(site: Site) -> None:
    """The heartbeat has a thread of its own; the log says which task blocks."""
    broker = site.broker()
    async with broker:
        with site.worker("--lease", "1") as one, site.worker("--lease", "1") as two:
            handle = await named(broker, block).enqueue(3.5)
            assert await handle.outcome(timeout=PATIENCE) == Success("done")
            assert len(site.lines("start")) == 1
            await until(lambda: "has been blocked for" in one.output + two.output, worker=one)
            assert "s by app.block default." in one.output + two.output


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("nonsense", "'nonsense' does not name a broker: write module:name"),
        ("no_such_module:broker", "There is no module 'no_such_module' (looked for 'no_such_module:broker' in"),
        ("tests.worker.application:nothing", "has no 'nothing'. Brokers there: broker, encrypted."),
        ("tests.worker.application:not_a_broker", "is a int, not a typedtasks.Broker. Brokers there: broker, encrypted."),
        ("tests.worker.application.py:broker", "leave out its ending"),
    ],
)
def test_a_broker_that_is_not_there_is_one_clear_line(target: str, text: str, tmp_path: Path) -> None:
    """Exit code 2, and what was looked for."""
    with started("-m", "typedtasks", "worker", target, folder=tmp_path, TEST_LOG="") as worker:
        assert worker.popen.wait(PATIENCE) == 2
        worker.stop()
    assert text in worker.output
    assert "Traceback" not in worker.output


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("redis://:secret@127.0.0.1:1/0", "Redis at redis://:***@127.0.0.1:1/0 is not available"),
        ("amqp://localhost", "has no known scheme. Known are: redis://"),
        ("sqlite:////proc/nothing/tasks.db", "cannot be opened"),
    ],
)
def test_a_backend_that_is_not_there_is_one_clear_line_within_five_seconds(url: str, text: str, tmp_path: Path) -> None:
    """Exit code 2, what was tried, and no password."""
    begun = time.monotonic()
    with started("-m", "typedtasks", "worker", APPLICATION, folder=tmp_path, TYPEDTASKS_URL=url, TEST_LOG="") as worker:
        assert worker.popen.wait(PATIENCE) == 2
        worker.stop()
    assert time.monotonic() - begun < 7
    assert text in worker.output
    assert "secret" not in worker.output


def test_a_worker_in_memory_says_that_nobody_can_reach_it(tmp_path: Path) -> None:
    """It would wait for ever without a word."""
    with started("-m", "typedtasks", "worker", APPLICATION, folder=tmp_path, TYPEDTASKS_URL="memory://", TEST_LOG="") as worker:
        worker.wait_for_output("nobody can send it tasks")
        assert worker.stop() == 0


def test_help_is_there_for_every_command() -> None:
    """And says what the exit codes mean."""
    for arguments in (
        [],
        ["worker"],
        ["queues"],
        ["workers"],
        ["dead", "replay"],
        ["parked", "list"],
        ["purge"],
        ["cancel"],
        ["demo"],
    ):
        run = subprocess.run([sys.executable, "-m", "typedtasks", *arguments, "--help"], capture_output=True, text=True, check=True)
        assert "usage: typedtasks" in run.stdout
    bad = subprocess.run(
        [sys.executable, "-m", "typedtasks", "worker", APPLICATION, "--processes", "0"], capture_output=True, text=True
    )
    assert bad.returncode == 2
    assert "'0' is not a whole number above zero" in bad.stderr
