"""Context variables: what a task sets is its own, however it ends, and what a lifespan sets is everybody's."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
import weakref
from collections.abc import AsyncIterator, Iterator
from contextvars import ContextVar, Token

import pytest

from tests.main_job.stage import Stage
from typedtasks import Broker, Context, Depends, Retry, Worker
from typedtasks.worker import hand

PATIENCE = 10.0
secret: ContextVar[str] = ContextVar("secret", default="")
shared: ContextVar[str] = ContextVar("shared", default="")


class Whose(logging.Filter):
    """Notes for each line of the worker's log what is set where it is written."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[tuple[str, str]] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass."""
        if secret.get() and "dirt" not in record.getMessage():
            self.seen.add((secret.get(), record.getMessage()))
        return True


def resource() -> Iterator[int]:
    """Set a variable, and take that back."""
    token = secret.set("a dependency")
    try:
        yield 1
    finally:
        secret.reset(token)


async def async_resource() -> AsyncIterator[int]:
    """The same on the event loop."""
    token: Token[str] = secret.set("an async dependency")
    try:
        yield 1
    finally:
        secret.reset(token)


def dirty(broker: Broker, may_end: threading.Event) -> list[object]:
    """Define tasks that set a variable and end in every way."""

    @broker.task(name="dirt.returns")
    async def returns() -> None:
        secret.set("returned")

    @broker.task(name="dirt.raises")
    async def raises() -> None:
        secret.set("raised")
        raise ValueError

    @broker.task(name="dirt.retries", retry=Retry(max_attempts=2, backoff=0.001))
    async def retries() -> None:
        secret.set("retried")
        raise ValueError

    @broker.task(name="dirt.times_out", timeout=0.02)
    async def times_out() -> None:
        secret.set("timed out")
        await asyncio.Event().wait()

    @broker.task(name="dirt.soft", soft_timeout=0.02)
    async def soft() -> None:
        secret.set("soft")
        await asyncio.Event().wait()

    @broker.task(name="dirt.thread")
    def thread() -> None:
        secret.set("thread")

    @broker.task(name="dirt.abandoned", timeout=0.02)
    def abandoned() -> None:
        secret.set("abandoned")
        may_end.wait(PATIENCE)

    @broker.task(name="dirt.swallows", timeout=0.02)
    async def swallows() -> None:
        secret.set("swallowed")
        while not may_end.is_set():
            try:
                await asyncio.sleep(0.005)
            except asyncio.CancelledError:
                continue

    return [value for value in locals().values() if hasattr(value, "enqueue")]


def dirty_with_dependencies(broker: Broker, may_end: threading.Event) -> list[object]:
    """The same with dependencies."""

    @broker.task(name="dirt.abandoned_lane", timeout=0.02)
    def abandoned_lane(*, one: int = Depends(resource), two: int = Depends(async_resource)) -> None:
        secret.set("abandoned with dependencies")
        may_end.wait(PATIENCE)

    @broker.task(name="dirt.injected")
    async def injected(*, one: int = Depends(resource), two: int = Depends(async_resource)) -> None:
        secret.set("injected")

    @broker.task(name="dirt.injected_thread")
    def injected_thread(*, one: int = Depends(resource), two: int = Depends(async_resource)) -> None:
        secret.set("injected in a thread")

    @broker.task(name="dirt.uses_the_broker")
    async def uses_the_broker(*, context: Context = Depends()) -> None:
        secret.set("used the broker")
        context.progress(1)
        handles = await asyncio.gather(*[injected.enqueue() for _ in range(3)])
        await asyncio.gather(*[handle.outcome() for handle in handles])

    return [value for value in locals().values() if hasattr(value, "enqueue")]


async def test_what_a_task_sets_is_seen_by_no_other_and_by_no_callback_of_the_worker(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """However it ends: the tasks that come into its slot, and the worker's log, see what was there before."""
    monkeypatch.setattr(hand, "PATIENCE", 0.02)
    broker, may_end, whose, seen = stage.broker(), threading.Event(), Whose(), list[str]()
    tasks = dirty(broker, may_end) + dirty_with_dependencies(broker, may_end)
    caplog.handler.addFilter(whose)
    caplog.set_level(logging.DEBUG, "typedtasks")

    @broker.task(name="clean")
    async def clean() -> str:
        seen.append(secret.get())
        return secret.get()

    @broker.task(name="clean_thread")
    def clean_thread() -> str:
        return secret.get()

    async with broker, Worker(broker, concurrency=len(tasks) // 2):
        first = [await task.enqueue() for task in tasks]  # type: ignore[attr-defined]
        watched = [await (clean if number % 2 else clean_thread).enqueue() for number in range(30)]
        for handle in first[:4]:
            await handle.outcome(timeout=PATIENCE)
        may_end.set()
        for handle in first:
            await handle.outcome(timeout=PATIENCE)
        watched += [await (clean if number % 2 else clean_thread).enqueue() for number in range(30)]
        assert {await handle.result(timeout=PATIENCE) for handle in watched} == {""}
    assert set(seen) == {""}
    assert whose.seen == set()
    assert secret.get() == ""
    assert "the teardown of" not in caplog.text


class Value:
    """Something that can be looked for."""


held: ContextVar[Value] = ContextVar("held")


async def test_nothing_keeps_what_a_task_has_set(stage: Stage) -> None:
    """Not even the connections that were opened while it ran."""
    broker, values = stage.broker(), list[weakref.ref[Value]]()

    @broker.task(name="dirt")
    async def dirt(*, context: Context = Depends()) -> None:
        value = Value()
        held.set(value)
        values.append(weakref.ref(value))
        context.progress(1)
        await asyncio.gather(*[(await leaf.enqueue()).result() for _ in range(3)])

    @broker.task(name="leaf")
    async def leaf() -> None: ...

    async with broker, Worker(broker):
        await (await dirt.enqueue()).result(timeout=PATIENCE)
        await (await leaf.enqueue()).result(timeout=PATIENCE)
        gc.collect()
        assert [value() for value in values] == [None]


async def test_what_a_lifespan_sets_is_seen_by_every_task() -> None:
    """On the event loop, in threads, with dependencies and without."""
    broker = Broker("memory://")

    @broker.lifespan
    async def life() -> AsyncIterator[Value]:
        token = shared.set("from the lifespan")
        yield Value()
        shared.reset(token)

    @broker.task(name="a")
    async def on_loop() -> str:
        return shared.get()

    @broker.task(name="b")
    def in_thread() -> str:
        return shared.get()

    @broker.task(name="c")
    def in_lane(*, context: Context = Depends()) -> str:
        return shared.get()

    async with broker, Worker(broker):
        for task in (on_loop, in_thread, in_lane):
            assert await (await task.enqueue()).result(timeout=PATIENCE) == "from the lifespan"
            assert await (await task.enqueue()).result(timeout=PATIENCE) == "from the lifespan"
    assert shared.get() == ""
