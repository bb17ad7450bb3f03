"""The Python names of a client: of its tasks and of its types. They follow from the contract alone."""

from __future__ import annotations

import builtins
import keyword
import re
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Mapping
from typing import Final

from typedtasks.client import AsyncClient, ThreadClient
from typedtasks_codegen.contract import Contract, TypeDefinition, TypeParameter
from typedtasks_codegen.refusal import GenerationError

__all__ = ["task_names", "type_names", "type_variables"]

_OF_CLIENTS: Final = frozenset({name for kind in (AsyncClient, ThreadClient) for name in dir(kind)} | {"tasks", "loop"})
_OF_PACKAGES: Final = frozenset({"Client", "BlockingClient", "models", "CONTRACT_TYPES", "annotations", *dir(builtins)})


def task_names(contract: Contract) -> dict[str, str]:
    """Return each task's attribute of the client: the last part of its name, or all of it where that part is not unique."""
    return _distinct((task.name for task in contract.tasks), _attribute)


def type_names(contract: Contract) -> dict[str, str]:
    """Return the class name of each type: its own, or with parts of its module where that is not unique."""
    definitions = {definition.id: definition for definition in contract.types}
    taken = _OF_PACKAGES | set(type_variables(contract.types).values())
    return _distinct(definitions, lambda id, parts: _free(_class_name(definitions[id], parts), taken))


def type_variables(definitions: Iterable[TypeDefinition]) -> dict[TypeParameter, str]:
    """Return the name of each type parameter in a client: its own, with a number where another one has it already."""
    names: dict[TypeParameter, str] = {}
    for definition in definitions:
        for parameter in definition.parameters:
            if parameter not in names:
                taken, number, name = set(names.values()), 2, parameter.name
                while name in taken:
                    name, number = f"{parameter.name}{number}", number + 1
                names[parameter] = name
    return names


def _distinct(keys: Iterable[str], name_of: Callable[[str, int], str]) -> dict[str, str]:
    """Return a name for each key, of as few parts as make it unlike the others."""
    names: dict[str, str] = {}
    groups: Mapping[str, list[str]] = {"": sorted(keys)}
    for parts in range(1, 12):
        grouped: dict[str, list[str]] = defaultdict(list)
        for group in groups.values():
            for key in group:
                grouped[name_of(key, parts)].append(key)
        alone = {group[0]: name for name, group in grouped.items() if len(group) == 1 and name not in names.values()}
        names |= alone
        groups = {name: rest for name, group in grouped.items() if (rest := [key for key in group if key not in alone])}
        if not groups:
            return names
    clash = next(iter(groups.values()))
    raise GenerationError(f"{' and '.join(clash)} would have the same name in the client; give one of them another name.")


def _attribute(task: str, parts: int) -> str:
    words = [word for word in re.split(r"\W+", task) if word]
    name = "_".join(words[-parts:]).lstrip("_")
    if not name:
        raise GenerationError(f"{task}: no attribute of a client can be made of this name; pass a name= with letters in it.")
    return _free(f"task_{name}" if name[0].isdigit() else name, _OF_CLIENTS)


def _free(name: str, taken: Container[str]) -> str:
    return f"{name}_" if name in taken or keyword.iskeyword(name) else name


def _class_name(definition: TypeDefinition, parts: int) -> str:
    own = re.sub(r"\W", "_", definition.name).strip("_") or "Type"
    path = definition.id.split(".")[:-1]
    before = "".join(part.strip("_").title().replace("_", "") for part in path[len(path) - parts + 1 :]) if parts > 1 else ""
    return before + own
