"""The public conformance suite on each of our own backends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis import Redis

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

        harness = BackendHarness(lambda: backend, pass_time)
        yield harness
        await harness.close()


class TestSQLite(BackendConformance):
    """SQLite, each client with a connection and a thread of its own."""

    @pytest.fixture
    async def harness(self, tmp_path: Path) -> AsyncIterator[BackendHarness]:
        harness = BackendHarness(lambda: SQLiteBackend(str(tmp_path / "tasks.db")), asyncio.sleep)
        yield harness
        await harness.close()


class TestRedis(BackendConformance):
    """Redis, on a server that this test run started."""

    @pytest.fixture
    async def harness(self, redis_url: str) -> AsyncIterator[BackendHarness]:
        with Redis.from_url(redis_url) as redis:
            redis.flushall()
        harness = BackendHarness(lambda: RedisBackend(redis_url), asyncio.sleep)
        yield harness
        await harness.close()


class TestRedisBehindSentinels(BackendConformance):
    """The primary that a Sentinel names, as a user with the least rights."""

    @pytest.fixture
    async def harness(self, sentinels: SentinelSite) -> AsyncIterator[BackendHarness]:
        with sentinels.primary.client() as redis:
            redis.flushall()
        harness = BackendHarness(lambda: RedisBackend(sentinels.url_of("orders", USER)), asyncio.sleep)
        yield harness
        await harness.close()


class TestRedisCluster(BackendConformance):
    """Three nodes, as a user with the least rights: queues are wherever their names put them."""

    @pytest.fixture
    async def harness(self, cluster: list[RedisServer]) -> AsyncIterator[BackendHarness]:
        for node in cluster:
            with node.client() as redis:
                redis.flushall()
        harness = BackendHarness(lambda: RedisBackend(cluster_url(cluster)), asyncio.sleep)
        yield harness
        await harness.close()
