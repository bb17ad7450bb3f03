"""Whatever a task, its validators or its options do: it ends with an outcome, and the worker runs the next one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Annotated

import pytest
from pydantic import AfterValidator, BaseModel

from typedtasks import Broker, Context, Crashed, DefinitionError, Depends, Failure, Retry, Success, TaskError, TaskHandle, Worker
from typedtasks.backend import Priority, Publication, new_task_id
from typedtasks.envelope import Header, write_header
from typedtasks.outcome import Outcome

Poison = Callable[[Broker], Callable[[], Awaitable[TaskHandle[object, TaskError]]]]

_COUNTRIES = {"de": "Germany"}


def _country(code: str) -> str:
    return _COUNTRIES[code]


class Address(BaseModel):
    country: Annotated[str, AfterValidator(_country)]


class TooMany(TaskError):
    limit: int


class FarTooMany(TooMany):
    by: int = 0


class OwnInit(TaskError):
    limit: int

    def __init__(self, limit: int) -> None:
        Exception.__init__(self, limit)


@pytest.fixture
def broker() -> Broker:
    return Broker("memory://")


async def _outcome_and_next(
    broker: Broker, send: Callable[[], Awaitable[TaskHandle[object, TaskError]]]
) -> Outcome[object, TaskError]:
    """Return the outcome of a task, once the same worker has run another one after it."""

    @broker.task(name="next")
    async def next_one(number: int) -> int:
        return number

    async with broker, Worker(broker, concurrency=2):
        async with asyncio.timeout(10):
            outcome = await (await send()).outcome()
            assert await (await next_one.enqueue(7)).result() == 7
        counts = await broker.counts()
        assert counts.running == 0
    return outcome


async def test_a_validator_that_raises_anything_makes_a_dead_letter(broker: Broker) -> None:
    @broker.task(name="visit")
    async def visit(address: Address) -> None:
        raise AssertionError("it must not run")

    async def send() -> TaskHandle[None]:
        id = new_task_id("default", 0.0)
        body = write_header(Header("visit")) + b'{"address":{"country":"xx"}}'
        await broker.backend.publish([Publication(id, "default", Priority.NORMAL, body)])
        return broker.handle(visit, id)

    outcome = await _outcome_and_next(broker, send)
    assert isinstance(outcome, Crashed)
    assert outcome.type == "PayloadRejected"
    assert "address" in outcome.message
    assert "KeyError: 'xx'" in outcome.message


async def test_a_timeout_beyond_any_calendar_has_no_deadline(broker: Broker) -> None:
    """An envelope may say any number."""

    @broker.task(name="tell")
    async def tell(context: Context = Depends()) -> bool:
        return context.deadline is None

    async def send() -> TaskHandle[bool]:
        id = new_task_id("default", 0.0)
        body = write_header(Header("tell", timeout=1e308)) + b"{}"
        await broker.backend.publish([Publication(id, "default", Priority.NORMAL, body)])
        return broker.handle(tell, id)

    assert await _outcome_and_next(broker, send) == Success(True)


async def test_a_task_that_cancels_itself_has_crashed(broker: Broker) -> None:
    @broker.task(name="stop_me")
    async def stop_me() -> None:
        me = asyncio.current_task()
        assert me is not None
        me.cancel()
        await asyncio.sleep(0)

    outcome = await _outcome_and_next(broker, stop_me.enqueue)
    assert isinstance(outcome, Crashed)
    assert outcome.type == "CancelledError"


async def test_a_task_that_raises_cancelled_error_has_crashed(broker: Broker) -> None:
    @broker.task(name="cancelled_error")
    async def cancelled_error() -> None:
        raise asyncio.CancelledError("mine")

    outcome = await _outcome_and_next(broker, cancelled_error.enqueue)
    assert isinstance(outcome, Crashed)
    assert (outcome.type, outcome.message) == ("CancelledError", "mine")


async def test_system_exit_in_retry_when_falls_back_to_the_backoff(broker: Broker) -> None:
    def leave(error: Exception) -> float:
        raise SystemExit(3)

    @broker.task(name="leaving", retry=Retry(when=leave, max_attempts=2, backoff=0.01))
    async def leaving() -> None:
        raise ValueError("again")

    outcome = await _outcome_and_next(broker, leaving.enqueue)
    assert isinstance(outcome, Crashed)
    assert (outcome.type, outcome.attempts) == ("ValueError", 2)


async def test_a_backoff_beyond_every_float_is_the_longest_wait(broker: Broker) -> None:
    @broker.task(name="growing", retry=Retry(factor=1e300, max_attempts=4, backoff=0.01, max_delay=0.01))
    async def growing() -> None:
        raise ValueError("again")

    outcome = await _outcome_and_next(broker, growing.enqueue)
    assert isinstance(outcome, Crashed)
    assert outcome.attempts == 4


async def test_a_subclass_of_a_declared_failure_whose_fields_were_broken_has_crashed(broker: Broker) -> None:
    @broker.task(name="breaking", raises=TooMany)
    async def breaking() -> None:
        failure = FarTooMany(limit=1)
        failure.limit = "many"  # type: ignore[assignment]  # what this test is about
        raise failure

    outcome = await _outcome_and_next(broker, breaking.enqueue)
    assert isinstance(outcome, Crashed)
    assert "do not fit" in outcome.traceback


async def test_a_declared_failure_without_one_of_its_fields_has_crashed(broker: Broker) -> None:
    @broker.task(name="deleting", raises=TooMany)
    async def deleting() -> None:
        failure = TooMany(limit=1)
        del failure.limit
        raise failure

    assert isinstance(await _outcome_and_next(broker, deleting.enqueue), Crashed)


async def test_a_declared_failure_with_an_init_of_its_own_has_crashed_or_failed(broker: Broker) -> None:
    @broker.task(name="own_init", raises=OwnInit)
    async def own_init() -> None:
        raise OwnInit(3)

    assert isinstance(await _outcome_and_next(broker, own_init.enqueue), Crashed | Failure)


async def test_an_exception_whose_name_is_no_text_is_still_reported(broker: Broker) -> None:
    @broker.task(name="nameless")
    async def nameless() -> None:
        kind = type("Nameless", (Exception,), {})
        kind.__qualname__ = "\ud800"
        raise kind("odd")

    outcome = await _outcome_and_next(broker, nameless.enqueue)
    assert isinstance(outcome, Crashed)
    assert outcome.message == "odd"


async def test_slots_of_threads_that_outlive_their_timeout_come_back(broker: Broker) -> None:
    gate = threading.Event()

    @broker.task(name="stuck", timeout=0.01)
    def stuck() -> None:
        gate.wait(10)

    @broker.task(name="free")
    async def free() -> str:
        return "ran"

    async with broker, Worker(broker, concurrency=1):
        async with asyncio.timeout(10):
            assert isinstance(await (await stuck.enqueue()).outcome(), Crashed)
            waiting = await free.enqueue()
            gate.set()
            assert await waiting.result() == "ran"


async def test_a_worker_refuses_to_start_with_a_task_whose_types_cannot_be_found(broker: Broker) -> None:
    @broker.task(name="unresolved")
    async def unresolved(item: NotThere) -> None:  # type: ignore[name-defined]  # noqa: F821 - what this test is about
        del item

    async with broker:
        with pytest.raises(DefinitionError, match="unresolved: a type cannot be found.*NotThere"):
            await Worker(broker).run(burst=True)


@pytest.mark.parametrize("on", [[OSError], "OSError", (OSError, 3)])
def test_retry_refuses_what_is_no_exception_class(on: object) -> None:
    with pytest.raises(DefinitionError, match=r"Retry\(on="):
        Retry(on=on)  # type: ignore[arg-type]  # what this test is about


@pytest.mark.parametrize("wait", [-5.0, timedelta(seconds=-5), 0])
async def test_a_time_that_has_passed_already_means_at_once(broker: Broker, wait: float | timedelta) -> None:
    """`when=lambda error: error.retry_at - now` may come a moment too late."""

    @broker.task(name="late", retry=Retry(when=lambda error: wait, max_attempts=2, backoff=3600))
    async def late() -> None:
        raise ValueError("again")

    outcome = await _outcome_and_next(broker, late.enqueue)
    assert isinstance(outcome, Crashed)
    assert outcome.attempts == 2
    assert "Retry.when" not in outcome.traceback
