"""Generated packages for tests: written, imported, and read back."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from typedtasks import Broker
from typedtasks.client import RemoteTask
from typedtasks_codegen import package_files, read_contract, write_folder

# Any: JSON data, whose shape is what the tests look at.
Data = Any


@contextmanager
def imported(broker: Broker, folder: Path, package: str) -> Iterator[ModuleType]:
    """Write a client of the broker's tasks into a folder, and import it for as long as the block runs."""
    write_folder(folder / package, package_files(broker, "app.tasks:broker", package))
    sys.path.insert(0, str(folder))
    try:
        yield importlib.import_module(package)
    finally:
        sys.path.remove(str(folder))
        for name in [name for name in sys.modules if name.partition(".")[0] == package]:
            del sys.modules[name]


def contract_of_client(client: ModuleType) -> Data:
    """Return the contract as the client's own classes and signatures say it."""
    one = client.Client("memory://")
    for kind in type(one).__mro__:
        for name, value in vars(kind).items():
            if isinstance(value, RemoteTask):
                getattr(one, name)
    names = {type_: id for id, type_ in client.models.CONTRACT_TYPES.items()}
    return read_contract(one.tasks.broker, names).as_json()


def comparable(contract: Data) -> Data:
    """Return what a client has of a contract: neither the worker's own options, nor what cannot travel.

    Type parameters count by their place: where two have one name, a client has to call one of them otherwise.
    """
    copy = json.loads(json.dumps(contract))
    for definition in copy["types"].values():
        definition.pop("does_not_travel", None)
        definition.pop("name")
        parameters = [one if isinstance(one, dict) else {"name": one} for one in definition.pop("parameters", ())]
        places = {one["name"]: place for place, one in enumerate(parameters)}
        definition["parameters"] = [{**one, "name": place} for place, one in enumerate(parameters)]
        _number(definition, places)
    for task in copy["tasks"].values():
        for key in ("does_not_travel", "hash", "retry", "soft_timeout", "timeout"):
            task.pop(key, None)
    return copy


def _number(data: Data, places: dict[str, int]) -> None:
    if isinstance(data, dict):
        if data.keys() == {"parameter"}:
            data["parameter"] = places[data["parameter"]]
        for value in data.values():
            _number(value, places)
    elif isinstance(data, list):
        for value in data:
            _number(value, places)
