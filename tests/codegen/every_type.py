"""A service whose tasks use every kind of type that a client can have."""

from __future__ import annotations

import ipaddress
from collections import Counter, OrderedDict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, Flag, IntEnum, IntFlag, StrEnum
from pathlib import Path, PurePosixPath
from typing import Annotated, Generic, Literal, NamedTuple, NewType, NotRequired, TypeVar
from uuid import UUID, uuid4

import pydantic
from pydantic import (
    UUID4,
    AfterValidator,
    AnyUrl,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    HttpUrl,
    JsonValue,
    PositiveInt,
    RootModel,
    StringConstraints,
    computed_field,
    field_validator,
)
from pydantic.alias_generators import to_camel
from typing_extensions import TypeAliasType, TypedDict

from tests.codegen.other_types import Config as OtherConfig
from tests.codegen.other_types import OutOfStock as OtherOutOfStock
from typedtasks import Broker, Secret, TaskError

broker = Broker("memory://")

T = TypeVar("T")
K = TypeVar("K")
OrderId = NewType("OrderId", int)
Sku = NewType("Sku", str)


class Color(Enum):
    """A colour."""

    RED = "red"
    GREEN = "green"
    CRIMSON = "red"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Size(StrEnum):
    SMALL = "s"
    LARGE = "l"


class Kind(str, Enum):
    A = "a"
    B = "b"


class Permission(Flag):
    READ = 1
    WRITE = 2
    BOTH = 3


class Mode(IntFlag):
    X = 1
    Y = 2


