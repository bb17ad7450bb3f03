"""What users write, on every backend: the surface of the README."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from typing import assert_type

import pytest
from pydantic import BaseModel

from tests.main_job.stage import Stage
from typedtasks import (
    Crashed,
    DefinitionError,
    Failure,
    PayloadInvalid,
    Retry,
    Success,
    TaskError,
    TaskFailed,
    TaskHandle,
    TaskTimedOut,
    Worker,
)

PATIENCE = 10.0


class User(BaseModel):
    login: str
    followers: int = 0


class RateLimited(TaskError):
    retry_at: datetime


class NotFound(TaskError):
    login: str


async def test_a_result_comes_back_as_the_type_that_the_function_returns(stage: Stage) -> None:
    """Model in, model out; the handle knows the type."""
    broker = stage.broker()

    @broker.task(name="users.follow")
    async def follow(user: User, *, by: int = 1) -> User:
        return User(login=user.login, followers=user.followers + by)

    async with broker, Worker(broker):
        handle = await follow.enqueue(User(login="ada", followers=1), by=2)
        assert_type(handle, TaskHandle[User])
        assert await handle.result(timeout=PATIENCE) == User(login="ada", followers=3)
        assert await handle.result(timeout=PATIENCE) == User(login="ada", followers=3)


async def test_a_task_is_still_the_function_that_it_was(stage: Stage) -> None:
    """Calling it needs no broker, and keeps name and docstring."""
    broker = stage.broker()

    @broker.task
    async def double(x: int) -> int:
        """Return twice x."""
        return 2 * x

    @broker.task
    def triple(x: int) -> int:
        return 3 * x

    assert await double(4) == 8
    assert triple(4) == 12
    assert (double.function.__name__, double.__doc__) == ("double", "Return twice x.")
    assert double.name == f"{__name__}.double"


async def test_a_synchronous_task_runs_in_a_thread(stage: Stage) -> None:
    """The event loop stays free."""
    broker = stage.broker()

    @broker.task(name="where")
    def where() -> str:
        return threading.current_thread().name

    async with broker, Worker(broker):
        assert (await (await where.enqueue()).result(timeout=PATIENCE)).startswith("typedtasks-task")


async def test_a_declared_failure_arrives_as_its_own_class_with_its_fields(stage: Stage) -> None:
    """outcome() matches on it, result() raises it."""
    broker = stage.broker()
    at = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)

    @broker.task(name="fetch", raises=(RateLimited, NotFound))
    async def fetch(login: str) -> User:
        if login == "limited":
            raise RateLimited(retry_at=at)
        raise NotFound(login=login)

    async with broker, Worker(broker):
        limited, missing = await fetch.enqueue("limited"), await fetch.enqueue("nobody")
        match await limited.outcome(timeout=PATIENCE):
            case Failure(RateLimited() as error):
                assert error.retry_at == at
                assert "raise RateLimited" in error.traceback
            case other:
                pytest.fail(f"{other!r}")
        with pytest.raises(NotFound) as raised:
            await missing.result(timeout=PATIENCE)
        assert raised.value.login == "nobody"
        assert raised.value.attempts == 1


async def test_any_other_exception_is_a_crash_that_says_what_happened(stage: Stage) -> None:
    """Type name, message and traceback travel as data; result() raises TaskFailed."""
    broker = stage.broker()

    @broker.task(name="divide")
    async def divide(a: int, b: int) -> float:
        return a / b

    async with broker, Worker(broker):
        handle = await divide.enqueue(1, 0)
        match await handle.outcome(timeout=PATIENCE):
            case Crashed(message):
                assert message == "division by zero"
            case other:
                pytest.fail(f"{other!r}")
        with pytest.raises(TaskFailed, match="ZeroDivisionError: division by zero") as raised:
            await handle.result(timeout=PATIENCE)
        assert raised.value.type == "ZeroDivisionError"
        assert "return a / b" in raised.value.traceback
        assert "typedtasks/worker" not in raised.value.traceback


@pytest.mark.parametrize("crash", [SystemExit(3), KeyboardInterrupt(), StopIteration(), asyncio.CancelledError()])
@pytest.mark.parametrize("synchronous", [False, True])
async def test_no_exception_of_a_task_ends_the_worker(stage: Stage, crash: BaseException, synchronous: bool) -> None:
    """Whatever a task raises is its own outcome."""
    broker = stage.broker()

    @broker.task(name="sync")
    def sync() -> None:
        raise crash

    @broker.task(name="async")
    async def asynchronous() -> None:
        raise crash

    async with broker, Worker(broker):
        outcome = await (await (sync if synchronous else asynchronous).enqueue()).outcome(timeout=PATIENCE)
    assert isinstance(outcome, Crashed)


async def test_many_calls_go_in_together_and_handles_come_back_in_order(stage: Stage) -> None:
    """2,500 calls are more than one batch."""
    broker = stage.broker()

    @broker.task(name="square")
    async def square(x: int) -> int:
        return x * x

    async with broker, Worker(broker):
        handles = await broker.enqueue_many([square.call(n) for n in range(2500)])
        results = await asyncio.gather(*(handle.result(timeout=30) for handle in handles))
    assert results == [n * n for n in range(2500)]


async def test_a_handle_can_be_made_again_from_its_id_in_another_process(stage: Stage) -> None:
    """Another broker on the same store waits for a task that it did not send, before and after its end."""
    sender, reader = stage.broker(), stage.broker()

    @sender.task(name="echo")
    async def echo(text: str) -> str:
        return text

    remote = reader.task(name="echo")(echo.function)

    async with sender, reader:
        id = (await echo.enqueue("hello")).id
        waiting = asyncio.create_task(reader.handle(remote, id).result(timeout=PATIENCE))
        async with Worker(sender):
            assert await waiting == "hello"
            assert await reader.handle(remote, id).result(timeout=PATIENCE) == "hello"


async def test_a_delayed_task_does_not_start_before_its_time(stage: Stage) -> None:
    """`delay` and `eta` are held by the backend."""
    broker = stage.broker()

    @broker.task(name="now")
    async def now() -> float:
        return broker.clock.now()

    async with broker, Worker(broker):
        sent = broker.clock.now()
        delayed = await now.options(delay=timedelta(milliseconds=200)).enqueue()
        timed = await now.options(eta=datetime.fromtimestamp(sent + 0.3, UTC)).enqueue()
        assert await delayed.result(timeout=PATIENCE) >= sent + 0.199
        assert await timed.result(timeout=PATIENCE) >= sent + 0.299


async def test_high_priority_goes_first_and_low_is_not_starved(stage: Stage) -> None:
    """One slot, a queue full of high ones: the low one is run before they are done."""
    broker = stage.broker()
    order: list[str] = []

    @broker.task(name="note")
    async def note(what: str) -> None:
        order.append(what)
        await asyncio.sleep(0.02)  # long enough that none is taken ahead: how many are depends on the machine

    async with broker:
        low = note.options(priority="low").call("low")
        normal = note.call("normal")
        high = [note.options(priority="high").call("high") for _ in range(30)]
        handles = await broker.enqueue_many([low, normal, *high])
        async with Worker(broker, concurrency=1):
            await asyncio.gather(*(handle.result(timeout=PATIENCE) for handle in handles))

    assert order[:8].count("high") >= 5
    assert order.index("low") < 16


async def test_a_worker_reads_only_its_queues(stage: Stage) -> None:
    """A call to another queue waits for a worker of that queue."""
    broker = stage.broker()

    @broker.task(name="which")
    async def which() -> str:
        return "ran"

    async with broker:
        slow = await which.options(queue="slow").enqueue()
        async with Worker(broker, queues=["default"]):
            assert await (await which.enqueue()).result(timeout=PATIENCE) == "ran"
            assert await slow.peek() is None
        async with Worker(broker, queues=["default", "slow"]):
            assert await slow.result(timeout=PATIENCE) == "ran"
    assert slow.id.startswith("slow.")


async def test_a_retry_runs_again_until_it_works_or_its_attempts_are_used_up(stage: Stage) -> None:
    """max_attempts counts every execution; the outcome says how many there were."""
    broker = stage.broker()
    runs: dict[str, int] = {"flaky": 0, "hopeless": 0}

    @broker.task(name="try", retry=Retry(max_attempts=3, backoff=0.01))
    async def attempt(what: str) -> int:
        runs[what] += 1
        if what == "hopeless" or runs[what] < 3:
            raise OSError(f"{what} {runs[what]}")
        return runs[what]

    async with broker, Worker(broker):
        flaky, hopeless = await attempt.enqueue("flaky"), await attempt.enqueue("hopeless")
        assert await flaky.outcome(timeout=PATIENCE) == Success(3, attempts=3)
        with pytest.raises(TaskFailed, match="hopeless 3") as raised:
            await hopeless.result(timeout=PATIENCE)
    assert raised.value.attempts == 3
    assert runs == {"flaky": 3, "hopeless": 3}


async def test_the_exception_itself_can_say_when_to_try_again(stage: Stage) -> None:
    """Retry.when reads the time from the failure, as from a retry-after header."""
    broker = stage.broker()
    starts: list[float] = []

    def reset_time(error: Exception) -> datetime | None:
        return error.retry_at if isinstance(error, RateLimited) else None

    @broker.task(name="limited", raises=RateLimited, retry=Retry(on=RateLimited, max_attempts=2, backoff=60, when=reset_time))
    async def limited() -> str:
        starts.append(broker.clock.now())
        if len(starts) == 1:
            raise RateLimited(retry_at=datetime.fromtimestamp(starts[0] + 0.25, UTC))
        return "through"

    async with broker, Worker(broker):
        assert await (await limited.enqueue()).result(timeout=PATIENCE) == "through"
    assert 0.249 <= starts[1] - starts[0] < 5


@pytest.mark.parametrize("synchronous", [False, True])
async def test_a_task_that_takes_too_long_is_timed_out(stage: Stage, synchronous: bool) -> None:
    """The waiter is told at once, also where a thread goes on."""
    broker = stage.broker()
    release = threading.Event()

    @broker.task(name="hang", timeout=0.05)
    async def hang() -> None:
        await asyncio.Event().wait()

    @broker.task(name="hang_in_thread", timeout=0.05)
    def hang_in_thread() -> None:
        release.wait(PATIENCE)

    async with broker, Worker(broker):
        handle = await (hang_in_thread if synchronous else hang).enqueue()
        with pytest.raises(TaskTimedOut, match="ran longer than its timeout"):
            await handle.result(timeout=PATIENCE)
        release.set()


async def test_arguments_that_do_not_fit_are_refused_and_nothing_is_sent(stage: Stage) -> None:
    """Wrong type, missing, unknown: pydantic's error list is inside."""
    broker = stage.broker()

    @broker.task(name="add")
    async def add(a: int, b: int) -> int:
        return a + b

    async with broker:
        with pytest.raises(PayloadInvalid) as raised:
            await add.enqueue("1", 2)  # type: ignore[arg-type]  # the wrong type is the point
        assert raised.value.errors[0]["loc"] == ("a",)
        with pytest.raises(PayloadInvalid, match="b"):
            await add.enqueue(1)  # type: ignore[call-arg]  # the missing argument is the point
        with pytest.raises(PayloadInvalid, match="c"):
            add.call(1, 2, c=3)  # type: ignore[call-arg]  # the unknown argument is the point
        assert (await broker.counts()).ready == 0


async def test_unknown_options_and_taken_names_are_refused(stage: Stage) -> None:
    """Options are no bag of labels."""
    broker = stage.broker()

    @broker.task(name="run")
    async def run() -> None: ...

    with pytest.raises(DefinitionError, match="there is no option 'timout'. Known options: deprecated, executor, name"):
        broker.task(timout=3)(run.function)  # type: ignore[call-overload]  # the unknown option is the point
    with pytest.raises(DefinitionError, match="there is no option 'dela'"):
        run.options(dela=3)  # type: ignore[call-arg]  # the unknown option is the point
    with pytest.raises(DefinitionError, match="The name 'run' is taken by"):
        broker.task(name="run")(run.function)
    with pytest.raises(
        DefinitionError, match="p is asynchronous, so it runs on the worker's event loop: executor='process' is for"
    ):
        broker.task(name="p", executor="process")(run.function)
    with pytest.raises(DefinitionError, match="p: executor='fibre' is unknown; choose 'thread' or 'process'"):
        broker.task(name="p", executor="fibre")(run.function)  # type: ignore[call-overload]  # the unknown value is the point
