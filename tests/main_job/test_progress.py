"""A task says how far it has come, and whoever has its handle can read it: cheaply, and for as long as its outcome is kept."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Sequence
from typing import Any

import pytest
from redis import Redis

from tests.main_job.stage import Stage
from typedtasks import BackendUnavailable, Broker, Context, DefinitionError, Depends, Progress, ResultInvalid, Retry, Worker
from typedtasks.backend import Report
from typedtasks.backends.memory import MemoryBackend, MemorySession
from typedtasks.progress import read_progress


async def test_a_handle_tells_the_progress_of_a_task_that_runs(stage: Stage) -> None:
    """Here and in another process; the last one is there when the task has ended."""
    broker, other = stage.broker(), stage.broker()
    go_on = asyncio.Event()

    @broker.task(name="copy")
    async def copy(files: int, context: Context = Depends()) -> int:
        context.progress(0, files)
        await go_on.wait()
        for done in range(files):
            context.progress(done + 1, files, f"file {done + 1}")
        return files

    elsewhere = other.task(name="copy")(copy.function)
    async with broker, other, Worker(broker), asyncio.timeout(20):
        handle = await copy.enqueue(1000)
        foreign = other.handle(elsewhere, handle.id)
        seen: list[Progress] = []
        async for progress in foreign.updates(every=0.01):
            seen.append(progress)
            go_on.set()
        assert seen[0] == Progress(0, 1000)
        assert seen[-1] == Progress(1000, 1000, "file 1000")
        assert seen[-1].fraction == 1.0
        assert len(seen) < 100
        assert await handle.result() == 1000
        assert await handle.progress() == seen[-1]


async def test_a_synchronous_task_says_it_from_its_thread(stage: Stage) -> None:
    """Whoever waits hears of it before the task has ended."""
    broker = stage.broker()
    go_on = threading.Event()

    @broker.task(name="resize")
    def resize(context: Context = Depends()) -> None:
        context.progress(1.5, message="half")
        go_on.wait(10)

    async with broker, Worker(broker), asyncio.timeout(20):
        handle = await resize.enqueue()
        assert await handle.progress() in (None, Progress(1.5, None, "half"))
        async for progress in handle.updates(every=0.01):
            assert progress == Progress(1.5, None, "half")
            assert progress.fraction is None
            go_on.set()


async def test_a_retry_begins_anew(stage: Stage) -> None:
    """The attempt says which execution it was."""
    broker = stage.broker()

    @broker.task(name="flaky", retry=Retry(max_attempts=2, backoff=0.001))
    async def flaky(context: Context = Depends()) -> None:
        context.progress(10 * context.attempt)
        if context.attempt == 1:
            raise RuntimeError

    async with broker, Worker(broker), asyncio.timeout(20):
        handle = await flaky.enqueue()
        await handle.result()
        assert await handle.progress() == Progress(20, attempt=2)


async def test_nothing_is_sent_for_tasks_that_say_nothing(stage: Stage) -> None:
    """And there is nothing to read."""
    broker = stage.broker()

    @broker.task(name="silent")
    async def silent(context: Context = Depends()) -> None: ...

    async with broker, Worker(broker), asyncio.timeout(20):
        handle = await silent.enqueue()
        assert [progress async for progress in handle.updates()] == []
        assert await handle.progress() is None


class CountingSession(MemorySession):
    """Counts the calls, and refuses as many of them as it is told."""

    reports: list[Sequence[Report]]
    refuse = 0

    async def report(self, batch: Sequence[Report]) -> list[bool]:
        """Count, then report."""
        self.reports.append(batch)
        if CountingSession.refuse:
            CountingSession.refuse -= 1
            raise BackendUnavailable("The server is not there.")
        return await super().report(batch)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[Sequence[Report]]:
    """The calls of the worker's session on memory."""
    monkeypatch.setattr(CountingSession, "reports", [], raising=False)
    monkeypatch.setattr("typedtasks.backends.memory.MemorySession", CountingSession)
    return CountingSession.reports


async def test_many_words_of_many_tasks_are_few_calls(counted: list[Sequence[Report]]) -> None:
    """The newest of each, together; and nothing at all for tasks that say nothing."""
    broker = Broker(MemoryBackend())
    all_have_spoken = asyncio.Barrier(51)
    leave = asyncio.Event()

    @broker.task(name="talk")
    async def talk(context: Context = Depends()) -> None:
        for done in range(1000):
            context.progress(done)
        await all_have_spoken.wait()
        await leave.wait()

    async with broker, Worker(broker, concurrency=60), asyncio.timeout(20):
        handles = await broker.enqueue_many([talk.call() for _ in range(50)])
        await all_have_spoken.wait()
        async for progress in handles[-1].updates(every=0.01):
            assert progress == Progress(999)
            leave.set()
        assert [await handle.progress() for handle in handles] == [Progress(999)] * 50
    assert sum(map(len, counted)) <= 100
    assert len(counted) < 10


