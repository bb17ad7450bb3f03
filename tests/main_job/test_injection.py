"""Injected parameters: made for each execution, in the place where the task runs, and taken down again whatever happened."""

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Annotated, Never

import pytest
from fastapi import Depends as FastapiDepends

from tests.main_job.stage import Stage
from typedtasks import Broker, Call, Cancelled, Context, Crashed, Depends, Failure, Injected, Retry, Success, TaskError, Worker

events: list[str] = []


@pytest.fixture(autouse=True)
def no_events() -> None:
    """Every test begins with an empty list."""
    events.clear()


class Connection:
    def __init__(self, name: str = "real") -> None:
        self.name = name
        self.thread = threading.get_ident()


@dataclass
class Settings:
    url: str = "db://"


def settings() -> Settings:
    events.append("settings")
    return Settings()


async def connection(settings: Annotated[Settings, Depends(settings)]) -> AsyncIterator[Connection]:
    events.append("open connection")
    try:
        yield Connection(settings.url)
    except BaseException as error:
        events.append(f"connection saw {type(error).__name__}")
        raise
    finally:
        await asyncio.sleep(0)
        events.append("close connection")


def cursor(connection: Connection = Depends(connection), settings: Settings = Depends(settings)) -> Iterator[str]:
    events.append("open cursor")
    try:
        yield f"{connection.name} {settings.url}"
    finally:
        events.append("close cursor")


async def number() -> int:
    return 7


@dataclass
class Repository:
    connection: Connection = Depends(connection)
    number: int = Depends(number)
    made: list[int] = field(default_factory=list)


class Refused(TaskError):
    reason: str


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


async def test_a_failure_reaches_the_dependencies_and_stays_what_it_is(stage: Stage) -> None:
    """A dependency that swallows it, or fails itself, changes nothing."""
    broker = stage.broker()

    async def swallowing() -> AsyncIterator[None]:
        try:
            yield
        except Refused:
            events.append("swallowed")

    @broker.task(name="refuse", raises=Refused)
    async def refuse(a: None = Depends(swallowing), b: str = Depends(cursor)) -> None:
        raise Refused(reason="no")

    async with broker, Worker(broker), asyncio.timeout(20):
        match await (await refuse.enqueue()).outcome():
            case Failure(Refused(reason="no")):
                pass
            case other:
                raise AssertionError(other)
    assert events[-4:] == ["close cursor", "connection saw Refused", "close connection", "swallowed"]


