"""A rolling deploy: senders and workers that have different versions of one task's types."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from enum import Enum
from ipaddress import IPv4Address, IPv6Address
from typing import Annotated, Any, Optional, cast

import pytest
from pydantic import BaseModel, Field, create_model

from tests.main_job.stage import Stage
from typedtasks import AsyncTask, Broker, Expired, PayloadRejected, Worker
from typedtasks.backend import TaskId
from typedtasks.envelope import EnvelopeReader, Header, write_header
from typedtasks.task import AnyTask

PATIENCE = 10.0
PAYLOAD = b'{"x":"three"}'


def of_old(broker: Broker) -> AsyncTask[[int], str]:
    @broker.task(name="repeat")
    async def repeat(x: int) -> str:
        return f"old {x}"

    return repeat


def of_new(broker: Broker) -> AsyncTask[[int | str], str]:
    @broker.task(name="repeat")
    async def repeat(x: int | str) -> str:
        return f"new {x}"

    return repeat


async def is_parked(broker: Broker) -> None:
    """Wait until a task is parked."""
    while not await broker.parked():
        await asyncio.sleep(0.01)


async def test_a_call_of_a_newer_contract_waits_for_a_worker_that_has_it(stage: Stage) -> None:
    """Old workers put it aside instead of refusing it, and say why; a new one takes it as soon as it comes."""
    old, new = stage.broker(), stage.broker()
    readable = of_old(old)
    repeat = of_new(new)
    async with asyncio.timeout(PATIENCE), old, new:
        async with Worker(old):
            handle = await repeat.enqueue("three")
            await is_parked(old)
            (waiting,) = await old.parked()
        assert waiting.awaits == f"the contract {repeat.contract()[:6]} of repeat (not {readable.contract()[:6]})"
        async with Worker(new):
            assert await handle.result() == "new three"


async def test_what_fits_is_run_whatever_the_contract(stage: Stage) -> None:
    """Another contract alone is no obstacle."""
    old, new = stage.broker(), stage.broker()
    of_old(old)
    repeat = of_new(new)
    async with asyncio.timeout(PATIENCE), old, new, Worker(old):
        assert await (await repeat.enqueue(3)).result() == "old 3"


async def test_one_new_worker_beside_many_old_ones_runs_every_call_of_its_contract(stage: Stage) -> None:
    """It has one slot, and they are idle: each call goes from one of them to it, and none becomes a dead letter."""
    olds, new = [stage.broker() for _ in range(4)], stage.broker()
    for old in olds:
        of_old(old)
    repeat = of_new(new)
    async with asyncio.timeout(PATIENCE), AsyncExitStack() as stack:
        for old in olds:
            await stack.enter_async_context(old)
            await stack.enter_async_context(Worker(old))
        await stack.enter_async_context(new)
        worker = Worker(new, concurrency=1)
        await stack.enter_async_context(worker)
        handles = await new.enqueue_many([repeat.call("three") for _ in range(30)])
        assert [await handle.result() for handle in handles] == ["new three"] * 30
        assert await new.dead_letters() == []
        assert worker.tally.parked == 0


async def test_a_call_of_a_contract_that_nobody_has_is_run_by_whoever_can_read_it(stage: Stage) -> None:
    """An old client may have types of its own; each contract that fails it is tried once."""
    client, narrow, wide = stage.broker(), stage.broker(), stage.broker()

    @client.task(name="repeat")
    async def repeat(x: str) -> str:
        return x

    of_old(narrow)
    of_new(wide)
    async with asyncio.timeout(PATIENCE), client, narrow, wide:
        async with Worker(narrow) as refusing:
            handle = await repeat.enqueue("three")
            await is_parked(client)
            async with Worker(wide):
                assert await handle.result() == "new three"
        assert refusing.tally.parked == 1


async def test_a_call_that_was_to_be_started_by_a_time_is_not_parked_beyond_it(stage: Stage) -> None:
    """Whoever waits for it is told by then."""
    old, new = stage.broker(), stage.broker()
    of_old(old)
    repeat = of_new(new)
    async with asyncio.timeout(PATIENCE), old, new, Worker(old):
        handle = await repeat.options(expires=0.2).enqueue("three")
        assert await handle.outcome() == Expired()


@pytest.mark.parametrize("header", [Header("repeat"), Header("repeat", contract="of the worker")])
async def test_what_no_other_contract_explains_is_a_dead_letter_at_once(stage: Stage, header: Header) -> None:
    """The sender's contract is not known, or is that of the worker."""
    broker = stage.broker()
    repeat = of_old(broker)
    if header.contract:
        header = replace(header, contract=repeat.contract())
    async with asyncio.timeout(PATIENCE), broker, Worker(broker):
        id = await stage.put_raw(broker, write_header(header) + PAYLOAD)
        with pytest.raises(PayloadRejected):
            await broker.handle(repeat, id).result()
        (letter,) = await broker.dead_letters()
    assert "contract" not in letter.reason


