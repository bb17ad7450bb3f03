"""A service that gives back what it is given: one task for each parameter and result of another service."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from typedtasks import Broker
from typedtasks.contract.signature import resolve_types

__all__ = ["echo_of", "places_of"]


def places_of(broker: Broker) -> list[tuple[str, str]]:
    """Return each task with each of its parameters, and with `return`."""
    tasks = sorted(broker.tasks.items())
    return [(name, place) for name, task in tasks for place in [*task.boundary.signature.parameters, "return"]]


def echo_of(broker: Broker) -> Broker:
    """Return a broker in memory whose tasks `e0`, `e1`, ... take and give what the places of another one do."""
    made = Broker("memory://")
    for number, (name, place) in enumerate(places_of(broker)):
        made.task(name=f"e{number}")(_echo(resolve_types(broker.tasks[name].function, name)[place]))
    return made


# Any: a task of any type.
def _echo(hint: object) -> Callable[..., Any]:
    async def echo(value: Any) -> Any:
        return value

    echo.__annotations__ = {"value": hint, "return": hint}
    return echo
