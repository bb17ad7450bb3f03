"""What the schemas of tasks cost, in calls and bytes: figures that do not depend on the machine's mood."""

from __future__ import annotations

import cProfile
import json
import pstats

from pydantic import BaseModel, create_model

from typedtasks import Broker
from typedtasks_codegen.wire_schemas import _json_schemas


def ladder(number: int) -> list[type[BaseModel]]:
    """Return models of which each refers to the one before and to the one half as old: there are ever more ways."""
    models: list[type[BaseModel]] = []
    for n in range(number):
        before = {"before": (models[n - 1], ...), "half": (list[models[n // 2]], ...)} if n else {"own": (int, 1)}  # type: ignore[misc]  # made here
        models.append(create_model(f"Step{n}", __module__=__name__, **before))
    return models


def add_task(broker: Broker, name: str, model: type[BaseModel]) -> None:
    """Add a task that takes and returns a model."""

    def task(item: object) -> object:
        return item

    task.__annotations__.update(item=model, **{"return": model})
    broker.task(name=name)(task)


def cost(number: int) -> tuple[int, int]:
    """Return the calls of functions and the bytes that the schemas take."""
    broker = Broker("memory://")
    add_task(broker, "task", ladder(number)[-1])
    profile = cProfile.Profile()
    profile.enable()
    schemas = _json_schemas(broker, "{model}", "{model}")
    profile.disable()
    text = json.dumps([schemas.arguments, schemas.results, schemas.argument_types, schemas.result_types])
    return int(pstats.Stats(profile).total_calls), len(text)  # type: ignore[attr-defined]  # typeshed leaves it out


def test_schemas_cost_no_more_for_each_way_between_types() -> None:
    small, large = cost(20), cost(40)
    assert large[0] <= 2.2 * small[0]
    assert large[1] <= 2.2 * small[1]