async def test_every_call_carries_the_contract_of_its_task(stage: Stage) -> None:
    """With options, too, and the retries of it."""
    broker = stage.broker()
    repeat = of_old(broker)
    async with broker:
        sent: list[TaskId] = [
            (await repeat.enqueue(1)).id,
            (await repeat.options(expires=60).enqueue(1)).id,
            *(handle.id for handle in await broker.enqueue_many([repeat.call(1)])),
        ]
        waiting = {task.id: task.body for task in await broker.backend.peek("default", 10)}
    headers = [EnvelopeReader(1000).read(waiting[id])[0] for id in sent]
    assert [header.contract for header in headers] == [repeat.contract()] * 3


def test_a_contract_is_about_types_only() -> None:
    """Neither docs nor options nor names of classes make another one, and the two parts tell arguments from results."""
    broker = Broker("memory://")

    @broker.task(name="a", timeout=5)
    async def one(x: int, y: list[str]) -> str:
        """Do it."""
        return ""

    @broker.task(name="b")
    async def same(x: int, y: list[str]) -> str:
        return ""

    @broker.task(name="c")
    async def other_result(x: int, y: list[str]) -> int:
        return 0

    @broker.task(name="d")
    async def other_argument(x: int, y: list[int]) -> str:
        return ""

    contract = one.contract()
    assert len(contract) == 10
    assert same.contract() == contract
    assert other_result.contract()[:6] == contract[:6]
    assert other_result.contract()[6:] != contract[6:]
    assert other_argument.contract()[:6] != contract[:6]
    assert other_argument.contract()[6:] == contract[6:]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Annotated[int | float, Field(gt=3)], Annotated[int | float, Field(gt=5)]),
        (Annotated[Sequence[int], Field(max_length=3)], Annotated[Sequence[int], Field(max_length=4)]),
        (IPv4Address, IPv6Address),
        (Enum("Half", {"A": 1.5}), Enum("Half", {"A": "1.5"})),
    ],
)
def test_types_that_accept_other_json_have_another_contract(one: object, other: object) -> None:
    """Also where pydantic checks it by a function of its own, and where a value only looks the same as text."""
    assert taking(one).contract() != taking(other).contract()


def test_models_that_refer_to_each_other_in_every_way_cost_no_time() -> None:
    """There are 12! ways through them. The hash is made on first use, on the event loop."""
    names = [f"M{number}" for number in range(12)]
    fields = {name: (Optional[name], None) for name in names}  # noqa: UP045 - the other syntax cannot have a string
    # Any: create_model's fields are its keywords.
    models: dict[str, type[BaseModel]] = {name: create_model(name, **cast("Any", fields)) for name in names}
    for model in models.values():
        model.model_rebuild(_types_namespace=models)
    task = taking(models["M0"])
    task.boundary.check()
    before = time.process_time()
    assert len(task.contract()) == 10
    assert time.process_time() - before < 1


def test_what_is_used_twice_and_what_is_written_twice_have_one_contract() -> None:
    """A client may have two classes where the service has one."""

    class One(BaseModel):
        x: int

    class Same(BaseModel):
        x: int

    assert taking(tuple[One, One]).contract() == taking(tuple[One, Same]).contract()


def taking(kind: object) -> AnyTask:
    """Return a task with one parameter of a type."""

    async def take(x: object) -> None:
        """Do nothing."""

    take.__annotations__["x"] = kind
    made: AnyTask = Broker("memory://").task(name="take")(take)
    return made
