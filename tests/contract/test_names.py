"""Any name works: that of a field, a parameter or a key may be a key of pydantic's schemas."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import make_dataclass
from typing import Annotated, Any, Literal, NamedTuple, cast

import pydantic.dataclasses
import pytest
from pydantic import BaseModel, Field, create_model
from typing_extensions import TypedDict

from typedtasks.contract import Boundary, fingerprint

NAMES = (
    *("type", "ref", "cls", "definitions", "schema_ref", "fields", "config", "metadata", "serialization", "expected", "members"),
    *("function", "default", "choices", "steps", "items_schema", "keys_schema", "values_schema", "extras_schema", "return_schema"),
    *("json_schema", "python_schema", "lax_schema", "strict_schema", "arguments_schema", "computed_fields", "discriminator"),
    *("schema", "mode", "strict", "alias", "name", "required", "root_model", "post_init", "custom_init", "cls_name", "config_"),
)
# Any: each makes a class of its fields at run time.
KINDS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "model": lambda fields: cast("Any", create_model)("Made", **{name: (kind, ...) for name, kind in fields.items()}),
    "dataclass": lambda fields: make_dataclass("Made", fields.items()),
    "pydantic dataclass": lambda fields: pydantic.dataclasses.dataclass(make_dataclass("Made", fields.items())),
    "typed dict": lambda fields: cast("Any", TypedDict)("Made", fields),
    "named tuple": lambda fields: cast("Any", NamedTuple)("Made", list(fields.items())),
}


def boundary_of(**types: object) -> Boundary[object]:
    """Return the boundary of a task with these parameters, and a result of the type of the first."""
    namespace: dict[str, Any] = {}
    exec(f"def task({', '.join(types)}): ...", namespace)  # noqa: S102 - the names are those above
    namespace["task"].__annotations__ = {**types, "return": next(iter(types.values()))}
    return Boundary(namespace["task"], task="t")


@pytest.mark.filterwarnings("ignore:Field name")
@pytest.mark.parametrize("kind", KINDS)
def test_a_class_may_have_fields_of_any_name(kind: str) -> None:
    """Given a class of each kind with all these names, one inside another, its values make the round trip."""
    # Any: classes that are made here.
    inner: Any = KINDS[kind](dict.fromkeys(NAMES, int))
    outer: Any = KINDS[kind]({name: list[inner] if name != "type" else inner for name in NAMES})
    value = inner(**dict.fromkeys(NAMES, 1))
    whole = outer(**{name: [value] if name != "type" else value for name in NAMES})
    boundary = boundary_of(type=outer, schema=dict[str, outer])
    payload = boundary.encode_arguments((whole, {"type": whole}), {})
    assert boundary.decode_arguments(payload) == ((), {"type": whole, "schema": {"type": whole}})
    assert boundary.decode_result(boundary.encode_result(whole)) == whole


def test_parameters_may_have_any_name() -> None:
    """Given a task whose parameters are called like keys of schemas, it is called like any other."""
    boundary = boundary_of(**dict.fromkeys(NAMES, dict[str, int]))
    values = {name: {name: place} for place, name in enumerate(NAMES)}
    assert boundary.decode_arguments(boundary.encode_arguments((), values)) == ((), values)


def test_a_field_of_any_name_counts_in_the_hash() -> None:
    """Given two models that differ in the type of one field, their hashes differ, whatever it is called."""
    for name in ("type", "default", "metadata", "ref", "expected"):
        one, other = (boundary_of(value=create_model("M", **{name: (kind, ...)})) for kind in (int, str))  # type: ignore[call-overload]
        assert fingerprint(6, one.built_types()) != fingerprint(6, other.built_types())


class Cat(BaseModel):
    type: Literal["cat"]


class Dog(BaseModel):
    type: Literal["dog"]


def test_a_union_may_be_told_apart_by_the_field_type() -> None:
    """Given models with a tag called type, with and without a declared discriminator, each value arrives as what it was."""
    boundary = boundary_of(one=Annotated[Cat | Dog, Field(discriminator="type")], many=list[Cat | Dog])
    values = {"one": Cat(type="cat"), "many": [Dog(type="dog"), Cat(type="cat")]}
    assert boundary.decode_arguments(boundary.encode_arguments((), values)) == ((), values)
