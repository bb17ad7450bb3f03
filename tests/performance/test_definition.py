"""What the definition of tasks costs, counted: each class is built once, however many ways lead to it from however many tasks."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, make_dataclass
from typing import Any, NamedTuple, cast

import pytest
from pydantic import BaseModel, JsonValue, create_model
from typing_extensions import TypedDict

from typedtasks import Broker
from typedtasks.contract import classes, generation
from typedtasks.contract.nodes import changed, everything_inside

fingerprint = importlib.import_module("typedtasks.contract.fingerprint")
hash_of = fingerprint._hash
MODELS = 60
BUILDS = 15
"""Validators and serializers for each task: three of its model, and three each of what it takes and returns, checked for itself
and as a whole."""
PARTS = 45
"""Parts of schemas that are rewritten for each task."""
MADE = 35
"""Parts of schemas that pydantic makes for each task."""


@dataclass
class Work:
    """What was done to define tasks."""

    builds: int = 0
    parts: int = 0
    made: int = 0


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Work:
    """Counts what is built and rewritten."""
    work = Work()

    def counted(function: Callable[..., object], name: str) -> Callable[..., object]:
        def count(*args: object) -> object:
            setattr(work, name, getattr(work, name) + 1)
            return function(*args)

        return count

    for name in ("SchemaValidator", "SchemaSerializer"):
        monkeypatch.setattr(classes, name, counted(getattr(classes, name), "builds"))
    monkeypatch.setattr(classes, "changed", counted(changed, "parts"))
    monkeypatch.setattr(generation, "everything_inside", counted(everything_inside, "made"))
    return work


def shared(number: int) -> list[type[BaseModel]]:
    """Return models that refer to the one before and to the one half as old: the ways between them grow exponentially."""
    models: list[type[BaseModel]] = []
    for place in range(number):
        around = {"before": (models[-1], ...), "half": (list[models[place // 2]], ...)} if models else {}  # type: ignore[misc]
        # Any: the fields are made at run time.
        models.append(create_model(f"Model{place}", size=(int, 0), name=(str | None, None), **around))  # type: ignore[call-overload]
    return models


def other_classes(kind: str) -> list[type]:
    """Return classes of the same shape which do not carry their schemas."""
    made: list[Any] = []  # Any: types that are made at run time
    for place in range(MODELS):
        name = f"Class{place}"
        fields: dict[str, Any] = {"size": int, "name": str | None}
        around = {"before": made[-1], "half": list[made[place // 2]]} if made else {}  # type: ignore[misc]  # made here
        if kind == "dataclass":
            made.append(make_dataclass(name, [*fields.items(), *around.items()]))
        elif kind == "named tuple":
            made.append(cast("Any", NamedTuple)(name, [*fields.items(), *around.items()]))
        else:
            made.append(cast("Any", TypedDict)(name, {**fields, **around}))
    return made


def define(models: Sequence[Any]) -> Broker:
    broker = Broker("memory://")
    for place, model in enumerate(models):

        def task(value: object, count: int = 0) -> object: ...

        task.__annotations__ = {"value": model, "count": int, "return": list[model]}  # type: ignore[valid-type]  # made here
        broker.task(name=f"task_{place}")(task)
    return broker


def test_tasks_cost_as_much_as_they_have_models_and_not_as_there_are_ways_between_them(work: Work) -> None:
    """Given models that share models, each is built once, and nothing is looked at twice."""
    define(shared(MODELS))
    assert work.builds <= BUILDS * MODELS
    assert work.parts <= PARTS * MODELS


@pytest.mark.parametrize("kind", ["dataclass", "named tuple", "typed dictionary"])
def test_classes_that_carry_no_schemas_cost_as_much_as_models(kind: str, work: Work) -> None:
    """Given dataclasses, named tuples or typed dictionaries that share each other, pydantic makes the schema of each once."""
    define(other_classes(kind))
    assert work.builds <= BUILDS * MODELS
    assert work.parts <= PARTS * MODELS
    assert 0 < work.made <= MADE * MODELS


def test_models_are_shared_by_the_tasks_of_all_brokers(work: Work) -> None:
    """Given models that tasks have already, more tasks build what is their own, and no model."""
    models = shared(10)
    first = define(models)
    before = work.builds
    second = define(models)
    assert work.builds - before <= before - 3 * len(models)
    assert first is not second


def test_models_in_a_circle_cost_as_much_as_others(work: Work) -> None:
    """Given a circle of models that tasks enter in all places, each is built once, although pydantic makes the circle for each."""
    names = [f"Round{place}" for place in range(20)]
    after = [*names[1:], names[0]]
    # Any: the fields are made at run time.
    models = [create_model(name, after=(cast("Any", f"list['{other}']"), ...)) for name, other in zip(names, after, strict=True)]
    for model in models:
        model.model_rebuild(force=True, _types_namespace=dict(zip(names, models, strict=True)))
    define(models)
    assert work.builds <= BUILDS * len(models)
    assert work.parts <= (PARTS + 6) * len(models)


def test_the_hashes_of_all_tasks_look_at_each_model_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given tasks over models that share models, their contracts take a hash of each part of a schema once."""
    hashes = 0

    def hashed(shape: JsonValue) -> str:
        nonlocal hashes
        hashes += 1
        return str(hash_of(shape))

    broker = define(shared(MODELS))
    monkeypatch.setattr(fingerprint, "_hash", hashed)
    contracts = {task.contract() for task in broker.tasks.values()}
    assert len(contracts) == MODELS
    assert hashes <= 40 * MODELS
