"""Classes that do not carry their schemas are made once, and are the same then as if they were made for each type."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field, make_dataclass
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypeVar

import pydantic.dataclasses
import pytest
from pydantic import BaseModel, ConfigDict, Discriminator, Field, GetCoreSchemaHandler, Tag, field_validator
from pydantic.errors import PydanticSchemaGenerationError
from pydantic_core import CoreSchema, core_schema
from typing_extensions import TypeAliasType, TypedDict

from typedtasks.contract import fingerprint, generation
from typedtasks.contract.codec import Codec

T = TypeVar("T")


@dataclass
class Plain:
    text: str
    data: bytes = b""


class Words(TypedDict, total=False):
    kind: Literal["words"]
    plain: Plain


class Pair(NamedTuple):
    plain: Plain
    words: Words | None = None


@dataclass
class Tree:
    pair: Pair
    branches: list[Tree] = field(default_factory=list)
    leaf: Plain | None = None


@dataclass
class Left:
    right: Right | None = None
    kind: Literal["left"] = "left"


@dataclass
class Right:
    left: Left | None = None
    kind: Literal["right"] = "right"


@dataclass
class Box(Generic[T]):
    inside: T
    plain: Plain


class Stripping(TypedDict):
    __pydantic_config__ = ConfigDict(str_strip_whitespace=True)  # type: ignore[misc]  # as pydantic wants it
    plain: Plain
    pair: Pair


@pydantic.dataclasses.dataclass(config=ConfigDict(str_to_upper=True))
class Upper:
    plain: Plain
    words: Words


@dataclass
class Derived(Upper):
    pair: Pair | None = None


@pydantic.dataclasses.dataclass(config=ConfigDict(str_to_upper=True))
class UpperBox(Generic[T]):
    inside: T
    plain: Plain


class Model(BaseModel):
    model_config = ConfigDict(str_to_lower=True)
    plain: Plain
    plains: list[Plain] = []
    pair: Pair


class Deferred(BaseModel):
    model_config = ConfigDict(str_to_lower=True, defer_build=True)
    plain: Plain


@dataclass
class Shouting:
    plain: Plain

    @classmethod
    def __get_pydantic_core_schema__(cls, source: type, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(lambda value: value, handler(source))


@dataclass
class Checked:
    plain: Plain
    size: int

    @field_validator("size")
    @classmethod
    def check(cls, size: int) -> int:
        return size


Alias = TypeAliasType("Alias", "list[Plain] | dict[str, Alias]")
TYPES: list[Any] = [  # Any: annotations of every form
    *(
        Plain,
        Words,
        Pair,
        Tree,
        Left,
        Right,
        Box[int],
        Box[Plain],
        Box[Annotated[int, Field(gt=0)]],
        Box[Annotated[int, Field(gt=5)]],
    ),
    *(
        Stripping,
        Upper,
        Derived,
        UpperBox[Plain],
        Model,
        Deferred,
        Shouting,
        Checked,
        Alias,
        list[Plain],
        Sequence[Plain],
        dict[str, Pair],
    ),
    *(Plain | None, Words | Pair | int, Left | Right, list[Tree], Annotated[list[Plain], Field(max_length=2)]),
    *(
        Annotated[Words, Field(strict=True)],
        Annotated[Pair, Field(max_length=1)],
        tuple[Plain, Model],
        tuple[Model, Plain],
        tuple[Stripping, Plain],
        tuple[Plain, Upper],
    ),
    *(Annotated[Left | Right, Field(discriminator="kind")], list[Annotated[Left | Right, Field(discriminator="kind")]]),
    Annotated[Annotated[Left, Tag("left")] | Annotated[Right, Tag("right")], Discriminator(lambda value: value["kind"])],
    tuple[Shouting, Model, Box[Tree], UpperBox[Pair]],
]
WRITTEN = [
    b'{"text":" aB "}',
    b'{"text":"a","more":1}',
    b'{"plain":{"text":" aB ","data":"YQ=="}}',
    b'{"plain":{"text":" aB "},"pair":[{"text":" cD "}]}',
    b'{"plain":{"text":" aB "},"words":{"plain":{"text":" cD "}}}',
    b'{"inside":7,"plain":{"text":" aB "}}',
    b'{"inside":1,"plain":{"text":" aB "}}',
    b'{"inside":{"text":"x"},"plain":{"text":" aB "}}',
    b'{"pair":[{"text":" aB "}],"branches":[{"pair":[{"text":"c"}],"leaf":{"text":"d"}}]}',
    b'{"kind":"left","right":{"left":{}}}',
    b'{"kind":"right"}',
    b'[{"text":" aB "}]',
    b'[{"text":" aB "},{"plain":{"text":" aB "},"pair":[{"text":" cD "}]}]',
    b'[{"plain":{"text":" aB "},"pair":[{"text":" cD "}]},{"text":" aB "}]',
    b'[{"text":" aB "},{"plain":{"text":" aB "},"words":{"plain":{"text":" cD "}}}]',
]


def told(codec: Codec) -> tuple[object, ...]:
    """Return what a codec says of its type, and of values."""
    arrived: list[object] = []
    for written in WRITTEN:
        try:
            value = codec.decode(written)
            arrived.append((value, codec.encode(value)))
        except ValueError as error:
            arrived.append(str(error))
    return fingerprint(20, [codec.built]), codec._schemas.facts, arrived


def name(type: object) -> str:
    return str(type).replace("tests.contract.test_generation.", "").replace(f"{__name__}.", "")[:60]


@pytest.mark.parametrize("type", TYPES, ids=name)
def test_a_type_is_the_same_whatever_is_known_already(type: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given every other type before, a type takes the values that it takes alone, and has the same contract."""
    monkeypatch.setattr(generation, "_known", weakref.WeakValueDictionary())
    alone = told(Codec(type))
    others = [Codec(other) for other in TYPES if other is not type]
    assert told(Codec(type)) == alone
    monkeypatch.setattr(generation, "_known", weakref.WeakValueDictionary())
    others = [Codec(other) for other in reversed(TYPES)]
    assert told(Codec(type)) == alone
    assert others


def test_known_classes_are_forgotten_with_what_uses_them() -> None:
    """Given a class that no codec uses any more, it is collected, and another one of that name is made anew."""
    for annotation in (int, str):
        cls = make_dataclass("Same", [("value", annotation)])
        codec = Codec(cls)
        value = cls(annotation(1))
        assert codec.decode(codec.encode(value)) == value
        dead = weakref.ref(cls)
        del cls, codec, value
        gc.collect()
        assert dead() is None


def test_what_cannot_be_made_says_the_same_with_known_classes() -> None:
    """Given known classes, the error is pydantic's own about the type, and no word of what was put around it."""
    codec = Codec(Plain)
    odd: Any = type("Odd", (), {})  # Any: no checker knows it
    with pytest.raises(PydanticSchemaGenerationError, match=r"Unable to generate pydantic-core schema for <class '.*Odd'"):
        Codec(tuple[Plain, odd])
    assert codec.decode(b'{"text":"a"}') == Plain("a")
