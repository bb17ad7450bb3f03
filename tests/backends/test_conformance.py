"""The public conformance suite on each of our own backends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from redis import Redis

from tests.backends.leftovers import memory_leftovers, redis_leftovers, sqlite_leftovers
from tests.redis_server import USER, RedisServer, SentinelSite, cluster_url, empty_servers
from typedtasks.backend import Once
from typedtasks.backends.memory import MemoryBackend
from typedtasks.backends.redis import RedisBackend
from typedtasks.backends.sqlite import SQLiteBackend
from typedtasks.clock import ManualClock
from typedtasks.testing import BackendConformance, BackendHarness

_WITHIN_ONE_SHARD = (
    "test_a_batch_is_stored_whole_and_in_order",
    "test_a_batch_larger_than_any_call_is_stored_whole_and_in_order",
    "test_a_cancelled_task_of_high_priority_is_settled_first",
    "test_a_client_can_be_opened_again",
    "test_a_reason_may_be_long_and_of_any_characters",
    "test_batches_that_are_sent_at_the_same_time_are_all_stored",
    "test_dead_letters_can_be_read_in_parts",
    "test_dead_letters_come_oldest_first_and_limited",
    "test_each_outcome_has_a_time_of_its_own",
    "test_each_settlement_of_a_batch_brings_its_own",
    "test_equal_keys_within_a_batch_are_one_task",
    "test_low_priority_is_not_starved",
    "test_low_tasks_get_an_eighth_of_one_claim_in_eight",
    "test_many_outcomes_of_one_batch_are_all_pushed",
    "test_no_priority_of_any_queue_is_starved",
    "test_parked_tasks_come_by_their_times_and_limited",
    "test_ready_tasks_are_shown_as_they_will_be_claimed",
    "test_the_order_holds_over_claims_of_any_size",
    "test_what_follows_a_settlement_may_have_a_key",
    "test_what_was_settled_before_its_session_died_is_not_taken",
)
"""Cases of the order of tasks, and of what follows a task, which stays in its shard."""


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


class TestRedisShards(BackendConformance):
    """A cluster, and three shards of every queue: all cases but those of what holds within one shard only."""

    @pytest.fixture
    async def harness(self, cluster: list[RedisServer]) -> AsyncIterator[BackendHarness]:
        url = f"{cluster_url(cluster)}?shards=3"
        async with on_redis(url, [node.client() for node in cluster], RedisBackend(url).place) as harness:
            yield harness


for name in _WITHIN_ONE_SHARD:
    setattr(TestRedisShards, name, None)


@asynccontextmanager
async def on_redis(
    url: str, servers: Sequence[Redis], place: Callable[[str, Once | None], str] | None = None
) -> AsyncIterator[BackendHarness]:
    """Yield a harness on servers that are emptied before; their clients are closed afterwards."""

    async def leftovers() -> list[str]:
        return list(redis_leftovers(servers))

    with ExitStack() as closing:
        empty_servers([closing.enter_context(redis) for redis in servers])
        harness = BackendHarness(lambda: RedisBackend(url), asyncio.sleep, leftovers, place)
        yield harness
        await harness.close()


def test_the_suite_has_at_least_two_hundred_cases() -> None:
    """Each on every backend. A function with parameters is as many cases as it has values."""
    cases = [getattr(BackendConformance, name) for name in dir(BackendConformance) if name.startswith("test_")]
    marks = [[mark for mark in getattr(case, "pytestmark", ()) if mark.name == "parametrize"] for case in cases]
    count = sum(prod(len(mark.args[1]) for mark in of_case) for of_case in marks)
    print(f"{count} cases for each backend, of which {len(cases)} differ in more than a value")
    assert count >= 200
