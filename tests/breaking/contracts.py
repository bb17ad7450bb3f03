"""The contracts of the folders below `rules`: each has the tasks of a service before and after a change."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

from typedtasks import Broker
from typedtasks_codegen import read_contract
from typedtasks_codegen.compatibility import Change, compare_contracts, parse_contract
from typedtasks_codegen.compatibility.types import Data

__all__ = ["RULES", "changes_of", "contract_of", "lines_of"]

RULES = Path(__file__).with_name("rules")


def contract_of(folder: Path, version: str) -> Data:
    """Return the contract of the module `old` or `new`."""
    return parse_contract(_text_of(folder / f"{version}.py"))


def changes_of(folder: Path) -> list[Change]:
    """Return what has changed."""
    return compare_contracts(contract_of(folder, "old"), contract_of(folder, "new"))


def lines_of(changes: list[Change]) -> str:
    """Return one line for each change."""
    return "".join(f"{change.rule.id}: {change.task} {change.path or '-'}: {change.text}\n" for change in changes)


def _text_of(path: Path) -> str:
    """Return the contract of a module, whose name is the same in both versions."""
    spec = importlib.util.spec_from_file_location("service", path)
    assert spec is not None
    assert spec.loader is not None
    module = ModuleType("service")
    module.__spec__ = spec
    sys.modules["service"] = module  # where types are looked up by name
    try:
        spec.loader.exec_module(module)
        broker = module.broker
        assert isinstance(broker, Broker)
        return json.dumps(read_contract(broker).as_json())
    finally:
        del sys.modules["service"]
