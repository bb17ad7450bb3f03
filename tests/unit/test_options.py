"""Options and arguments of the public surface: what makes no sense is refused where it is written, by its name."""

from __future__ import annotations

from typing import Any

import pytest

from typedtasks import Broker, DefinitionError, PayloadInvalid, ResultLost


@pytest.fixture
def broker() -> Broker:
    return Broker("memory://")


# Any: wrong values are what these tests are about.
def _task(broker: Broker, name: str = "f") -> Any:
    @broker.task(name=name)
    async def f(x: int) -> int:
        return x

    return f


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"max_payload": 0}, "max_payload=0 is not possible"),
        ({"max_payload": "x"}, "max_payload='x' is not possible"),
        ({"max_result": -1}, "max_result=-1 is not possible"),
        ({"default_queue": 5}, "default_queue=5 is not a queue name"),
        ({"result_ttl": "x"}, "result_ttl='x' is not a duration"),
        ({"url": 5}, "int is neither; pass a string"),
    ],
)
def test_a_broker_refuses_options_that_make_no_sense(options: dict[str, Any], text: str) -> None:
    with pytest.raises(DefinitionError, match=text):
        Broker(**{"url": "memory://", **options})


def test_options_beside_the_function_are_refused_not_ignored(broker: Broker) -> None:
    """They were meant for the decorator."""

    async def f(x: int) -> int:
        return x

    task: Any = broker.task
    for options in ({"name": "g"}, {"timout": 3}, {"raises": 5}):
        with pytest.raises(DefinitionError, match=r"takes no options beside the function: write @broker.task\("):
            task(f, **options)
    assert not broker.tasks
    with pytest.raises(DefinitionError, match="'' cannot be the name of a task"):
        task(name="")(f)


def test_a_parameter_may_be_named_self(broker: Broker) -> None:
    """It is sent by that name, like any other."""

    @broker.task(name="f")
    def f(self: int, **more: int) -> int:
        return self

    assert f.call(self=1).payload == b'{"self":1}'
    assert f.options(delay=1).call(1).payload == b'{"self":1}'
    assert f(self=3) == 3


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"labels": {"a": "\ud800"}}, "has to map strings to strings"),
        ({"labels": {1: "a"}}, "has to map strings to strings"),
        ({"expires": 0}, "expires=0 is not possible: pass a duration above zero"),
        ({"dedup_key": ""}, "dedup_key='' cannot be a key: pass a string of 1 to 256 characters"),
        ({"dedup_key": "x" * 257}, "cannot be a key"),
        ({"dedup_key": 17}, "dedup_key=17 cannot be a key"),
        ({"dedup_key": None}, "dedup_key=None cannot be a key"),
        ({"dedup_key": "\ud800"}, "cannot be a key"),
        ({"dedup_window": 60}, "dedup_window needs a dedup_key"),
        ({"dedup_key": "k", "dedup_window": 0}, "dedup_window=0 is not possible: pass a duration above zero"),
        ({"delay": 2, "expires": 1}, "delay=2 is not shorter than expires=1, so it would never be run"),
    ],
)
def test_a_call_refuses_options_that_make_no_sense(broker: Broker, options: dict[str, Any], text: str) -> None:
    with pytest.raises(DefinitionError, match=text):
        _task(broker).options(**options)


async def test_only_calls_of_the_brokers_own_tasks_are_sent(broker: Broker) -> None:
    """Calls of another broker would wait in a queue that nobody meant."""
    own, other = _task(broker), _task(Broker("memory://"))
    async with broker:
        with pytest.raises(DefinitionError, match="f is not a task of <Broker memory://>"):
            await broker.enqueue_many([own.call(1), other.call(2)])
        with pytest.raises(DefinitionError, match=r"is not a call; make one with task.call"):
            await broker.enqueue_many([own])
        with pytest.raises(DefinitionError, match=r"is not a list: pass one, as \[task.call\(...\)\]"):
            await broker.enqueue_many(own.call(1))
        assert (await broker.counts()).ready == 0


@pytest.mark.parametrize("id", [5, None, b"default.x"])
def test_what_is_no_text_is_refused_as_a_task_id(broker: Broker, id: Any) -> None:
    """That is a mistake in the program."""
    with pytest.raises(DefinitionError, match="is not a task id; pass the `id` of a TaskHandle"):
        broker.handle(_task(broker), id)


@pytest.mark.parametrize("id", ["", "default", "default.", ".x", "a b.x", "default.\ud800", "default.ü", "default.a\n", "x" * 9000])
def test_a_text_that_cannot_be_a_task_id_is_that_of_no_task(broker: Broker, id: str) -> None:
    """It may be what a stranger wrote into a URL, and is no mistake in the program."""
    with pytest.raises(ResultLost, match="is the id of no task") as refused:
        broker.handle(_task(broker), id)
    assert len(str(refused.value)) < 250


def test_a_handle_needs_a_task(broker: Broker) -> None:
    function: Any = print
    with pytest.raises(DefinitionError, match="is not a task; pass what @broker.task made"):
        broker.handle(function, "default.x")


def test_a_missing_argument_is_said_without_a_value(broker: Broker) -> None:
    with pytest.raises(PayloadInvalid, match=r"x: Missing required argument \[payload-invalid\]"):
        _task(broker).call()
