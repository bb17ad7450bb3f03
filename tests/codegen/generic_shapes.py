"""Generic types of every kind, and shapes whose names or values get in the way of something."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import date
from enum import KEEP, Enum, Flag, StrEnum
from typing import Annotated, Generic, Literal, NamedTuple, NewType

from pydantic import BaseModel, Field, RootModel
from pydantic.dataclasses import dataclass as pydantic_dataclass
from typing_extensions import TypeAliasType, TypedDict, TypeVar

from typedtasks import Broker

broker = Broker("memory://")

T = TypeVar("T")
K = TypeVar("K", bound=str | int)
Number = TypeVar("Number", int, float)
Unit = TypeVar("Unit", default=str)


class Animal(BaseModel):
    name: str


class Bird(Animal):
    can_fly: bool = True


AnyAnimal = TypeVar("AnyAnimal", bound="Animal")


class Cage(BaseModel, Generic[AnyAnimal]):
    """Its bound is a class of the service."""

    inside: list[AnyAnimal]


class Chain(BaseModel, Generic[T]):
    """Refers to itself with its own parameter."""

    value: T
    next: Chain[T] | None = None


class Measure(BaseModel, Generic[Number, Unit]):
    amount: Number
    unit: Unit


class Keyed(BaseModel, Generic[K, T]):
    key: K
    value: T
    more: dict[str, list[T]] = {}


class Holder(BaseModel):
    """Has defaults of generic types."""

    chain: Chain[int] = Chain[int](value=1)
    keyed: Keyed[str, int] = Field(default_factory=lambda: Keyed[str, int](key="a", value=1))
    queue: deque[int] = deque([1, 2])


class Pair(NamedTuple, Generic[T]):
    """A pair."""

    first: T
    second: T | None = None


@dataclass
class Crate(Generic[T]):
    content: T
    spare: list[T] = field(default_factory=list)


@pydantic_dataclass
class Tray(Generic[T]):
    content: Annotated[list[T], Field(max_length=3)]


class Row(TypedDict, Generic[T]):
    cells: list[T]


class Rows(RootModel[list[Row[T]]], Generic[T]):
    pass


def narrower() -> type[BaseModel]:
    """Return a generic class whose type parameter has the name of another one."""
    T = TypeVar("T", bound=int)

    class Narrow(BaseModel, Generic[T]):
        value: T

    return Narrow[int]


Table = TypeAliasType("Table", dict[date, list[T]], type_params=(T,))
Nested = TypeAliasType("Nested", "dict[str, Nested[T]] | T", type_params=(T,))
Meters = NewType("Meters", float)
Distances = TypeAliasType("Distances", Annotated[list[Meters], Field(max_length=4)])


class SortBy(StrEnum):
    """Has members with the names of attributes and methods."""

    name = "name"
    value = "value"
    title = "title"  # type: ignore[assignment]  # which Python allows


class Bits(Flag, boundary=KEEP):
    ONE = 1
    TWO = 2


class Rating(Enum):
    GOOD = 1
    FAIR = 0.5
    UNKNOWN = "?"
    NONE = None


class Match(NamedTuple):
    """Has fields with the names of methods."""

    count: int  # type: ignore[assignment]  # which Python allows
    index: int = 0  # type: ignore[assignment]  # which Python allows


class Square(BaseModel):
    shape: Literal["square"] = "square"
    side: float


class Circle(BaseModel):
    shape: Literal["circle"] = "circle"
    radius: float


Shape = TypeAliasType("Shape", Annotated[Square | Circle, Field(discriminator="shape")])


@broker.task(name="generic.models")
async def models(
    cage: Cage[Bird],
    chain: Chain[int],
    measure: Measure[int, str],
    bare: Measure[float],
    keyed: Keyed[int, Chain[str]],
    holder: Holder,
    narrow: narrower(),  # type: ignore[valid-type]  # made at run time
) -> Keyed[str, Chain[Bird]]:
    raise NotImplementedError


@broker.task(name="generic.others")
def others(
    pair: Pair[int],
    crate: Crate[Pair[str]],
    tray: Tray[int],
    row: Row[date],
    rows: Rows[int],
    table: Table[int],
    nested: Nested[int],
    distances: Distances,
    pairs: list[Pair[Meters]] | None = None,
) -> Table[Pair[Bits]]:
    raise NotImplementedError


@broker.task(name="odd.names")
def odd(
    sort: SortBy,
    bits: Bits,
    rating: Rating,
    match: Match,
    shape: Shape,
    _typing: int = 1,
    typing: str = "",
    *,
    by: SortBy = SortBy.name,
    shapes: dict[str, list[Shape]] | None = None,
) -> tuple[Shape, Rating]:
    raise NotImplementedError
