"""What a task costs, in figures that do not depend on the machine's mood: calls to Redis, bytes, calls of Python functions.

A limit is about a seventh above what was measured with the pinned versions. Who exceeds one has made every task dearer: find out by
what, or say in the commit why it is worth it.
"""

from __future__ import annotations

import asyncio
import cProfile
import pstats
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence

import pytest
from redis import Redis
from typing_extensions import TypedDict

from typedtasks import Broker, Worker
from typedtasks.backends.redis.protocol import Connection

TASKS = 2000
LONE_ENQUEUE, BULK_ENQUEUE, EXECUTION = 140, 30, 120
"""Calls of functions for each task, those of asyncio's own event loop counted in."""


class Total(TypedDict):
    order_id: int
    total: float


async def add(order_id: int, email: str, amount: float) -> Total:
    return {"order_id": order_id, "total": amount}


@pytest.fixture
def empty_redis(redis_url: str) -> Iterator[Redis]:
    """The shared server, emptied."""
    with Redis.from_url(redis_url) as redis:
        redis.flushall()
        yield redis


async def calls_of(work: Callable[[], Awaitable[object]]) -> float:
    """Return how many calls of functions there are while `work` is done, for each of `TASKS` tasks."""
    profile = cProfile.Profile()
    profile.enable()
    await work()
    profile.disable()
    return float(pstats.Stats(profile).total_calls) / TASKS  # type: ignore[attr-defined]  # typeshed leaves it out


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The name of every command that was sent to Redis, but for the heartbeat's."""
    names: list[str] = []
    call = Connection.call

    def counted(self: Connection, arguments: Sequence[object]) -> asyncio.Future[object]:
        names.append(str(arguments[0]))
        return call(self, arguments)

    monkeypatch.setattr(Connection, "call", counted)
    return names


async def test_a_whole_life_under_load_costs_at_most_six_calls_to_redis_for_100_tasks(
    redis_url: str, empty_redis: Redis, sent: list[str]
) -> None:
    """Enqueue, claim, settle and the look for results, with everybody waiting for an outcome."""
    broker = Broker(redis_url)
    task = broker.task(name="add")(add)
    async with broker, Worker(broker), asyncio.timeout(60):
        await (await task.enqueue(0, "a@b.c", 1.5)).result()  # the scripts are loaded now
        sent.clear()
        handles = await broker.enqueue_many([task.call(number, "a@b.c", 1.5) for number in range(TASKS)])
        await asyncio.gather(*[handle.result() for handle in handles])
        assert len(sent) <= 6 * TASKS / 100, {name: sent.count(name) for name in set(sent)}


async def test_a_thousand_concurrent_callers_share_calls_to_redis(redis_url: str, empty_redis: Redis, sent: list[str]) -> None:
    """Without anybody waiting for a timer."""
    broker = Broker(redis_url)
    task = broker.task(name="add")(add)
    async with broker:
        sent.clear()
        await asyncio.gather(*[task.enqueue(number, "a@b.c", 1.5) for number in range(1000)])
        assert len(sent) <= 4


async def test_a_result_that_is_awaited_after_its_call_costs_no_call(redis_url: str, empty_redis: Redis, sent: list[str]) -> None:
    """It was pushed, before or after it was awaited; and so it is for whoever awaits it again."""
    broker = Broker(redis_url)
    task = broker.task(name="add")(add)
    async with broker:
        early = await task.enqueue(1, "a@b.c", 1.5)
        await Worker(broker).run(burst=True)
        async with Worker(broker), asyncio.timeout(10):
            late = await task.enqueue(2, "a@b.c", 1.5)
            assert [(await handle.result())["order_id"] for handle in (early, late, early, late)] == [1, 2, 1, 2]
    assert "MGET" not in sent


async def test_a_waiting_task_takes_at_most_200_bytes_of_redis_and_none_when_it_is_over(redis_url: str, empty_redis: Redis) -> None:
    """With a payload of 60 bytes."""
    broker = Broker(redis_url, result_ttl=0.05)
    task = broker.task(name="add")(add)
    async with broker:
        await task.enqueue(0, "a@b.c", 1.5)
        before = empty_redis.info("memory")["used_memory"]
        calls = [task.call(number, "client@example.com", 1.5) for number in range(10_000, 20_000)]
        assert len(calls[0].payload) == 60
        await broker.enqueue_many(calls)
        assert (empty_redis.info("memory")["used_memory"] - before) / len(calls) <= 200
        await Worker(broker).run(burst=True)
        await asyncio.sleep(0.06)  # the time to live of the last results
        assert empty_redis.exists("tt:{default}:delay", "tt:{default}:db", "tt:{default}:x") == 0
        assert [empty_redis.xlen(f"tt:{{default}}:s{priority}") for priority in range(3)] == [0, 0, 0]
        assert [key for key in empty_redis.scan_iter("tt:{default}:r:*") if empty_redis.exists(key)] == []


async def test_the_python_calls_of_an_enqueue_are_few(redis_url: str, empty_redis: Redis) -> None:
    """One by one, and in bulk."""
    broker = Broker(redis_url)
    task = broker.task(name="add")(add)
    async with broker:
        await task.enqueue(0, "a@b.c", 1.5)

        async def one_by_one() -> None:
            for number in range(TASKS):
                await task.enqueue(number, "a@b.c", 1.5)

        async def in_bulk() -> None:
            await broker.enqueue_many([task.call(number, "a@b.c", 1.5) for number in range(TASKS)])

        assert await calls_of(one_by_one) <= LONE_ENQUEUE
        assert await calls_of(in_bulk) <= BULK_ENQUEUE


async def test_the_python_calls_of_an_execution_are_few(redis_url: str, empty_redis: Redis) -> None:
    """From the claim to the settlement."""
    broker = Broker(redis_url)
    task = broker.task(name="add")(add)
    async with broker:
        await task.enqueue(0, "a@b.c", 1.5)
        await Worker(broker).run(burst=True)
        await broker.enqueue_many([task.call(number, "a@b.c", 1.5) for number in range(TASKS)])
        worker = Worker(broker)
        assert await calls_of(lambda: worker.run(burst=True)) <= EXECUTION
        assert worker.tally.succeeded == TASKS


def test_importing_typedtasks_loads_no_backend_and_nothing_to_generate_with() -> None:
    """What is not used costs nothing: `import typedtasks` takes a fifth of a second, most of it pydantic's."""
    code = "import sys, typedtasks; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {"redis", "sqlite3", "jinja2", "mypy", "uvloop", "hiredis", "pytest", "fastapi"}.isdisjoint(loaded)
