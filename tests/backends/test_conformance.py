"""The public conformance suite on each of our own backends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from redis import Redis

from tests.backends.leftovers import memory_leftovers, redis_leftovers, sqlite_leftovers
from tests.redis_server import USER, RedisServer, SentinelSite, cluster_url
from typedtasks.backends.memory import MemoryBackend
from typedtasks.backends.redis import RedisBackend
from typedtasks.backends.sqlite import SQLiteBackend
from typedtasks.clock import ManualClock
from typedtasks.testing import BackendConformance, BackendHarness


class TestMemory(BackendConformance):
    """Memory, on a clock that the cases move."""

    @pytest.fixture
    async def harness(self) -> AsyncIterator[BackendHarness]:
        clock = ManualClock()
        backend = MemoryBackend(clock)

        async def pass_time(seconds: float) -> None:
            await asyncio.sleep(0)
            clock.advance(seconds)
            await asyncio.sleep(0)

        async def leftovers() -> list[str]:
            return list(memory_leftovers(backend))

        harness = BackendHarness(lambda: backend, pass_time, leftovers)
        yield harness
        await harness.close()


class TestSQLite(BackendConformance):
    """SQLite, each client with a connection and a thread of its own."""

    @pytest.fixture
    async def harness(self) -> AsyncIterator[BackendHarness]:
        async def leftovers() -> list[str]:
            return list(sqlite_leftovers(path))

        memory = "/dev/shm" if Path("/dev/shm").is_dir() else None  # no case ends the machine, so no disk has to be waited for
        with TemporaryDirectory(dir=memory) as folder:
            path = Path(folder) / "tasks.db"
            harness = BackendHarness(lambda: SQLiteBackend(str(path)), asyncio.sleep, leftovers)
            yield harness
            await harness.close()


class TestRedis(BackendConformance):
    """One server, as a user with the least rights."""

    @pytest.fixture
    async def harness(self, redis_url: str) -> AsyncIterator[BackendHarness]:
        url = redis_url.replace("redis://", f"redis://{USER}")
        async with on_redis(url, [Redis.from_url(redis_url)]) as harness:
            yield harness


class TestRedisBehindSentinels(BackendConformance):
    """The primary that a Sentinel names, as a user with the least rights."""

    @pytest.fixture
    async def harness(self, sentinels: SentinelSite) -> AsyncIterator[BackendHarness]:
        async with on_redis(sentinels.url_of("orders", USER), [sentinels.primary.client()]) as harness:
            yield harness


class TestRedisCluster(BackendConformance):
    """Three nodes, as a user with the least rights: queues are wherever their names put them."""

    @pytest.fixture
    async def harness(self, cluster: list[RedisServer]) -> AsyncIterator[BackendHarness]:
        async with on_redis(cluster_url(cluster), [node.client() for node in cluster]) as harness:
            yield harness


@asynccontextmanager
async def on_redis(url: str, servers: Sequence[Redis]) -> AsyncIterator[BackendHarness]:
    """Yield a harness on servers that are emptied before; their clients are closed afterwards."""

    async def leftovers() -> list[str]:
        return list(redis_leftovers(servers))

    with ExitStack() as closing:
        for redis in servers:
            closing.enter_context(redis).flushall()
        harness = BackendHarness(lambda: RedisBackend(url), asyncio.sleep, leftovers)
        yield harness
        await harness.close()


def test_the_suite_has_at_least_two_hundred_cases() -> None:
    """Each on every backend. A function with parameters is as many cases as it has values."""
    cases = [getattr(BackendConformance, name) for name in dir(BackendConformance) if name.startswith("test_")]
    marks = [[mark for mark in getattr(case, "pytestmark", ()) if mark.name == "parametrize"] for case in cases]
    count = sum(prod(len(mark.args[1]) for mark in of_case) for of_case in marks)
    print(f"{count} cases for each backend, of which {len(cases)} differ in more than a value")
    assert count >= 200
