"""Defects that other task queues have had, each a test here by its name."""

from __future__ import annotations

import asyncio
import contextvars
import random

from redis.asyncio import Redis

from tests.main_job.stage import Stage
from typedtasks import Crashed, PayloadRejected, ResultInvalid, Retry, Success, Worker
from typedtasks.backend import SessionId
from typedtasks.envelope import Header, write_header

PATIENCE = 10.0


class Deaf:
    """A session listener that hears nothing."""

    def cancelled(self, id: object) -> None: ...

    def left_behind(self) -> None: ...

    def parked(self, name: object) -> None: ...


async def test_a_failed_parse_never_runs_the_task_anyway(stage: Stage) -> None:
    """A payload of the wrong type is refused by the worker; the function does not see it."""
    broker = stage.broker()
    seen: list[object] = []

    @broker.task(name="f")
    async def f(x: int) -> int:
        seen.append(x)
        return x

    async with broker, Worker(broker):
        id = await stage.put_raw(broker, write_header(Header("f")) + b'{"x":"abc"}')
        outcome = await broker.handle(f, id).outcome(timeout=PATIENCE)
        assert isinstance(outcome, Crashed)
        assert isinstance(outcome.error, PayloadRejected)
        assert outcome.error.errors[0]["loc"] == ("x",)
        (letter,) = await broker.dead_letters()
    assert seen == []
    assert letter.body.endswith(b'{"x":"abc"}')
    assert "x: Input should be a valid integer" in letter.reason


async def test_a_wrong_return_type_never_passes(stage: Stage) -> None:
    """The waiter gets ResultInvalid, not a value of another type."""
    broker = stage.broker()

    @broker.task(name="f")
    async def f() -> int:
        return "abc"  # type: ignore[return-value]  # the wrong value is the point

    async with broker, Worker(broker):
        outcome = await (await f.enqueue()).outcome(timeout=PATIENCE)
    assert isinstance(outcome, Crashed)
    assert isinstance(outcome.error, ResultInvalid)


async def test_a_task_sent_before_the_first_worker_ever_started_is_not_lost(stage: Stage) -> None:
    """The queue begins with the first task, not with the first worker."""
    broker = stage.broker()

    @broker.task(name="f")
    async def f(x: int) -> int:
        return x

    async with broker:
        handles = [await f.enqueue(n) for n in range(3)]
        async with Worker(broker):
            assert [await handle.result(timeout=PATIENCE) for handle in handles] == [0, 1, 2]


async def test_a_settled_entry_does_not_stay_in_the_store_for_ever(stage: Stage) -> None:
    """After 500 tasks the queue is as empty as before; on Redis only outcomes with a time to live are left."""
    broker = stage.broker()

    @broker.task(name="f")
    async def f(x: int) -> int:
        return x

    async with broker:
        handles = await broker.enqueue_many([f.call(n) for n in range(500)])
        async with Worker(broker):
            await asyncio.gather(*(handle.result(timeout=PATIENCE) for handle in handles))
        counts = await broker.counts()
        assert (counts.ready, counts.running, counts.delayed, counts.parked) == (0, 0, 0, 0)
        if stage.url.startswith("redis"):
            async with Redis.from_url(stage.url) as redis:
                lengths = [await redis.xlen(key) async for key in redis.scan_iter("*", _type="stream")]
                assert sum(lengths) == 0


def test_exponential_backoff_is_not_linear() -> None:
    """1, 2, 4, 8: not 1, 2, 3, 4."""
    waits = [Retry(jitter=0.0, backoff=1.0).delay(attempt, random.Random(1)) for attempt in range(1, 5)]
    assert waits == [1, 2, 4, 8]


async def test_an_unknown_task_is_not_acknowledged_and_lost(stage: Stage) -> None:
    """The old worker parks it, it is listed, and a worker that knows it takes it at once."""
    old, new = stage.broker(), stage.broker()

    @new.task(name="added.later")
    async def added(x: int) -> int:
        return x

    async with old, new:
        async with Worker(old):
            handle = await added.enqueue(5)
            while (await old.counts()).parked != 1:
                await asyncio.sleep(0.005)
            (waiting,) = await old.peek()
            assert (waiting.state, waiting.awaits) == ("parked", "added.later")
            assert await handle.peek() is None
        async with asyncio.timeout(PATIENCE), Worker(new):
            assert await handle.result() == 5
        assert (await new.counts()).parked == 0


async def test_a_crashed_workers_task_is_picked_up_while_the_queue_is_idle(stage: Stage) -> None:
    """No new traffic is needed: the lease ends, and the next worker takes the task over."""
    broker = stage.broker()

    @broker.task(name="f")
    async def f(x: int) -> int:
        return x

    async with broker:
        crashed = await broker.backend.join(SessionId("crashed"), ["default"], 0.2, Deaf())
        handle = await f.enqueue(7)
        taken = await crashed.receive(10, 1)
        assert [delivery.id for delivery in taken] == [handle.id]
        async with Worker(broker, lease=0.6):
            assert await handle.outcome(timeout=PATIENCE) == Success(7)
        await crashed.leave()


async def test_two_concurrent_tasks_do_not_see_each_others_context(stage: Stage) -> None:
    """Every task runs in a context of its own, on the loop and in threads."""
    broker = stage.broker()
    current: contextvars.ContextVar[int] = contextvars.ContextVar("current", default=-1)
    all_here = asyncio.Event()
    here = 0

    @broker.task(name="on_loop")
    async def on_loop(x: int) -> tuple[int, int]:
        nonlocal here
        before = current.get()
        current.set(x)
        here += 1
        if here == 5:
            all_here.set()
        await all_here.wait()
        return before, current.get()

    @broker.task(name="in_thread")
    def in_thread(x: int) -> tuple[int, int]:
        before = current.get()
        current.set(x)
        return before, current.get()

    async with broker, Worker(broker):
        handles = await broker.enqueue_many([on_loop.call(n) for n in range(5)])
        threads = await broker.enqueue_many([in_thread.call(n) for n in range(50)])
        assert [await handle.result(timeout=PATIENCE) for handle in handles] == [(-1, n) for n in range(5)]
        assert [await handle.result(timeout=PATIENCE) for handle in threads] == [(-1, n) for n in range(50)]
