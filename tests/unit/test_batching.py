"""Group commit: single items leave in batches."""

from __future__ import annotations

import asyncio
import cProfile
import pstats

import pytest

from typedtasks.batching import Batcher


class Recorder:
    """A `send` that records its batches and lets the test say when each is answered."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.gate = asyncio.Event()
        self.error: Exception | None = None

    async def __call__(self, batch: list[int]) -> list[int]:
        self.batches.append(batch)
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return [item * 10 for item in batch]


async def until(condition: object) -> None:
    """Let the loop turn until `condition()` holds; bounded."""
    assert callable(condition)
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came true")


async def test_a_lone_item_leaves_at_once() -> None:
    """No timer holds it back."""
    send = Recorder()
    send.gate.set()

    assert await Batcher(send, limit=10).submit([1]) == [10]
    assert send.batches == [[1]]


async def test_items_that_come_while_a_batch_is_under_way_leave_together() -> None:
    """A hundred concurrent submitters cost two calls."""
    send = Recorder()
    batcher = Batcher(send, limit=1000)
    first = asyncio.create_task(batcher.submit([0]))
    await until(lambda: send.batches)
    rest = [asyncio.create_task(batcher.submit([n])) for n in range(1, 100)]
    await asyncio.sleep(0)

    send.gate.set()
    answers = await asyncio.gather(first, *rest)

    assert answers == [[n * 10] for n in range(100)]
    assert [len(batch) for batch in send.batches] == [1, 99]


async def test_no_batch_exceeds_the_limit() -> None:
    """Neither one large submission nor many small ones do."""
    send = Recorder()
    send.gate.set()
    batcher = Batcher(send, limit=10)

    large, *small = await asyncio.gather(batcher.submit(range(35)), *(batcher.submit([n] * 4) for n in range(20)))

    assert large == [n * 10 for n in range(35)]
    assert small == [[n * 10] * 4 for n in range(20)]
    assert max(map(len, send.batches)) <= 10


async def test_an_error_reaches_everyone_in_the_batch_and_nobody_else() -> None:
    """The next batch is not harmed."""
    send = Recorder()
    send.error = OSError("away")
    batcher = Batcher(send, limit=10)
    send.gate.set()
    failed = await asyncio.gather(batcher.submit([1]), batcher.submit([2]), return_exceptions=True)
    send.error = None

    assert [type(error) for error in failed] == [OSError, OSError]
    assert await batcher.submit([3]) == [30]


async def test_a_cancelled_submitter_does_not_take_its_neighbours_along() -> None:
    """What was submitted together is still sent and answered."""
    send = Recorder()
    batcher = Batcher(send, limit=10)
    one = asyncio.create_task(batcher.submit([1]))
    two = asyncio.create_task(batcher.submit([2]))
    await until(lambda: send.batches)

    one.cancel()
    send.gate.set()

    assert await two == [20]
    with pytest.raises(asyncio.CancelledError):
        await one
    await asyncio.wait_for(batcher.close(), 1)


async def test_who_is_cancelled_before_its_turn_sends_nothing() -> None:
    """It waits behind a batch that is under way."""
    send = Recorder()
    batcher = Batcher(send, limit=10)
    first, second, third = (asyncio.create_task(batcher.submit([n])) for n in range(3))
    await until(lambda: send.batches)
    second.cancel()
    send.gate.set()
    assert [await first, await third] == [[0], [20]]
    assert send.batches == [[0], [2]]


async def test_a_crowd_of_submitters_costs_each_no_more_than_a_few_do() -> None:
    """Those whose turn has not come are not woken by every batch that leaves."""

    async def send(batch: list[int]) -> list[int]:
        await asyncio.sleep(0)
        return batch

    async def turns(submitters: int) -> float:
        """Return the calls of functions for each submitter."""
        batcher = Batcher(send, limit=10)
        profile = cProfile.Profile()
        profile.enable()
        await asyncio.gather(*(batcher.submit([n]) for n in range(submitters)))
        profile.disable()
        return float(pstats.Stats(profile).total_calls) / submitters  # type: ignore[attr-defined]  # typeshed leaves it out

    assert await turns(5000) < 1.5 * await turns(100)
