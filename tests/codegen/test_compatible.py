"""Where two contracts are called compatible, each sample of one version is taken by the other one: shown on random signatures."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any, Optional

import pytest

from tests.codegen.random_types import Parameter, Signature, changed_signature, python_type, random_signature, sample
from typedtasks import Broker, DefinitionError
from typedtasks.contract.codec import Misfit
from typedtasks.task import AnyTask
from typedtasks_codegen import read_contract
from typedtasks_codegen.compatibility import Category, Change, Direction, Order, compare_contracts

_PAIRS = 120
_SAMPLES = 8


def task_of(signature: Signature) -> tuple[AnyTask, Any]:
    """Return a task of a signature, and its contract as data."""
    broker = Broker("memory://")
    empty = inspect.Parameter.empty
    parameters: list[inspect.Parameter] = []
    hints: dict[str, Any] = {"return": python_type(signature.result)}  # Any: types that are made at run time
    for name, kind, optional, spec in signature.parameters:
        hints[name] = Optional[python_type(spec)] if optional else python_type(spec)  # noqa: UP045 - of a type made at run time
        parameters.append(
            inspect.Parameter(name, getattr(inspect.Parameter, kind), default=None if optional else empty, annotation=hints[name])
        )

    def task(*args: object, **kwargs: object) -> object:
        raise NotImplementedError

    task.__annotations__ = hints
    task.__signature__ = inspect.Signature(parameters, return_annotation=hints["return"])  # type: ignore[attr-defined]  # inspect looks for it
    made = broker.task(name="task")(task)
    return made, read_contract(broker).as_json()


def possible(make: Callable[[], Signature]) -> tuple[Signature, AnyTask, Any]:
    """Return the first signature that a task may have, with such a task and its contract. Some cannot make the round trip."""
    for _ in range(100):
        signature = make()
        try:
            return signature, *task_of(signature)
        except DefinitionError:
            continue
    raise AssertionError("no signature makes a task")


def arguments(signature: Signature, chance: Random) -> bytes:
    """Return arguments that fit."""
    written = {one.name: _argument(one, chance) for one in signature.parameters if not _is_left_out(one, chance)}
    return json.dumps(written).encode()


def _is_left_out(parameter: Parameter, chance: Random) -> bool:
    return (parameter.optional or parameter.kind.startswith("VAR_")) and chance.random() < 0.4


def _argument(parameter: Parameter, chance: Random) -> object:
    if parameter.kind == "VAR_POSITIONAL":
        return [sample(parameter.type, chance) for _ in range(chance.randint(0, 2))]
    if parameter.kind == "VAR_KEYWORD":
        return {name: sample(parameter.type, chance) for name in chance.sample(("k1", "k2"), chance.randint(0, 2))}
    return None if parameter.optional and chance.random() < 0.2 else sample(parameter.type, chance)


def result(task: AnyTask, signature: Signature, chance: Random) -> bytes:
    """Return a result as the worker writes it."""
    return task.boundary.encode_result(task.boundary.decode_result(json.dumps(sample(signature.result, chance)).encode()))


def breaks(changes: list[Change], direction: Direction, order: Order) -> bool:
    """Return whether deployed clients or workers are said to break."""
    return any(Category.WIRE in change.breaks_in(order) for change in changes if change.rule.direction is direction)


@pytest.mark.parametrize("seed", range(4))
def test_what_is_called_compatible_takes_every_sample(seed: int) -> None:
    """What clients of either version send, by workers of the other one; and what workers return, by clients."""
    chance = Random(seed)
    said = {meeting: [0, 0] for meeting in ("calls before", "calls after", "results before", "results after")}
    for _ in range(_PAIRS):
        before, old, older = possible(partial(random_signature, chance))
        after, new, newer = possible(partial(changed_signature, before, chance))
        changes = compare_contracts(older, newer)
        for meeting, direction, order, write, read in (
            ("calls before", Direction.TO_WORKER, Order.WORKERS_FIRST, partial(arguments, before), new.boundary.decode_arguments),
            ("calls after", Direction.TO_WORKER, Order.CLIENTS_FIRST, partial(arguments, after), old.boundary.decode_arguments),
            ("results after", Direction.TO_CLIENT, Order.WORKERS_FIRST, partial(result, new, after), old.boundary.decode_result),
            ("results before", Direction.TO_CLIENT, Order.CLIENTS_FIRST, partial(result, old, before), new.boundary.decode_result),
        ):
            broken = breaks(changes, direction, order)
            said[meeting][broken] += 1
            for _ in range(0 if broken else _SAMPLES):
                written = write(chance)
                try:
                    read(written)
                except Misfit as misfit:
                    pytest.fail(f"{meeting}: {written!r}\n{before}\n{after}\n{misfit}\n{[change.text for change in changes]}")
    assert all(min(counts) for counts in said.values()), said  # it says neither yes nor no to everything


def test_what_waits_is_said_to_break_wherever_it_would_break_workers_that_are_deployed_first() -> None:
    """Messages that wait are as old as the clients then, and results that are kept as old as the workers that clients overtake."""
    chance = Random(9)
    for _ in range(_PAIRS):
        before, _, older = possible(partial(random_signature, chance))
        _, _, newer = possible(partial(changed_signature, before, chance))
        for change in compare_contracts(older, newer):
            order = Order.WORKERS_FIRST if change.rule.direction is Direction.TO_WORKER else Order.CLIENTS_FIRST
            for each in Order:
                assert (Category.WIRE in change.breaks_in(order)) == (Category.WIRE_IN_FLIGHT in change.breaks_in(each)), change


def test_nothing_is_said_of_what_has_not_changed() -> None:
    """Two equal signatures, whose classes are others, are compatible in both orders."""
    chance = Random(1)
    for _ in range(_PAIRS):
        signature, _, before = possible(partial(random_signature, chance))
        changes = compare_contracts(before, task_of(signature)[1])
        assert [change for change in changes if set(change.rule.categories) - {Category.SOURCE}] == [], signature