@pytest.mark.parametrize("is_async", [True, False])
async def test_an_error_in_a_teardown_is_logged_and_loses_no_result(
    stage: Stage, is_async: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """The other dependencies are taken down all the same."""
    broker = stage.broker()

    def broken() -> Iterator[int]:
        yield 1
        raise OSError("it cannot be closed")

    async def twice() -> AsyncIterator[int]:
        yield 1
        yield 2

    async def slow_or_not(cursor: str = Depends(cursor), a: int = Depends(broken), b: int = Depends(twice)) -> int:
        return a + b

    def in_thread(cursor: str = Depends(cursor), a: int = Depends(broken), b: int = Depends(twice)) -> int:
        return a + b

    task = broker.task(name="task")(slow_or_not) if is_async else broker.task(name="task")(in_thread)
    async with broker, Worker(broker), asyncio.timeout(20):
        handle = await task.enqueue()
        assert await handle.result() == 2
    assert events[-2:] == ["close cursor", "close connection"]
    assert [record.levelname for record in caplog.records if "teardown" in record.message] == ["ERROR", "ERROR"]
    assert f"task ({handle.id}): the teardown of" in caplog.text
    assert "OSError: it cannot be closed" in caplog.text
    assert "has yielded again" in caplog.text


async def test_a_cancellation_that_comes_out_of_a_dependency_is_what_the_dependency_says(stage: Stage) -> None:
    """A TaskGroup cancels whoever is in it when one of its tasks fails."""
    broker = stage.broker()

    async def group(cursor: str = Depends(cursor)) -> AsyncIterator[asyncio.TaskGroup]:
        async with asyncio.TaskGroup() as group:
            yield group

    async def limited(cursor: str = Depends(cursor)) -> AsyncIterator[None]:
        async with asyncio.timeout(0.05):
            yield

    async def fail() -> None:
        raise LookupError("it failed beside")

    @broker.task(name="beside", retry=Retry(max_attempts=2, backoff=0))
    async def beside(group: asyncio.TaskGroup = Depends(group), context: Context = Depends()) -> int:
        if context.attempt == 1:
            group.create_task(fail())
            await asyncio.sleep(60)
        return context.attempt

    @broker.task(name="late")
    async def late(limit: None = Depends(limited)) -> None:
        await asyncio.sleep(60)

    async with broker, Worker(broker), asyncio.timeout(20):
        assert await (await beside.enqueue()).result() == 2
        assert "connection saw ExceptionGroup" in events
        outcome = await (await late.enqueue()).outcome()
        assert isinstance(outcome, Crashed)
        assert outcome.type == "TimeoutError"
        assert events[-2:] == ["connection saw TimeoutError", "close connection"]


async def test_a_dependency_that_fails_is_the_tasks_failure(stage: Stage) -> None:
    """What was made before it is taken down."""
    broker = stage.broker()

    def failing(cursor: str = Depends(cursor)) -> int:
        raise LookupError("nothing there")

    def empty() -> Iterator[int]:
        yield from ()

    @broker.task(name="never")
    async def never(x: int = Depends(failing)) -> None:
        raise AssertionError

    @broker.task(name="never again")
    def never_again(x: int = Depends(empty)) -> None:
        raise AssertionError

    async with broker, Worker(broker), asyncio.timeout(20):
        outcome = await (await never.enqueue()).outcome()
        assert isinstance(outcome, Crashed)
        assert (outcome.type, outcome.message) == ("LookupError", "nothing there")
        assert events[-3:] == ["close cursor", "connection saw LookupError", "close connection"]
        outcome = await (await never_again.enqueue()).outcome()
        assert isinstance(outcome, Crashed)
        assert "came to its end without a yield" in outcome.message


@pytest.mark.parametrize("how", ["cancel", "timeout", "stop"])
async def test_what_an_asynchronous_task_got_is_taken_down_when_it_is_ended(stage: Stage, how: str) -> None:
    """By a cancellation, by its timeout, or by the end of its worker's grace time; and the context says so."""
    broker = stage.broker()
    started = asyncio.Event()
    seen: list[bool] = []

    @broker.task(name="hold", timeout=0.05 if how == "timeout" else 60)
    async def hold(context: Context, cursor: str = Depends(cursor)) -> None:
        started.set()
        seen.append(context.cancelled)
        try:
            await asyncio.sleep(60)
        finally:
            seen.append(context.cancelled)

    async with broker, asyncio.timeout(20):
        async with Worker(broker, grace=0):
            handle = await hold.enqueue()  # type: ignore[call-arg]
            await started.wait()
            if how == "cancel":
                await handle.cancel()
            if how != "stop":
                outcome = await handle.outcome()
                assert isinstance(outcome, Cancelled if how == "cancel" else Crashed)
        assert events[-3:] == ["close cursor", "connection saw CancelledError", "close connection"]
        assert seen == [False, True]


@pytest.mark.parametrize("how", ["cancel", "timeout", "stop"])
async def test_a_synchronous_task_sees_that_it_is_cancelled_and_is_taken_down_when_it_ends(stage: Stage, how: str) -> None:
    """Until then nothing that it uses is taken from it."""
    broker = stage.broker()
    loop, started, ended = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
    go = threading.Event()

    def first() -> Iterator[int]:
        try:
            yield 1
        finally:
            events.append("close first")
            loop.call_soon_threadsafe(ended.set)

    @broker.task(name="spin", timeout=0.05 if how == "timeout" else 60)
    def spin(first: int = Depends(first), cursor: str = Depends(cursor), *, context: Context) -> None:
        loop.call_soon_threadsafe(started.set)
        while not context.cancelled:
            time.sleep(0.001)
        events.append("saw it")
        go.wait(10)

    async with broker, asyncio.timeout(20):
        async with Worker(broker, grace=0):
            handle = await spin.enqueue()  # type: ignore[call-arg]
            await started.wait()
            if how == "cancel":
                await handle.cancel()
            if how != "stop":
                outcome = await handle.outcome()
                assert isinstance(outcome, Cancelled if how == "cancel" else Crashed)
        assert "close cursor" not in events
        go.set()
        await ended.wait()
        assert events[-5:] == ["saw it", "close cursor", "connection saw CancelledError", "close connection", "close first"]


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


async def test_a_teardown_without_end_is_ended(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The result is settled then."""
    monkeypatch.setattr("typedtasks.injection.scope._TEARDOWN_LIMIT", 0.05)
    broker = stage.broker()

    async def endless() -> AsyncIterator[int]:
        yield 1
        await asyncio.sleep(60)

    @broker.task(name="task")
    async def task(x: int = Depends(endless)) -> int:
        return x

    async with broker, Worker(broker), asyncio.timeout(20):
        assert await (await task.enqueue()).result() == 1
    with caplog.at_level(logging.ERROR):
        assert "took longer than 0.05 s" in caplog.text


async def test_a_cancellation_during_the_teardown_loses_no_result(stage: Stage) -> None:
    """It comes too late for the task, and cuts only that teardown short."""
    broker = stage.broker()
    tearing = asyncio.Event()

    async def endless() -> AsyncIterator[int]:
        yield 1
        tearing.set()
        await asyncio.sleep(60)

    @broker.task(name="task")
    async def task(cursor: str = Depends(cursor), x: int = Depends(endless)) -> int:
        return x

    async with broker, Worker(broker), asyncio.timeout(20):
        handle = await task.enqueue()
        await tearing.wait()
        await handle.cancel()
        assert await handle.result() == 1
    assert events[-2:] == ["close cursor", "close connection"]


async def test_a_timeout_during_the_teardown_loses_no_result(stage: Stage) -> None:
    """The timeout is the task's own."""
    broker = stage.broker()

    async def slow() -> AsyncIterator[int]:
        yield 1
        await asyncio.sleep(0.2)
        events.append("down")

    @broker.task(name="task", timeout=0.1)
    async def task(x: int = Depends(slow)) -> int:
        return x

    async with broker, Worker(broker), asyncio.timeout(20):
        assert await (await task.enqueue()).result() == 1
    assert events == ["down"]