async def test_a_backend_that_is_away_costs_progress_and_no_task(counted: list[Sequence[Report]]) -> None:
    """The next report says more."""
    broker = Broker(MemoryBackend())
    CountingSession.refuse = 1

    @broker.task(name="talk")
    async def talk(context: Context = Depends()) -> int:
        context.progress(1)
        return 7

    async with broker, Worker(broker), asyncio.timeout(20):
        first = await talk.enqueue()
        assert await first.result() == 7
        assert await first.progress() is None
        second = await talk.enqueue()
        assert await second.result() == 7
        assert await second.progress() == Progress(1)
    assert len(counted) == 2


async def test_the_last_word_comes_before_the_outcome(redis_url: str) -> None:
    """Also where Redis does not know the script yet, and asks for it once more."""
    with Redis.from_url(redis_url) as redis:
        for _ in range(3):
            redis.flushall()
            redis.script_flush()
            broker = Broker(redis_url)

            @broker.task(name="talk")
            async def talk(context: Context = Depends()) -> None:
                context.progress(1)

            async with broker, Worker(broker), asyncio.timeout(20):
                handle = await talk.enqueue()
                await handle.result()
                assert await handle.progress() == Progress(1)


async def test_a_backend_that_does_not_answer_holds_no_outcome_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was said last has a moment to arrive, and no more."""
    monkeypatch.setattr("typedtasks.worker.reporting._LAST_WORDS", 0.01)
    broker = Broker(MemoryBackend())

    @broker.task(name="talk")
    async def talk(context: Context = Depends()) -> int:
        context.progress(1)
        return 7

    async def never(self: MemorySession, batch: Sequence[Report]) -> list[bool]:
        await asyncio.Event().wait()
        return []

    monkeypatch.setattr(MemorySession, "report", never)
    async with broker, Worker(broker), asyncio.timeout(20):
        assert await (await talk.enqueue()).result() == 7


def test_an_execution_that_has_ended_says_nothing_any_more() -> None:
    """Its thread may go on, and its task may have another attempt."""
    said: list[Progress] = []
    context = Context(broker=Broker("memory://"), name="by hand", report=said.append)
    context.progress(1)
    context.end()
    context.progress(2)
    assert said == [Progress(1)]


# Any: what is no number, and no text, is the point.
@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("1",), "progress\\(done='1'\\) has to be a number, 0 or more"),
        ((True,), "progress\\(done=True\\) has to be a number"),
        ((-1,), "progress\\(done=-1\\) has to be a number, 0 or more"),
        ((math.nan,), "progress\\(done=nan\\) has to be a number"),
        ((1, math.inf), "progress\\(total=inf\\) has to be a number"),
        ((10**400,), "progress\\(done=1000.* has to be a number"),
        ((1, 2, b"x"), "progress\\(message=b'x'\\) has to be a string of at most 500 characters"),
        ((1, 2, "x" * 501), "has to be a string of at most 500 characters"),
    ],
)
def test_what_is_no_progress_is_refused_where_it_is_said(arguments: tuple[Any, ...], text: str) -> None:
    """It would be of no use to whoever reads it."""
    context = Context(broker=Broker("memory://"), name="by hand")
    with pytest.raises(DefinitionError, match=text):
        context.progress(*arguments)
    assert context.reported is None


def test_a_test_sees_what_the_function_has_said() -> None:
    """Without a worker it goes nowhere else. A text that is no Unicode is made one."""
    context = Context(broker=Broker("memory://"), name="by hand", attempt=3)
    context.progress(1, 4, "x\ud800")
    assert context.reported == Progress(1, 4, "x\\ud800", 3)
    assert context.reported.fraction == 0.25
    assert Progress(5, 0).fraction is None
    assert Progress(5, 4).fraction == 1.0


def test_progress_that_cannot_be_read_says_so() -> None:
    """A newer version may write something else; what it only adds is ignored."""
    assert read_progress(b'{"done":1,"more":2}') == Progress(1)
    with pytest.raises(ResultInvalid, match="The stored progress cannot be read by this version of typedtasks"):
        read_progress(b'{"done":"much"}')
