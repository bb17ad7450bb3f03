"""Fields, parameters, keys, members and values may be called like any key of a schema, wherever they are generated or compared."""

from __future__ import annotations

import json
from enum import Enum, StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import jsonschema
import pytest
from pydantic import BaseModel, Field, JsonValue, create_model
from typing_extensions import TypedDict

from tests.codegen.generated import comparable, contract_of_client, imported
from typedtasks import Broker, TaskError
from typedtasks_codegen import read_contract
from typedtasks_codegen.compatibility import compare_contracts, parse_contract
from typedtasks_codegen.wire_schemas import json_schemas

NAMES = (
    *("type", "ref", "cls", "definitions", "fields", "config", "metadata", "members", "default", "items", "properties", "required"),
    *("enum", "const", "anyOf", "title", "kind", "generic", "arguments", "constraints", "discriminator", "id", "tasks", "types"),
    *("raises", "returns", "parameters", "extra", "base", "data", "args", "kwargs", "examples", "mapping"),
)
DATA: dict[str, JsonValue] = {
    "$ref": "#/x",
    "$": "type",
    "type": "x",
    "default": {"$ref": "y"},
    "properties": ["z"],
    "mapping": {"a": "b"},
}
# Any: enums whose members are named at run time.
Words: Any = cast("Any", StrEnum)("Words", NAMES, module=__name__)
Numbers: Any = cast("Any", Enum)("Numbers", NAMES, module=__name__)
Keyed = TypedDict("Keyed", {"$ref": int, "$defs": str, "$": int, "type": str, "properties": dict[str, int]})


class Inner(BaseModel):
    type: str = "$ref"
    ref: dict[str, int] = {"$ref": 1}


class Holder(BaseModel):
    data: dict[str, JsonValue] = DATA
    inner: dict[str, Inner] = {"$ref": Inner(), "type": Inner(type="type")}
    limits: dict[str, float] = {"$ref": 1.5}
    word: Words = Words.type
    number: Numbers = Numbers.default
    literal: Literal["type", "$ref"] = "$ref"
    extra: Annotated[int, Field(json_schema_extra={"x-more": {"$ref": "#/nowhere"}})] = 0


HOLDER = Holder()


class Failed(TaskError):
    definitions: str
    ref: int
    properties: dict[str, Inner]
    default: Words
    enum: Literal["$ref"] = "$ref"


def broker_with(**fields: object) -> Broker:
    """Return a broker whose tasks have all these names, with a model of these fields."""
    model = create_model("Model", __module__=__name__, **{name: (kind, ...) for name, kind in fields.items()})  # type: ignore[call-overload]
    broker = Broker("memory://")

    @broker.task(name="whole", raises=(Failed,))
    def whole(
        type: int, *items: Keyed, ref: Holder = HOLDER, default: dict[str, JsonValue] = DATA, **properties: Keyed
    ) -> None: ...

    namespace: dict[str, Any] = {}
    exec(f"def parameters({', '.join(fields)}): ...", namespace)  # noqa: S102 - the names are those above
    namespace["parameters"].__annotations__ = {**fields, "return": model}
    broker.task(name="parameters")(namespace["parameters"])
    return broker


def contract_with(**fields: object) -> Any:  # Any: JSON data
    return parse_contract(json.dumps(read_contract(broker_with(**fields)).as_json()))


def test_a_client_has_all_names_and_defaults(tmp_path: Path) -> None:
    """Given tasks with all these names, a generated client has the same contract and the same defaults."""
    broker = broker_with(**dict.fromkeys(NAMES, int))
    with imported(broker, tmp_path, "named_client") as client:
        assert comparable(contract_of_client(client)) == comparable(read_contract(broker).as_json())
        assert client.Holder().model_dump_json() == Holder().model_dump_json()


def test_schemas_keep_what_users_have_written() -> None:
    """Given defaults that look like schemas, they stand in JSON Schemas as they are, and the schemas take the values."""
    broker = broker_with(**dict.fromkeys(NAMES, int))
    schemas = json_schemas(broker, "#/$defs/{model}", "#/$defs/{model}")
    whole = cast("dict[str, Any]", schemas.arguments["whole"])  # Any: JSON data
    assert whole["properties"]["default"].get("default", DATA) == DATA
    schema = {**whole, "$defs": dict(schemas.argument_types)}
    keyed = {"$ref": 1, "$defs": "a", "$": 2, "type": "b", "properties": {"$ref": 1}}
    value = {"type": 1, "items": [keyed], "properties": {"$ref": keyed}, "ref": Holder().model_dump(mode="json")}
    jsonschema.Draft202012Validator(schema).validate(value)
    holder = next(one for name, one in schemas.argument_types.items() if name.endswith("Holder"))
    assert cast("Any", holder)["properties"]["data"]["default"] == DATA  # Any: JSON data


@pytest.mark.parametrize("name", NAMES)
def test_a_change_is_found_whatever_the_name(name: str) -> None:
    """Given another type of one field and parameter, it is found; and where nothing has changed, nothing is."""
    before = contract_with(**dict.fromkeys(NAMES, int))
    assert compare_contracts(before, before) == []
    changes = compare_contracts(before, contract_with(**{**dict.fromkeys(NAMES, int), name: list[str]}))
    assert {change.task for change in changes} == {"parameters"}
    assert any(name in (change.path or "") for change in changes)
