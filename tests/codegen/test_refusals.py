"""What no client can have is refused with the task, the parameter and the reason; never a wrong stub."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

import pytest
from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    FilePath,
    GetCoreSchemaHandler,
    PlainSerializer,
    Tag,
    create_model,
    field_serializer,
    model_serializer,
)
from pydantic_core import CoreSchema, core_schema

from typedtasks import Broker
from typedtasks_codegen import GenerationError, package_files

Bounded = TypeVar("Bounded", bound=int)
OneOf = TypeVar("OneOf", int, str)


class Now(BaseModel):
    at: datetime = Field(default_factory=lambda: datetime.now(UTC))


class Counter:
    """Counts."""

    value = 0

    @classmethod
    def next(cls) -> int:
        """Return another number each time."""
        cls.value += 1
        return cls.value


class Numbered(BaseModel):
    number: int = Field(default_factory=Counter.next)


class Serialized(BaseModel):
    value: int

    @field_serializer("value")
    def _write(self, value: int) -> int:
        return value


class Whole(BaseModel):
    value: int

    @model_serializer
    def _write(self) -> dict[str, int]:
        return {"value": self.value}


class Celsius:
    """A class with a core schema of its own."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(
            lambda value: cls(), core_schema.float_schema(), serialization=core_schema.plain_serializer_function_ser_schema(float)
        )


class Ranged(BaseModel, Generic[Bounded]):
    value: Bounded


class Bare(BaseModel):
    inside: Ranged[int] | None = None
    chosen: Chosen  # type: ignore[type-arg]  # the missing argument is the point


class Chosen(BaseModel, Generic[OneOf]):
    value: OneOf


class Thing(BaseModel):
    pass


class Hidden(BaseModel):
    Thing: Thing


Keyword = create_model("Keyword", **{"class": (int, ...)})  # type: ignore[call-overload]  # made at run time


class Encoded(BaseModel):
    model_config = ConfigDict(use_enum_values=True)

    value: int


class Complex(complex, Enum):
    ONE = 1


class One(BaseModel):
    kind: int


class Two(BaseModel):
    kind: str
    two: int


@dataclasses.dataclass
class Initial:
    x: int
    y: dataclasses.InitVar[int] = 0

    def __post_init__(self, y: int) -> None:
        self.x += y


class Swapped(BaseModel):
    data: dict[str, int] = Field(default_factory=lambda: {"a": Counter.next()})


Doubled = Annotated[int, PlainSerializer(lambda value: value * 2, return_type=int)]
Either = Annotated[Annotated[One, Tag("1")] | Annotated[Two, Tag("2")], Discriminator(lambda value: "1")]


@pytest.mark.parametrize(
    ("annotation", "reason"),
    [
        (Now, "the field 'at': its default factory '<lambda>' may give another value each time"),
        (Numbered, "the field 'number': its default factory 'next' may give another value each time"),
        (Swapped, "the field 'data': its default factory '<lambda>' may give another value each time"),
        (Serialized, "its serializer _write decides what goes over the wire"),
        (Whole, "its serializer _write decides what goes over the wire"),
        (Doubled, "a serializer of the service decides what goes over the wire"),
        (Celsius, "the generator does not know such a class"),
        (list[Celsius], "the generator does not know such a class"),
        (Bare, "Bare: the field 'chosen': Chosen has the type parameter OneOf; say what it stands for, as in Chosen[int]"),
        (Hidden, "a field has the name of the type Thing that it needs; rename one of them"),
        (Keyword, "the field 'class' is no Python name; give it another one, with this one as its alias"),
        (Encoded, "its configuration has use_enum_values=True"),
        (FilePath, "it is checked against the files of the machine"),
        (Either, "a Tag belongs to a function that tells the members apart"),
        (Initial, "an InitVar is no field"),
        (Annotated[Annotated[int, Field(gt=1)], Field(gt=2)], "gt is given twice, as 1 and 2"),
        (complex, "the generator does not know such a class"),
    ],
)
def test_a_type_that_no_client_can_have_is_refused(annotation: object, reason: str) -> None:
    """In a parameter and in a result alike."""
    broker = Broker("memory://")

    def task(value: Any) -> None:
        """Take a value."""

    task.__annotations__["value"] = annotation
    broker.task(name="some.task")(task)
    with pytest.raises(GenerationError) as caught:
        package_files(broker, "app:broker", "client")
    assert str(caught.value).startswith("some.task")
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("factory", "is_pure"),
    [
        (list, True),
        (dict, True),
        (uuid.uuid4, True),
        (lambda: [1, 2], True),
        (lambda: Path("/x"), True),
        (lambda: datetime(2020, 1, 1, tzinfo=UTC), True),
        (lambda: datetime.now(), False),
        (lambda: Path.cwd(), False),
        (lambda: [item + 1 for item in (1, 2)], False),
        (datetime.now, False),
        (object, False),
    ],
)
def test_a_default_factory_travels_only_where_it_gives_the_same_value_every_time(
    factory: Callable[[], object], is_pure: bool
) -> None:
    """Decided by the names that it uses; trying it twice proves nothing about tomorrow."""
    from typedtasks_codegen.defaults import is_repeatable

    assert is_repeatable(factory) is is_pure


def test_a_broker_without_tasks_is_refused() -> None:
    """It is most often a module of tasks that nobody imported."""
    with pytest.raises(GenerationError, match="app:broker has no task"):
        package_files(Broker("memory://"), "app:broker", "client")


def nothing() -> None:
    """Do nothing."""
