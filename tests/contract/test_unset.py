"""Partial updates: what nobody set arrives unset, at any depth, and no value is lost for it."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, Literal, TypeVar

import pytest
from pydantic import BaseModel, ConfigDict, Field, RootModel, model_serializer, model_validator
from pydantic_core.core_schema import SerializerFunctionWrapHandler
from typing_extensions import TypedDict

from tests.contract.test_boundary import echo
from typedtasks.contract.codec import Codec

T = TypeVar("T")


class Patch(BaseModel):
    name: str = ""
    age: int | None = None
    tags: list[str] = []
    more: dict[str, int] = Field(default_factory=dict)
    words: list[str] = Field(default_factory=lambda: ["a"])


class Outer(BaseModel):
    patch: Patch
    patches: list[Patch] = []


class Box(BaseModel, Generic[T]):
    item: T
    size: int = 1


class Patches(RootModel[dict[str, Patch]]): ...


class Row(TypedDict):
    patch: Patch


class Unchecked(BaseModel):
    """Has a default that is not of its type, and a validator that makes it read back what it writes."""

    price: float = 0
    name: str = ""

    @model_validator(mode="after")
    def _check(self) -> Unchecked:
        return self


class Spelled(BaseModel):
    model_config = ConfigDict(alias_generator=str.upper, populate_by_name=True)
    size: int = 1
    name: str = ""


class CatPatch(BaseModel):
    kind: Literal["cat"] = "cat"
    name: str = ""
    lives: int = 9


class DogPatch(BaseModel):
    kind: Literal["dog"] = "dog"
    name: str = ""
    status: Literal["good", "bad"] = "good"


class Made(BaseModel):
    id: uuid.UUID = Field(default_factory=uuid.uuid4)
    at: datetime = Field(default_factory=lambda: datetime.now(UTC))
    double: int = Field(default_factory=lambda data: len(data["at"].isoformat()))
    name: str = ""


class Wrapped(BaseModel):
    name: str = ""
    age: int = 0

    @model_serializer(mode="wrap")
    def _write(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:  # Any: pydantic's own signature
        written = write(self)
        return {**written, "name": written["name"]}


def changed_in_place() -> Patch:
    """Return a patch whose tags nobody set, but added to."""
    patch = Patch(name="x")
    patch.tags.append("new")
    patch.words.append("b")
    return patch


@pytest.mark.parametrize(
    ("hint", "value"),
    [
        (Patch, Patch(name="x")),
        (Patch, Patch()),
        (Patch, Patch(age=None)),
        (Patch, Patch(name="", tags=[])),
        (list[Patch], [Patch(age=1), Patch()]),
        (dict[str, Patch], {"a": Patch(more={"a": 1})}),
        (Patch | None, Patch(name="x")),
        (Patch | list[Patch], [Patch(name="x")]),
        (Outer, Outer(patch=Patch(age=3))),
        (Outer, Outer(patch=Patch(), patches=[Patch(name="y")])),
        (Box[Patch], Box[Patch](item=Patch(name="x"))),
        (Patches, Patches({"a": Patch(age=None)})),
        (Row, {"patch": Patch(name="x")}),
        (Spelled, Spelled(name="x")),
        (Unchecked, Unchecked(name="x")),
        (tuple[Patch, int], (Patch(name="x"), 1)),
    ],
    ids=repr,
)
def test_what_is_unset_arrives_unset(hint: object, value: object) -> None:
    """So `model_dump(exclude_unset=True)` overwrites nothing."""
    boundary = echo(hint)
    dump = Codec(hint)
    (arrived,) = boundary.decode_arguments(boundary.encode_arguments((value,), {}))[1].values()
    for one in (arrived, boundary.decode_result(boundary.encode_result(value))):
        assert one == value
        assert _dumped(one) == _dumped(value)
    assert dump.encode(arrived) == dump.encode(value)


def _dumped(value: object) -> object:
    if isinstance(value, BaseModel):
        return (sorted(value.model_fields_set), value.model_dump(exclude_unset=True))
    if isinstance(value, dict):
        return {key: _dumped(one) for key, one in value.items()}
    return [_dumped(one) for one in value] if isinstance(value, list | tuple) else value


def test_a_default_that_was_changed_in_place_or_is_made_anew_is_sent() -> None:
    """The value wins; what else is unset stays so, and the given instance is not touched."""
    codec = Codec(Patch)
    given = changed_in_place()
    arrived = codec.decode(codec.encode(given))
    assert arrived == given
    assert isinstance(arrived, Patch)
    assert arrived.model_fields_set == {"name", "tags", "words"}
    assert given.model_fields_set == {"name"}

    made = Made()
    again = Codec(Made).decode(Codec(Made).encode(made))
    assert again == made
    assert isinstance(again, Made)
    assert again.model_fields_set == {"id", "at", "double"}


@pytest.mark.parametrize("hint", [Annotated[CatPatch | DogPatch, Field(discriminator="kind")], CatPatch | DogPatch])
def test_what_tells_the_members_of_a_union_apart_is_always_sent(hint: object) -> None:
    """Without it nobody could read the message. All else stays unset."""
    codec = Codec(hint)
    given = DogPatch(name="x")
    arrived = codec.decode(codec.encode(given))
    assert arrived == given
    assert isinstance(arrived, DogPatch)
    assert arrived.model_fields_set == {"kind", "name"}
    assert given.model_fields_set == {"name"}
    assert codec.encode(CatPatch()) == b'{"kind":"cat"}'


def test_a_serializer_of_a_whole_model_finds_all_its_fields() -> None:
    """It gets them as a dictionary, and counts on them."""
    assert Codec(Wrapped).encode(Wrapped()) == b'{"name":"","age":0}'


class Deep(BaseModel):
    patch: Patch | None = None
    next: Deep | None = None


def test_a_model_inside_a_default_is_looked_into() -> None:
    """Also where models contain themselves."""
    codec = Codec(Deep)
    given = Deep(next=Deep(patch=Patch(age=2)))
    assert codec.encode(given) == b'{"next":{"patch":{"age":2}}}'
    arrived = codec.decode(codec.encode(given))
    assert arrived == given
