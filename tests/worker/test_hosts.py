"""What a host does to its processes: clocks that are wrong, and forks."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from tests.processes import ROOT
from tests.worker.test_processes import Site
from typedtasks import Broker, Retry, Worker
from typedtasks.clock import SystemClock

PATIENCE = 10.0
LEASE = 0.6


class WrongClock(SystemClock):
    """A clock that is an hour early or late."""

    def __init__(self, error: float) -> None:
        self._error = error

    def now(self) -> float:
        """Return a time that nobody else has."""
        return super().now() + self._error


@pytest.mark.parametrize("error", [3600.0, -3600.0])
async def test_a_clock_that_is_an_hour_wrong_changes_nothing(redis_url: str, error: float) -> None:
    """Of a client or of a worker: leases, delays, retries and results go by the clock of Redis."""
    wrong, right = Broker(redis_url, clock=WrongClock(error)), Broker(redis_url)
    runs: list[str] = []

    def define(broker: Broker, who: str) -> None:
        @broker.task(name="work", retry=Retry(max_attempts=2, backoff=0.01, on=ConnectionError))
        async def work(what: str) -> str:
            runs.append(what)
            if runs.count(what) == 1 and what == "again":
                raise ConnectionError
            if what == "long":
                await asyncio.sleep(2 * LEASE)  # that its lease would end meanwhile is what the test is about
            return who

    define(wrong, "wrong")
    define(right, "right")
    async with wrong, right, asyncio.timeout(3 * PATIENCE):
        for sender, other in ((wrong, right), (right, wrong)):
            task = sender.tasks["work"]
            runs.clear()
            async with Worker(other, lease=LEASE):
                handles = [
                    await task.enqueue("long"),
                    await task.enqueue("again"),
                    await task.options(delay=0.2).enqueue("delayed"),
                ]
                async with Worker(sender, lease=LEASE):
                    assert len(await asyncio.gather(*[handle.result() for handle in handles])) == 3
                known = other.handle(other.tasks["work"], handles[0].id)
                assert await known.result() in ("wrong", "right")
            assert sorted(runs) == ["again", "again", "delayed", "long"]


FORKING = """
import asyncio, os, sys
from typedtasks import Broker, BrokerClosed

url = sys.argv[1]

def define(broker):
    @broker.task(name="work")
    async def work(number: int) -> None: ...
    return work

async def child(inherited):
    try:
        await inherited.enqueue(1)
    except BrokerClosed:
        pass
    else:
        return 1
    broker = Broker(url)
    async with broker:
        await define(broker).enqueue(2)
    return 0

async def main():
    broker = Broker(url)
    work = define(broker)
    async with broker:
        await work.enqueue(0)
        process = os.fork()
        if process == 0:
            os._exit(asyncio.run(child(work)))
        _, status = os.waitpid(process, 0)
        assert status == 0, status
        await work.enqueue(3)
        print((await broker.counts()).ready)

asyncio.run(main())
"""


def test_a_fork_leaves_the_connection_to_the_parent(site: Site) -> None:
    """A broker that was opened before refuses to work in the child, which opens its own; the parent's goes on."""
    arguments = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORKING, site.url]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (0, "3\n"), done.stderr
