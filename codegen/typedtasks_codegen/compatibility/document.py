"""Reading a `contract.json` that may be of another version, cut short, or no contract at all."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal, NotRequired, cast

from pydantic import JsonValue, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from typedtasks_codegen.compatibility.types import Data
from typedtasks_codegen.contract import FORMAT

__all__ = ["ContractInvalid", "ContractOutdated", "parse_contract"]


class ContractInvalid(ValueError):
    """A text is no contract that this version can read. The message says why, in one line."""


class ContractOutdated(ContractInvalid):
    """A text is a contract of a format that this version does not read any more."""


class _Parameter(TypedDict):
    name: str
    kind: Literal["positional_only", "positional_or_keyword", "var_positional", "keyword_only", "var_keyword"]
    type: JsonValue


class _Task(TypedDict):
    parameters: list[_Parameter]
    result: JsonValue
    raises: list[str]
    queue: str
    max_payload: int
    client_name: NotRequired[str]


class _Field(TypedDict):
    name: str
    type: JsonValue
    required: bool


class _Member(TypedDict):
    name: str
    value: JsonValue


class _Variable(TypedDict):
    name: str


class _Config(TypedDict):
    extra: NotRequired[Literal["allow", "ignore", "forbid"]]


class _Type(TypedDict):
    kind: str
    name: str
    client_name: NotRequired[str]
    fields: NotRequired[list[_Field]]
    type: NotRequired[JsonValue]
    members: NotRequired[list[_Member]]
    bases: NotRequired[list[str]]
    parameters: NotRequired[list[str | _Variable]]
    config: NotRequired[_Config]
    does_not_travel: NotRequired[list[str]]


class _Contract(TypedDict):
    tasks: dict[str, _Task]
    types: dict[str, _Type]
    reserved: NotRequired[list[str]]


_CONTRACT: Final = TypeAdapter(_Contract)
_STANDS_FOR: Final = frozenset({"new-type", "alias"})


def parse_contract(text: str) -> Data:
    """Return the data of a `contract.json`. Keys that are not known are left alone.

    Raises `ContractInvalid` where it is of another format, cut short, or lacks what a comparison needs.
    """
    try:
        data: object = json.loads(text)
    except json.JSONDecodeError as error:
        if error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated"):
            raise ContractInvalid(f"it is cut short: its JSON ends in line {error.lineno}") from None
        raise ContractInvalid(f"it is no JSON: {error.msg} in line {error.lineno}") from None
    except RecursionError:
        raise ContractInvalid("it is no contract: it is nested too deep") from None
    version = cast("Mapping[str, object]", data).get("format") if isinstance(data, dict) else None
    if not isinstance(version, int) or isinstance(version, bool):
        raise ContractInvalid('it is no contract: an object with "format", "tasks" and "types" is expected')
    if version > FORMAT:
        raise ContractInvalid(f"its format is {version}, and this version of typedtasks reads format {FORMAT}; upgrade typedtasks")
    if version < FORMAT:
        raise ContractOutdated(
            f"its format is {version}, of an older typedtasks, and this version reads format {FORMAT}; run `typedtasks generate` "
            "with this version on the tasks as they were, and compare with the contract.json that it writes"
        )
    try:
        _CONTRACT.validate_python(data, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        raise ContractInvalid(f"it is no whole contract: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    contract = cast("Data", data)
    for problem in _problems(contract):
        raise ContractInvalid(f"it is no whole contract: {problem}")
    return contract


def _problems(contract: Data) -> Iterator[str]:
    """Yield what a comparison would trip over, with its place."""
    types: Data = contract["types"]
    for name, task in contract["tasks"].items():
        for parameter in task["parameters"]:
            yield from _of_form(parameter["type"], f"tasks.{name}.{parameter['name']}", types)
        yield from _of_form(task["result"], f"tasks.{name}.result", types)
        yield from (f"tasks.{name}.raises: there is no type {id}" for id in task["raises"] if id not in types)
    for id, definition in types.items():
        if definition["kind"] in _STANDS_FOR and "type" not in definition:
            yield f"types.{id}: it does not say what it stands for"
        if definition["kind"] == "root" and not definition.get("fields"):
            yield f"types.{id}: it does not say what it stands for"
        yield from _of_form(definition.get("type", "None"), f"types.{id}", types)
        for field in definition.get("fields", []):
            yield from _of_form(field["type"], f"types.{id}.{field['name']}", types)


def _of_form(form: object, place: str, types: Data) -> Iterator[str]:
    waiting = [form]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            continue
        parts = _parts(one, types)
        if parts is None:
            yield f"{place}: {json.dumps(one)[:60]} is no type"
            return
        waiting += parts


# Any: the JSON of a type, which is what is being looked at.
def _parts(form: Any, types: Data) -> list[object] | None:
    """Return what a type is made of; None for what is no type."""
    match form:
        case {"generic": str(), "arguments": list()}:
            return cast("list[object]", form["arguments"])
        case {"union": list()}:
            return cast("list[object]", form["union"])
        case {"type": inner, "constraints": dict()}:
            return [inner]
        case {"ref": str(id)}:
            arguments = form.get("arguments", [])
            return cast("list[object]", arguments) if id in types and isinstance(arguments, list) else None
        case {"literal": list()} | {"parameter": str()}:
            return []
        case _:
            return None