class Config(BaseModel):
    """Has the same name as a type of another module."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = "x"


class Tree(BaseModel):
    """Refers to itself.

    Has a docstring of "several" lines with a \\ backslash and \"\"\" quotes.
    """

    value: int
    children: list[Tree] = []
    parent: Tree | None = None


class Page(BaseModel, Generic[T]):
    items: list[T]
    next: int | None = None


class Both(BaseModel, Generic[T, K]):
    first: T
    second: K


class Cat(BaseModel):
    kind: Literal["cat"] = "cat"
    lives: int = 9


class Dog(BaseModel):
    kind: Literal["dog"]
    name: str


class Defaults(BaseModel):
    id: UUID = Field(default_factory=uuid4)
    tags: list[str] = Field(default_factory=list)
    names: set[str] = {"b", "a"}
    pair: tuple[int, str] = (1, "x")
    one: tuple[int] = (1,)
    many: tuple[int, ...] = ()
    by_day: dict[str, int] = {"mon": 1}
    color: Color = Color.RED
    colors: list[Color] = [Color.RED]
    permission: Permission = Permission.READ
    since: datetime = datetime(2020, 1, 2, tzinfo=UTC)
    day: date = date(2020, 1, 2)
    at: time = time(1, 2)
    wait: timedelta = timedelta(days=1, seconds=2)
    price: Decimal = Decimal("1.50")
    config: Config = Config(name="y")
    made: list[int] = Field(default_factory=lambda: [1, 2])
    order: OrderId = OrderId(7)
    orders: list[OrderId] = [OrderId(1)]
    note: str | None = None
    text: str = 'it\'s "quoted" \\ ü\n'
    raw: bytes = b"\x00\xff"
    ratio: float = 0.1
    on: bool = True
    home: Path = Path("/tmp/x")
    url: AnyUrl = AnyUrl("https://example.org/x")


class Aliased(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    first_name: str
    last_name: str = Field("x", description="The family's name.", title="Last")
    given: Annotated[int, Field(ge=1)] = Field(5, alias="theGiven", le=10)


class Constrained(BaseModel):
    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
    code: str = Field(pattern=r"^\d{3}\"'$", max_length=5)
    count: PositiveInt
    rate: Annotated[Decimal, Field(max_digits=5, decimal_places=2, ge=Decimal("0.5"))]
    step: Annotated[float, Field(multiple_of=0.5, allow_inf_nan=False)]
    few: Annotated[list[Annotated[int, Field(lt=3)]], Field(min_length=1, max_length=3)]
    later: Annotated[timedelta, Field(gt=timedelta(seconds=1))] = timedelta(seconds=2)


def looked_at(value: str) -> str:
    """Return a value as it is."""
    return value


class Checked(BaseModel):
    value: Annotated[str, AfterValidator(looked_at)]

    @field_validator("value")
    @classmethod
    def _check(cls, value: str) -> str:
        return value

    @computed_field  # type: ignore[prop-decorator]  # as pydantic has it
    @property
    def double(self) -> str:
        return self.value * 2


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, int] = Field(init=False)

    name: str


class Names(RootModel[list[str]]):
    """A list of names."""


class Forest(RootModel[dict[str, Tree]]):
    pass


@dataclass
class Point:
    """A point."""

    x: int
    y: int = 0
    labels: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Box(Generic[T]):
    content: T
    weight: float = 1.0


@pydantic.dataclasses.dataclass
class Sized:
    width: Annotated[int, Field(ge=0)]
    height: int = 1


class Address(TypedDict):
    """Where somebody lives."""

    street: str
    city: NotRequired[str]


class Loose(TypedDict, total=False):
    a: int
    b: Annotated[str, Field(min_length=1)]


Odd = TypedDict("Odd", {"content-type": str, "class": NotRequired[int]})


class Coordinates(NamedTuple):
    """Where something is."""

    latitude: float
    longitude: float = 0.0


Json = TypeAliasType("Json", "dict[str, Json] | list[Json] | int | None")
Ids = TypeAliasType("Ids", list[OrderId])


class OutOfStock(TaskError):
    """Nothing is left."""

    sku: Sku
    left: int = 0
    message: str = "nothing left"


class Silent(TaskError):
    pass


@broker.task(name="types.scalars", raises=OutOfStock)
async def scalars(
    a: datetime,
    b: date,
    c: time,
    d: timedelta,
    e: UUID,
    f: Decimal,
    g: Path,
    h: HttpUrl,
    i: bytes,
    j: AwareDatetime,
    k: UUID4,
    m: JsonValue,
    n: ipaddress.IPv4Address,
    o: PurePosixPath,
) -> tuple[int, str, None]:
    """Take one of each."""
    raise NotImplementedError


@broker.task(name="types.enums")
def enums(
    color: Color,
    level: Level = Level.LOW,
    *,
    size: Size,
    kind: Kind | None = None,
    permission: Permission = Permission.BOTH,
    mode: Mode = Mode.X | Mode.Y,
    one: Literal["a", 1, True, None] = None,
    favourite: Literal[Size.SMALL] = Size.SMALL,
) -> dict[Color, int]:
    raise NotImplementedError


@broker.task(name="types.models", raises=(OtherOutOfStock, Silent))
async def models(
    tree: Tree,
    /,
    config: Config,
    other: OtherConfig,
    *rest: Aliased,
    pet: Annotated[Cat | Dog, Field(discriminator="kind")],
    pets: list[Annotated[Cat | Dog, Field(discriminator="kind")]] = [],
    defaults: Defaults = Defaults(id=UUID(int=1)),
    constrained: Constrained,
    checked: Checked,
    names: Names,
    forest: Forest,
    **more: int,
) -> Page[Tree]:
    raise NotImplementedError


@broker.task(name="types.generics")
async def generics(
    page: Page[int], nested: Page[Page[OrderId]], both: Both[int, list[Color]], box: Box[Point], open: Open
) -> Both[Page[Tree], str | None]:
    raise NotImplementedError


@broker.task(name="types.structures", queue="slow", priority="high", timeout=5)
async def structures(
    self: Point,
    sized: Sized,
    address: Address,
    loose: Loose,
    odd: Odd,
    coordinates: Coordinates,
    json: Json,
    ids: Ids,
    order: OrderId = OrderId(1),
    sku: Sku | None = None,
    where: Coordinates = Coordinates(1.0),
) -> Address:
    raise NotImplementedError


@broker.task(name="types.containers")
async def containers(
    a: dict[UUID, int],
    b: dict[date, list[int]],
    c: set[int],
    d: frozenset[str],
    e: tuple[int, ...],
    f: tuple[str, int, list[bytes]],
    g: Sequence[int],
    h: Mapping[str, Decimal],
    i: deque[int],
    j: Counter[str],
    k: Secret[str],
    o: OrderedDict[str, int],
    m: dict[Size, int] | None = None,
    n: dict[int, str] = {},
) -> set[OrderId]:
    raise NotImplementedError


@broker.task(name="other.list")
async def nothing() -> None:
    """Do nothing: a task whose name is that of a builtin."""


@broker.task(name="more.models")
async def more_models(value: list[int]) -> list[str]:
    raise NotImplementedError
