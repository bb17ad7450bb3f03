"""Values of every type go from a client to its service and back, and are what they were."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from types import ModuleType

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.codegen.every_type import broker as every_type
from tests.codegen.generated import imported
from tests.codegen.generic_shapes import broker as generic_shapes
from tests.codegen.odd_shapes import broker as odd_shapes
from tests.codegen.values import ClientValues
from typedtasks import Broker
from typedtasks.contract.codec import Codec
from typedtasks.contract.signature import resolve_types
from typedtasks_codegen import read_contract

EXAMPLES = int(os.environ.get("TYPEDTASKS_EXAMPLES", "5"))
"""Of each parameter and result; a run with 1,000 takes some minutes."""

SERVICES = {"every_type_client": every_type, "odd_shapes_client": odd_shapes, "generic_client": generic_shapes}
PLACES = [
    pytest.param(package, task.name, place, id=f"{task.name}:{place}")
    for package, broker in SERVICES.items()
    for task in read_contract(broker).tasks
    for place in [*[parameter.name for parameter in task.parameters], "return"]
]


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, ModuleType]]:
    """The generated clients by package."""
    folder = tmp_path_factory.mktemp("clients")
    with ExitStack() as stack:
        yield {package: stack.enter_context(imported(broker, folder, package)) for package, broker in SERVICES.items()}


@pytest.mark.parametrize(("package", "name", "place"), PLACES)
def test_values_come_back_equal(package: str, name: str, place: str, clients: dict[str, ModuleType]) -> None:
    """The service reads what the client writes, and the client reads what the service writes of it as the same value."""
    broker: Broker = SERVICES[package]
    client, contract = clients[package], read_contract(broker)
    (task,) = [task for task in contract.tasks if task.name == name]
    form = task.result if place == "return" else {one.name: one.form for one in task.parameters}[place]
    remote = next(row for row in vars(client._Tasks).values() if getattr(row, "name", "") == name)
    of_client = Codec(resolve_types(remote.function, name)[place])
    of_service = Codec(resolve_types(broker.tasks[name].function, name)[place])

    @settings(max_examples=EXAMPLES, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(st.data())
    def check(data: st.DataObject) -> None:
        value = data.draw(ClientValues(contract, client).of(form, {}))
        arrived = of_service.decode(of_client.encode(value))
        assert of_client.decode(of_service.encode(arrived)) == value

    check()
