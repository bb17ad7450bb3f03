"""State of the whole application: a lifespan yields it once for each worker, and tasks get it by its type."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Protocol

import pytest

from tests.main_job.stage import Stage
from typedtasks import Broker, Context, DefinitionError, Depends, Injected, Worker


class Http:
    def __init__(self, name: str = "http") -> None:
        self.name = name
        self.is_open = True


class Named(Protocol):
    name: str


class Pool(Named):
    def __init__(self, http: Http) -> None:
        self.name = f"pool over {http.name}"


async def http() -> AsyncIterator[Http]:
    client = Http()
    yield client
    client.is_open = False


async def test_tasks_get_what_a_lifespan_yields_by_its_type(stage: Stage) -> None:
    """It is entered before the first task and left after the last; one may use what an earlier one has yielded."""
    broker = stage.broker()
    events: list[str] = []

    @broker.lifespan
    async def client() -> AsyncIterator[Http]:
        events.append("open http")
        yield Http()
        events.append("close http")

    @broker.lifespan
    @asynccontextmanager
    async def pool(http: Injected[Http]) -> AsyncIterator[Pool]:
        events.append("open pool")
        yield Pool(http)
        events.append("close pool")

    def through(pool: Injected[Pool]) -> str:
        return pool.name

    @broker.task(name="async")
    async def asynchronous(http: Injected[Http], pool: Annotated[Named, Depends()], name: str = Depends(through)) -> list[str]:
        events.append("run")
        return [http.name, pool.name, name]

    @broker.task(name="sync")
    def synchronous(pool: Pool = Depends()) -> str:
        events.append("run")
        return pool.name

    async with broker, asyncio.timeout(20):
        for _ in range(2):  # a worker that is started again has a life of its own
            async with Worker(broker):
                assert events == ["open http", "open pool"]
                expected = ["http", "pool over http", "pool over http"]
                assert await (await asynchronous.enqueue()).result() == expected  # type: ignore[call-arg]
                assert await (await synchronous.enqueue()).result() == "pool over http"
            assert events == ["open http", "open pool", "run", "run", "close pool", "close http"]
            events.clear()


async def test_a_lifespan_outlives_the_tasks_that_use_it(stage: Stage) -> None:
    """Those that run when the worker is told to stop, too."""
    broker = stage.broker()
    broker.lifespan(http)
    started, go = asyncio.Event(), asyncio.Event()

    @broker.task(name="use")
    async def use(http: Http = Depends()) -> bool:
        started.set()
        await go.wait()
        return http.is_open

    async with broker, asyncio.timeout(20):
        async with Worker(broker):
            handle = await use.enqueue()
            await started.wait()
            asyncio.get_running_loop().call_later(0.05, go.set)
        assert await handle.result()


async def test_a_lifespan_that_fails_keeps_the_worker_from_beginning(stage: Stage) -> None:
    """What was entered before is left, and what it said is raised."""
    broker = stage.broker()
    events: list[str] = []

    @broker.lifespan
    async def first() -> AsyncIterator[Http]:
        try:
            yield Http()
        finally:
            events.append("left")

    @broker.lifespan
    async def second() -> AsyncIterator[Pool]:
        raise OSError("no database")
        yield

    async with broker, asyncio.timeout(20):
        with pytest.raises(OSError, match="no database"):
            async with Worker(broker):
                pass
    assert events == ["left"]


async def test_an_error_when_a_lifespan_is_left_is_logged(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    """The worker has ended all the same."""
    broker = stage.broker()

    @broker.lifespan
    async def state() -> AsyncIterator[Http]:
        yield Http()
        raise OSError("it is gone already")

    async with broker, asyncio.timeout(20):
        assert (await Worker(broker).run(burst=True)).failed == 0
    assert "it is gone already" in caplog.text


async def test_state_is_overridden_by_its_type_or_by_its_lifespan(stage: Stage) -> None:
    """By type at any time; a lifespan before the worker begins."""
    broker = stage.broker()
    broker.lifespan(http)

    async def other() -> AsyncIterator[Http]:
        yield Http("other")

    @broker.task(name="name")
    async def name(http: Http = Depends()) -> str:
        return http.name

    async with broker, asyncio.timeout(20):
        async with Worker(broker):
            assert await (await name.enqueue()).result() == "http"
            with broker.override(Http, lambda: Http("fake")):
                assert await (await name.enqueue()).result() == "fake"
        with broker.override(http, other):
            async with Worker(broker):
                assert await (await name.enqueue()).result() == "other"


async def test_a_worker_says_at_its_beginning_what_nothing_gives(stage: Stage) -> None:
    """Before that, a lifespan may still be defined."""
    broker = stage.broker()

    @broker.task(name="task")
    async def task(x: Annotated[Named, Depends()]) -> None: ...

    async with broker, asyncio.timeout(20):
        with pytest.raises(
            DefinitionError, match="task: the parameter 'x' is to be injected by its type, and nothing gives .*Named"
        ):
            await Worker(broker).run(burst=True)


async def test_state_that_is_wanted_as_its_base_class_is_overridden_as_what_it_is(stage: Stage) -> None:
    """Or as the base class."""
    broker = stage.broker()

    @broker.lifespan
    async def pool() -> AsyncIterator[Pool]:
        yield Pool(Http())

    @broker.task(name="name")
    async def name(pool: Annotated[Named, Depends()] = Depends()) -> str:
        return pool.name

    async with broker, Worker(broker), asyncio.timeout(20):
        with broker.override(Pool, lambda: Pool(Http("fake"))):
            assert await (await name.enqueue()).result() == "pool over fake"
        with broker.override(Named, lambda: Http("named")):
            assert await (await name.enqueue()).result() == "named"
        assert await (await name.enqueue()).result() == "pool over http"


async def test_two_lifespans_of_one_type_are_refused(stage: Stage) -> None:
    """When the worker begins."""
    broker = stage.broker()
    broker.lifespan(http)

    @broker.lifespan
    async def more() -> AsyncIterator[Http]:
        yield Http()

    async with broker, asyncio.timeout(20):
        with pytest.raises(DefinitionError, match="more yields .*Http, and so does another lifespan"):
            await Worker(broker).run(burst=True)


@pytest.mark.parametrize("kind", ["no type", "no generator", "synchronous", "context"])
async def test_what_cannot_be_a_lifespan_is_refused(kind: str) -> None:
    """With what to write."""
    broker = Broker("memory://")

    async def no_type():  # type: ignore[no-untyped-def]  # that is the point
        yield 1

    async def no_generator() -> Http:
        return Http()

    async def with_context(context: Context) -> AsyncIterator[Http]:
        yield Http(context.name)

    def synchronous() -> None: ...

    functions = {"no type": no_type, "no generator": no_generator, "synchronous": synchronous, "context": with_context}
    texts = {"no type": "Annotate its result", "context": "nothing gives .*Context"}

    async def use() -> None:
        broker.lifespan(functions[kind])  # type: ignore[type-var]  # two of them are none
        async with broker:
            await Worker(broker).run(burst=True)

    with pytest.raises(DefinitionError, match=texts.get(kind, "cannot be a lifespan: write an async generator")):
        await use()


async def test_a_lifespan_that_leaves_with_system_exit_is_named(stage: Stage) -> None:
    """It would end the event loop of whatever the worker runs in, without a word."""
    broker = stage.broker()
    left: list[str] = []

    @broker.lifespan
    async def first() -> AsyncIterator[Http]:
        try:
            yield Http()
        finally:
            left.append("first")

    @broker.lifespan
    async def second() -> AsyncIterator[Pool]:
        if left:
            yield Pool(Http())
        raise SystemExit("no database")

    async with broker:
        with pytest.raises(RuntimeError, match=r"The lifespan .*second was left with SystemExit\('no database'\).*Raise an error"):
            await Worker(broker).run(burst=True)
    assert left == ["first"]
