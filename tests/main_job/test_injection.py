"""Injected parameters: made for each execution, in the place where the task runs, and taken down again whatever happened."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Annotated, Never

import pytest
from fastapi import Depends as FastapiDepends

from tests.main_job.dependencies import Connection, Refused, Repository, Settings, connection, cursor, events, number
from tests.main_job.stage import Stage
from typedtasks import Broker, Call, Context, Depends, Failure, Injected, Retry, Success, Worker

pytestmark = pytest.mark.usefixtures("no_events")


async def test_functions_coroutines_classes_and_generators_are_nested_made_once_and_taken_down_in_reverse(stage: Stage) -> None:
    """For asynchronous tasks and for those in threads."""
    broker = stage.broker()

    @broker.task(name="async")
    async def asynchronous(
        x: int,
        cursor: str = Depends(cursor),
        *,
        repository: Annotated[Repository, Depends()],
        number: Annotated[int, Depends(number)],
        connection: Annotated[Connection, Depends(connection)],
    ) -> tuple[int, str, int, int, bool]:
        events.append("run")
        return x, cursor, number, repository.number, repository.connection is connection

    @broker.task(name="sync")
    def synchronous(x: int, cursor: str = Depends(cursor), *, repository: Injected[Repository]) -> tuple[int, str, int, int, bool]:
        events.append("run")
        return x, cursor, 7, repository.number, repository.connection.name == "db://"

    expected = ["settings", "open connection", "open cursor", "run", "close cursor", "close connection"]
    async with broker, Worker(broker), asyncio.timeout(20):
        assert await (await asynchronous.enqueue(1)).result() == (1, "db:// db://", 7, 7, True)  # type: ignore[call-arg]
        assert events == expected
        events.clear()
        assert await (await synchronous.enqueue(x=2)).result() == (2, "db:// db://", 7, 7, True)  # type: ignore[call-arg]
    assert events == expected


async def test_five_executions_at_once_each_see_their_own_context(stage: Stage) -> None:
    """And so do their dependencies."""
    broker = stage.broker()
    together = asyncio.Barrier(5)

    async def whose(context: Context) -> str:
        return context.task_id

    @broker.task(name="who", timeout=30)
    async def who(
        context: Context = Depends(), *, mine: str = Depends(whose)
    ) -> tuple[str, str, str, int, str, dict[str, str], bool]:
        await together.wait()
        assert context.deadline is not None
        assert context.broker is broker
        left = context.deadline.timestamp() - time.time()
        return context.task_id, mine, context.name, context.attempt, context.queue, dict(context.labels), 20 < left <= 30

    async with broker, Worker(broker), asyncio.timeout(20):
        handles = [await who.options(labels={"n": str(n)}).enqueue() for n in range(5)]
        results = await asyncio.gather(*[handle.result() for handle in handles])
        assert list(results) == [
            (handle.id, handle.id, "who", 1, "default", {"n": str(n)}, True) for n, handle in enumerate(handles)
        ]


async def test_a_retry_has_a_scope_and_a_context_of_its_own(stage: Stage) -> None:
    """The attempt counts up, and what was made for the first is gone."""
    broker = stage.broker()

    @broker.task(name="flaky", retry=Retry(max_attempts=2, backoff=0))
    async def flaky(context: Context, cursor: str = Depends(cursor)) -> int:
        if context.attempt == 1:
            raise OSError
        return context.attempt

    async with broker, Worker(broker), asyncio.timeout(20):
        assert await (await flaky.enqueue()).result() == 2  # type: ignore[call-arg]
    once = ["settings", "open connection", "open cursor", "close cursor"]
    assert events == [*once, "connection saw OSError", "close connection", *once, "close connection"]


async def test_synchronous_dependencies_run_where_the_task_runs(stage: Stage) -> None:
    """In its very thread, which is its own; asynchronous ones on the event loop."""
    broker = stage.broker()

    def here() -> Iterator[int]:
        yield threading.get_ident()
        events.append(str(threading.get_ident()))

    async def there() -> int:
        return threading.get_ident()

    def between(there: int = Depends(there)) -> int:
        return threading.get_ident()

    @broker.task(name="thread")
    def thread(
        a: int = Depends(here), b: int = Depends(between), *, c: int = Depends(there), own: Injected[Connection]
    ) -> list[int]:
        return [threading.get_ident(), a, b, own.thread, c]

    @broker.task(name="loop")
    async def loop(a: int = Depends(here), b: int = Depends(between), c: int = Depends(there)) -> set[int]:
        return {threading.get_ident(), a, b, c}

    async with broker, Worker(broker), asyncio.timeout(20):
        *of_task, on_loop = await (await thread.enqueue()).result()  # type: ignore[call-arg]
        assert {str(ident) for ident in of_task} == set(events)
        assert on_loop == threading.get_ident() not in of_task
        assert await (await loop.enqueue()).result() == {threading.get_ident()}


variable: ContextVar[str] = ContextVar("variable", default="unset")
other_variable: ContextVar[str] = ContextVar("other_variable", default="unset")


@pytest.mark.parametrize("is_async", [True, False])
async def test_context_variables_that_dependencies_set_are_seen_by_the_task(stage: Stage, is_async: bool) -> None:
    """By that of no other execution."""
    broker = stage.broker()

    async def on_the_loop() -> AsyncIterator[None]:
        variable.set("loop")
        yield
        events.append(variable.get())

    def where_it_runs(a: None = Depends(on_the_loop)) -> Iterator[None]:
        events.append(variable.get())
        other_variable.set("here")
        yield
        events.append(other_variable.get())

    @broker.task(name="async")
    async def asynchronous(a: None = Depends(where_it_runs)) -> str:
        return f"{variable.get()} {other_variable.get()}"

    @broker.task(name="sync")
    def synchronous(a: None = Depends(where_it_runs)) -> str:
        return f"{variable.get()} {other_variable.get()}"

    @broker.task(name="plain")
    def plain() -> str:
        return f"{variable.get()} {other_variable.get()}"

    async with broker, Worker(broker, concurrency=1), asyncio.timeout(20):
        handle = await asynchronous.enqueue() if is_async else await synchronous.enqueue()
        assert await handle.result() == "loop here"
        assert events == ["loop", "here", "loop"]
        assert await (await plain.enqueue()).result() == "unset unset"


async def test_without_the_cache_a_dependency_is_made_for_each_that_asks(stage: Stage) -> None:
    """As often as it is asked for."""
    broker = stage.broker()
    count = iter(range(10))

    def fresh() -> int:
        return next(count)

    @broker.task(name="fresh")
    async def task(
        a: int = Depends(fresh),
        b: int = Depends(fresh),
        c: int = Depends(fresh, use_cache=False),
        d: int = Depends(fresh, use_cache=False),
    ) -> list[int]:
        return [a, b, c, d]

    async with broker, Worker(broker), asyncio.timeout(20):
        assert await (await task.enqueue()).result() == [0, 0, 1, 2]


async def test_an_override_holds_within_its_block(stage: Stage) -> None:
    """It may need things of its own, even what it replaces something of."""
    broker = stage.broker()

    async def fake(number: int = Depends(number)) -> Connection:
        return Connection(f"fake {number}")

    @broker.task(name="name")
    async def name(connection: Connection = Depends(connection)) -> str:
        return connection.name

    async with broker, Worker(broker), asyncio.timeout(20):
        with broker.override(connection, fake):
            assert await (await name.enqueue()).result() == "fake 7"
            with broker.override(number, lambda: 8):
                assert await (await name.enqueue()).result() == "fake 8"
            with broker.override(connection, lambda: Connection("other")):
                assert await (await name.enqueue()).result() == "other"
            assert await (await name.enqueue()).result() == "fake 7"
        assert await (await name.enqueue()).result() == "db://"


async def test_fastapis_own_marks_are_read(stage: Stage) -> None:
    """Where what they name needs no request."""
    broker = stage.broker()

    def pages(limit: int = 10, connection: Connection = FastapiDepends(connection)) -> str:
        return f"{limit} of {connection.name}"

    @broker.task(name="pages")
    async def task(a: Annotated[str, FastapiDepends(pages)], b: Annotated[Settings, FastapiDepends()]) -> str:
        return f"{a} {b.url}"

    async with broker, Worker(broker), asyncio.timeout(20):
        assert await (await task.enqueue()).result() == "10 of db:// db://"  # type: ignore[call-arg]
    assert events[-1] == "close connection"


async def test_every_place_of_a_parameter_can_be_injected(stage: Stage) -> None:
    """By position, before collected arguments, by keyword."""
    broker = stage.broker()

    @broker.task(name="all")
    async def everything(
        a: Annotated[int, Depends(number)],
        b: int,
        /,
        c: Annotated[int, Depends(number)],
        d: int = 4,
        *rest: int,
        e: Annotated[int, Depends(number)],
        **more: int,
    ) -> list[int]:
        return [a, b, c, d, *rest, e, *more.values()]

    arguments: list[tuple[tuple[int, ...], dict[str, int], list[int]]] = [
        ((1,), {}, [7, 1, 7, 4, 7]),
        ((1, 2, 3), {"f": 5}, [7, 1, 7, 2, 3, 7, 5]),
        ((1,), {"d": 2}, [7, 1, 7, 2, 7]),
    ]
    # As a type checker without a plugin sees it, what is injected by Annotated has to be passed.
    call: Callable[..., Call[list[int], Never]] = everything.call
    async with broker, Worker(broker), asyncio.timeout(20):
        for args, kwargs, expected in arguments:
            (handle,) = await broker.enqueue_many([call(*args, **kwargs)])
            assert await handle.result() == expected


async def test_one_object_of_dependencies_as_first_parameter(stage: Stage) -> None:
    """The form that every type checker understands; a direct call passes an object of its own."""
    broker = stage.broker()

    @dataclass
    class Deps:
        connection: Annotated[Connection, Depends(connection)]
        context: Context

    @broker.task(name="greet").with_deps(Deps)
    async def greet(deps: Deps, name: str, *, loud: bool = False) -> str:
        return f"{deps.connection.name} {deps.context.name} {name}{'!' * loud}"

    @broker.task(name="greet in a thread", raises=Refused).with_deps(Deps)
    def greet_too(deps: Deps, name: str) -> str:
        raise Refused(reason=f"{deps.connection.name} {name}")

    async with broker, Worker(broker), asyncio.timeout(20):
        assert await (await greet.enqueue("ada", loud=True)).result() == "db:// greet ada!"
        outcome = await (await greet_too.enqueue("bob")).outcome()
        assert isinstance(outcome, Failure)
        assert outcome.error.reason == "db:// bob"
        own = Deps(Connection("own"), Context(broker=broker, name="test"))
        assert await greet(own, "eve") == "own test eve"
    assert events.count("close connection") == 2


async def test_the_broker_is_injected_by_its_type(stage: Stage) -> None:
    """A task can send another."""
    broker = stage.broker()

    @broker.task(name="second")
    async def second() -> int:
        return 2

    @broker.task(name="first")
    async def first(*, own: Injected[Broker]) -> str:
        assert own is broker
        return (await second.enqueue()).id

    async with broker, Worker(broker), asyncio.timeout(20):
        id = await (await first.enqueue()).result()  # type: ignore[call-arg]
        assert await broker.handle(second, id).outcome() == Success(2)
