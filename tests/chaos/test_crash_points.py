"""A worker that dies before or after any call to its backend: the next one does what was left, and everything ends once."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from redis import Redis

from tests.chaos.crashing import double, flaky
from tests.processes import ROOT
from typedtasks import Broker, Counts
from typedtasks.backend import Reschedule, SessionId, TaskId

CALLS = ("join", "receive", "settle", "recover", "unpark", "leave")
POINTS = [f"{call}:{when}:1" for call in CALLS for when in ("before", "after")]
POINTS += ["receive:before:2", "receive:after:2", "settle:before:2", "settle:after:2"]
"""The second claim and settlement are those of the task that is retried."""


@pytest.fixture(params=["sqlite", "redis"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A store that processes can share, empty."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'tasks.db'}"
    url = str(request.getfixturevalue("redis_url"))
    with Redis.from_url(url) as redis:
        redis.flushall()
    return url


def burst(url: str, folder: Path, session: str, **environment: str) -> int:
    """Run a worker until nothing is left (or it dies), and return its exit code."""
    return subprocess.run(
        [sys.executable, "-m", "typedtasks", "worker", "tests.chaos.crashing:broker", "--burst", "--session", session],
        env={**os.environ, "PYTHONPATH": str(ROOT), "TYPEDTASKS_URL": url, **environment},
        cwd=folder,
        timeout=60,
        check=False,
        capture_output=True,
    ).returncode


async def park_one(broker: Broker) -> None:
    """Have one of the tasks wait for a worker that knows it."""
    old = await broker.backend.join(SessionId("old"), ["default"], 10.0, Deaf())
    (delivery,) = await old.receive(1, 0)
    assert await old.settle([Reschedule(delivery, delivery.body, 60_000, awaits="crash.double")]) == [True]
    await old.leave()


class Deaf:
    """A session's listener that does nothing."""

    def cancelled(self, id: TaskId) -> None:
        """Take no notice."""

    def parked(self, name: str) -> None:
        """Take no notice."""

    def left_behind(self) -> None:
        """Take no notice."""


@pytest.mark.parametrize("point", POINTS)
def test_whatever_call_a_worker_dies_at_everything_ends_once(point: str, url: str, tmp_path: Path) -> None:
    """Plain tasks, one that is parked, and one that is retried."""

    async def run() -> list[int]:
        broker = Broker(url)
        for task in (double, flaky):  # only their types matter here
            broker.task(name=task.name)(task.function)
        async with broker, asyncio.timeout(60):
            calls = [broker.tasks["crash.double"].call(n) for n in range(5)] + [broker.tasks["crash.flaky"].call(7)]
            handles = await broker.enqueue_many(calls)
            await park_one(broker)
            assert await asyncio.to_thread(burst, url, tmp_path, "dying", CRASH=point) == -signal.SIGKILL
            await broker.backend.expire(SessionId("dying"), ["default"])
            assert await asyncio.to_thread(burst, url, tmp_path, "next") == 0
            assert await broker.counts() == Counts()
            return [await handle.result(timeout=1) for handle in handles]

    assert asyncio.run(run()) == [0, 2, 4, 6, 8, 21]
