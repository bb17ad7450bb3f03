"""What it costs to generate a client, in calls of Python functions: a figure that does not depend on the machine's mood."""

from __future__ import annotations

import cProfile
import gc
import pstats
from datetime import datetime
from pathlib import Path

import pytest
from pydantic import create_model

from tests.codegen.generated import imported
from tests.performance.test_schemas import add_task, ladder
from typedtasks import Broker, PayloadInvalid
from typedtasks_codegen import package_files

MOST = 23_500
"""Calls for a task with a model of its own of six fields, a seventh above what was measured: 200 such tasks take about a second."""

FIRST_USE = 4_500
"""Calls for a task of a client that is used for the first time, with its model, a seventh above what was measured."""


def registry(tasks: int) -> Broker:
    broker = Broker("memory://")
    for number in range(tasks):
        model = create_model(
            f"Model{number}",
            __module__=__name__,
            id=(int, ...),
            name=(str, ...),
            tags=(list[str], []),
            when=(datetime | None, None),
            amount=(float, 0.0),
            other=(dict[str, int], {}),
        )

        async def task(item: object, count: int = 1) -> object:
            return [item] * count

        task.__annotations__.update(item=model, **{"return": list[model]})  # type: ignore[valid-type]  # made at run time
        broker.task(name=f"task{number}")(task)
    return broker


def calls_of_first_use(number: int, folder: Path) -> int:
    """Return how many calls of functions it takes to import a client of so many tasks over as many models, and use each of them."""
    broker = Broker("memory://")
    for place, model in enumerate(ladder(number)):
        add_task(broker, f"task{place}", model)
    profile = cProfile.Profile()
    with imported(broker, folder, f"client{number}") as client:
        one = client.Client("memory://")
        gc.collect()
        gc.disable()  # what other tests have left is not counted
        profile.enable()
        for place in range(number):
            with pytest.raises(PayloadInvalid):
                getattr(one, f"task{place}").call({"size": "much"})
        profile.disable()
        gc.enable()
    return int(pstats.Stats(profile).total_calls)  # type: ignore[attr-defined]  # typeshed leaves it out


def test_first_use_of_a_client_costs_as_much_as_it_has_tasks(tmp_path: Path) -> None:
    """Each of its models is built once, however many ways lead to it from however many tasks."""
    calls_of_first_use(2, tmp_path)
    small, large = calls_of_first_use(30, tmp_path), calls_of_first_use(60, tmp_path)
    assert large <= 2.1 * small
    assert large / 60 <= FIRST_USE


def calls_of_generating(broker: Broker) -> int:
    """Return how many calls of functions a package of the broker's tasks takes."""
    broker.tasks["task0"].contract()
    profile = cProfile.Profile()
    profile.enable()
    package_files(broker, "app:broker", "client")
    profile.disable()
    return int(pstats.Stats(profile).total_calls)  # type: ignore[attr-defined]  # typeshed leaves it out


def test_generating_costs_no_more_for_each_task() -> None:
    """What the first tasks cost once (templates, formatter, imports) is left aside."""
    small, large = registry(10), registry(30)
    package_files(registry(1), "app:broker", "client")
    each = (calls_of_generating(large) - calls_of_generating(small)) / 20
    assert each <= MOST
