"""Values of every type go from a client through a queue to a worker and back, and are what they were."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from examples.orders.tasks import broker as orders
from tests.codegen.echo import echo_of, places_of
from tests.codegen.every_type import broker as every_type
from tests.codegen.generated import imported
from tests.codegen.generic_shapes import broker as generic_shapes
from tests.codegen.odd_shapes import broker as odd_shapes
from tests.codegen.schemas import arguments_of
from tests.codegen.values import ClientValues
from typedtasks import Broker, Worker
from typedtasks_codegen import Contract, read_contract

EXAMPLES = int(os.environ.get("TYPEDTASKS_EXAMPLES", "5"))
"""Of each parameter and result; a run with 1,000 takes some minutes."""
BATCH = 200

SERVICES = {"every": every_type, "odd": odd_shapes, "generic": generic_shapes, "orders": orders}
PLACES = [
    pytest.param(package, number, id=f"{package}:{task}:{place}")
    for package, broker in SERVICES.items()
    for number, (task, place) in enumerate(places_of(broker))
]


class Exchange:
    """A service that gives back what it is given, and its generated client."""

    def __init__(self, broker: Broker, client: ModuleType) -> None:
        self.broker = broker
        self.client = client
        self.contract: Contract = read_contract(broker)
        self.schemas = arguments_of(broker)
        self.values = ClientValues(self.contract, client)


@pytest.fixture(scope="module")
def exchanges(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Exchange]]:
    """The services by their names."""
    folder = tmp_path_factory.mktemp("clients")
    with ExitStack() as stack:
        echoes = {name: echo_of(broker) for name, broker in SERVICES.items()}
        yield {
            name: Exchange(broker, stack.enter_context(imported(broker, folder, f"echo_{name}"))) for name, broker in echoes.items()
        }


@pytest.mark.parametrize(("service", "number"), PLACES)
async def test_values_come_back_equal(service: str, number: int, exchanges: dict[str, Exchange]) -> None:
    """What the client sends fits the service's JSON Schema, and what arrives again is equal, of the client's own classes."""
    exchange = exchanges[service]
    name = f"e{number}"
    (task,) = [task for task in exchange.contract.tasks if task.name == name]
    values: list[Any] = []

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def collect(data: st.DataObject) -> None:
        values.append(data.draw(exchange.values.of(task.parameters[0].form, {})))

    collect()
    schema: Any = exchange.schemas[name]
    validator = Draft202012Validator(schema)
    async with exchange.broker, exchange.client.Client(exchange.broker.backend) as client, Worker(exchange.broker):
        remote = getattr(client, name)
        for start in range(0, len(values), BATCH):
            batch = values[start : start + BATCH]
            calls = [remote.call(value) for value in batch]
            for call in calls:
                validator.validate(json.loads(call.payload))
            handles = await client.enqueue_many(calls)
            for value, handle in zip(batch, handles, strict=True):
                arrived = await handle.result(timeout=30)
                assert arrived == value
                assert type(arrived) is type(value)
    assert values
