"""Where two contracts are called compatible, each sample of the old type is taken by the new one: shown on random types."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

import pytest

from tests.codegen.random_types import Spec, changed, python_type, random_type, sample
from typedtasks import Broker, DefinitionError
from typedtasks.contract.codec import Misfit
from typedtasks.task import AnyTask
from typedtasks_codegen import read_contract
from typedtasks_codegen.compatibility import Category, Order, compare_contracts

_PAIRS = 150
_SAMPLES = 12


def task_of(spec: Spec) -> tuple[AnyTask, Any]:
    """Return a task that takes a type and returns it, and its contract as data."""
    broker = Broker("memory://")
    kind = python_type(spec)

    def same(value: object) -> object:
        return value

    same.__annotations__ = {"value": kind, "return": kind}
    task = broker.task(name="same")(same)
    return task, read_contract(broker).as_json()


def possible(make: Callable[[], Spec]) -> tuple[Spec, AnyTask, Any]:
    """Return the first type that a task may have, with such a task and its contract. Some cannot make the round trip."""
    while True:
        spec = make()
        try:
            return spec, *task_of(spec)
        except DefinitionError:
            continue


@pytest.mark.parametrize("seed", range(4))
def test_what_is_called_compatible_takes_every_sample(seed: int) -> None:
    """Arguments of old clients by new workers, and results of new workers by old clients."""
    chance, proved, refused = Random(seed), 0, 0
    for _ in range(_PAIRS):
        spec, old, before = possible(lambda: random_type(chance))
        later, new, after = possible(partial(changed, spec, chance))
        changes = compare_contracts(before, after)
        broken = [change for change in changes if set(change.breaks_in(Order.WORKERS_FIRST)) - {Category.SOURCE}]
        arguments = not any(change.path.startswith("value") for change in broken)
        results = not any(change.path.startswith("result") for change in broken)
        proved += arguments
        refused += not arguments
        for _ in range(_SAMPLES):
            if arguments:
                given = json.dumps({"value": sample(spec, chance)}).encode()
                old.boundary.decode_arguments(given)
                try:
                    new.boundary.decode_arguments(given)
                except Misfit as misfit:
                    pytest.fail(f"{spec}\n{later}\n{given!r}\n{misfit}\n{[c.text for c in changes]}")
            if results:
                _, named = new.boundary.decode_arguments(json.dumps({"value": sample(later, chance)}).encode())
                written = new.boundary.encode_result(named["value"])
                try:
                    old.boundary.decode_result(written)
                except Misfit as misfit:
                    pytest.fail(f"results\n{spec}\n{later}\n{written!r}\n{misfit}\n{[c.text for c in changes]}")
    assert proved > _PAIRS / 8  # it does not say no to everything
    assert refused > _PAIRS / 8


def test_nothing_is_said_of_what_has_not_changed() -> None:
    """Two equal types, whose classes are others, are compatible in both orders."""
    chance = Random(1)
    for _ in range(_PAIRS):
        spec, _, before = possible(lambda: random_type(chance))
        changes = compare_contracts(before, task_of(spec)[1])
        assert [change for change in changes if set(change.rule.categories) - {Category.SOURCE}] == [], spec
