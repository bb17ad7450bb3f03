"""The Python names of a client: of its tasks and of its types.

A task's follows from its own name alone, so that no other task changes it. A type's is its own, or where several have that one, the
first has it: the one whose module has fewer parts, or is earlier in the alphabet. What was given stands in `contract.json` and is
kept: the names of what is added are found around it.
"""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, count
from typing import TYPE_CHECKING, Final

from typedtasks_codegen.refusal import GenerationError

if TYPE_CHECKING:
    from typedtasks_codegen.contract import TypeDefinition, TypeParameter

__all__ = ["GivenNames", "task_names", "type_names", "type_variables"]

_OF_CLIENTS: Final = frozenset({"close", "enqueue_many", "handle", "loop", "max_payload", "max_result", "open", "tasks"})
"""What a client has itself. Written down, so that a task's name depends on no version of typedtasks."""
_OF_PACKAGES: Final = frozenset(
    {
        *("Client", "BlockingClient", "models", "CONTRACT_TYPES", "annotations", "object"),
        *("bool", "int", "float", "str", "bytes", "list", "set", "frozenset", "dict", "tuple"),
        *("builtins", "collections", "dataclasses", "datetime", "decimal", "enum", "ipaddress", "pathlib", "pydantic"),
        *("typedtasks", "typing", "typing_extensions", "uuid", "warnings"),
    }
)
"""What generated sources mean something else by."""


@dataclass(frozen=True, slots=True)
class GivenNames:
    """The names that clients have already: of tasks by their own names, of types by their ids."""

    tasks: Mapping[str, str] = field(default_factory=dict[str, str])
    types: Mapping[str, str] = field(default_factory=dict[str, str])


def task_names(tasks: Iterable[str], given: GivenNames) -> dict[str, str]:
    """Return each task's attribute of the client: what was given, or all of its name.

    Raises `GenerationError` where two would have the same.
    """
    names: dict[str, str] = {}
    owners: dict[str, str] = {}
    for task in sorted(tasks):
        kept = given.tasks.get(task, "")
        name = names[task] = kept if _is_free(kept, _OF_CLIENTS) else _attribute(task)
        other = owners.setdefault(name, task)
        if other != task:
            raise GenerationError(f"{other} and {task} would both be client.{name}; give one of them another name.")
    return names


def type_names(definitions: Iterable[TypeDefinition], given: GivenNames) -> dict[str, str]:
    """Return the name of each type in the client: what was given, or its own, with parts of its module where that one is taken.

    A type that is gone gives its name back: one that was moved to another module keeps its own.
    """
    order = sorted(definitions, key=lambda definition: (definition.id.count("."), definition.id))
    names: dict[str, str] = {}
    taken = set(_OF_PACKAGES)
    for definition in order:
        kept = given.types.get(definition.id, "")
        if _is_free(kept, taken):
            names[definition.id] = kept
            taken.add(kept)
    for definition in order:
        if definition.id not in names:
            name = next(name for name in _class_names(definition) if _is_free(name, taken))
            names[definition.id] = name
            taken.add(name)
    return names


def type_variables(definitions: Iterable[TypeDefinition], taken: Container[str]) -> dict[TypeParameter, str]:
    """Return the name of each type parameter in a client: its own, with a number where something else has it already."""
    names: dict[TypeParameter, str] = {}
    given: set[str] = set()
    for definition in definitions:
        for parameter in definition.parameters:
            if parameter not in names:
                options = chain([parameter.name], (f"{parameter.name}{number}" for number in count(2)))
                names[parameter] = next(name for name in options if name not in given and name not in taken)
                given.add(names[parameter])
    return names


def _is_free(name: str, taken: Container[str]) -> bool:
    """Return whether a public name may be given: a contract that was edited by hand may say anything."""
    return name.isidentifier() and not keyword.iskeyword(name) and not name.startswith("_") and name not in taken


def _attribute(task: str) -> str:
    letters = (one if f"_{one}".isidentifier() else " " for one in unicodedata.normalize("NFKC", task))
    name = "_".join("".join(letters).split()).lstrip("_")
    if not name:
        raise GenerationError(f"{task}: no attribute of a client can be made of this name; pass a name= with letters in it.")
    name = name if name.isidentifier() else f"task_{name}"
    return f"{name}_" if name in _OF_CLIENTS or keyword.iskeyword(name) else name


def _class_names(definition: TypeDefinition) -> Iterator[str]:
    """Yield names for a type, the best one first."""
    own = re.sub(r"\W", "_", definition.name).strip("_") or "Type"
    own = own if own.isidentifier() else f"Type{own}"
    own = f"{own}_" if own in _OF_PACKAGES or keyword.iskeyword(own) else own
    path = [re.sub(r"\W", "_", part).strip("_").title().replace("_", "") for part in definition.id.split(".")[:-1]]
    yield own
    yield from ("".join(path[start:]) + own for start in range(len(path) - 1, -1, -1))
    yield from (f"{own}{number}" for number in count(2))
