"""The tasks that the committed contract was written of."""

from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Generic, Literal, NamedTuple, TypeVar

from pydantic import BaseModel, Field
from typing_extensions import NotRequired, TypedDict

from typedtasks import Broker, TaskError

broker = Broker("memory://")


class Level(Enum):
    LOW = "low"
    HIGH = "high"


class Mood(Enum):
    GOOD = "good"
    BAD = "bad"


class Size(TypedDict):
    width: int
    height: NotRequired[int]


class Point(NamedTuple):
    x: int
    y: int = 0


class Gone(TaskError):
    id: int


class Line(BaseModel):
    price: int
    text: str = Field("", max_length=10)


class Order(BaseModel):
    id: int
    lines: list[Line]


@dataclass
class Answer:
    found: int
    level: Level


@broker.task(name="drift.same", raises=Gone)
async def same(order: Order, level: Level, size: Annotated[int, Field(ge=0)] = 1, *rest: str) -> Answer | None: ...


@broker.task(name="drift.widened")
async def widened(a: int) -> int:
    return a


@broker.task(name="drift.changed")
async def changed(a: int) -> int:
    return a


@broker.task(name="drift.added")
async def added(a: int) -> int:
    return a


@broker.task(name="drift.required")
async def required(a: int = 1) -> int:
    return a


@broker.task(name="drift.moved")
async def moved(a: int, b: int) -> int:
    return a


@broker.task(name="drift.keyword")
async def keyword(a: int) -> int:
    return a


@broker.task(name="drift.result")
async def result(a: int) -> int:
    return a


@broker.task(name="drift.failures", raises=Gone)
async def failures(a: int) -> int:
    return a


@broker.task(name="drift.queue", queue="fast")
async def queue(a: int) -> int:
    return a


@broker.task(name="drift.literal")
async def literal(a: Literal["a", "b"]) -> int:
    return 1


@broker.task(name="drift.ignored")
async def ignored(a: int) -> int:
    return a


@broker.task(name="drift.kinds")
async def kinds(a: Mood, b: Size, c: Point) -> None: ...


T = TypeVar("T")


class Box(TypedDict, Generic[T]):
    value: T


class Twice(NamedTuple("Twice", [("x", int)])):
    def twice(self) -> int:
        return 2 * self.x


class Text(str, Enum):
    ONE = 1
    TWO = "2"


class Planet(Enum):
    EARTH = "earth"

    def __init__(self, name: str) -> None:
        self._value_ = name.upper()


class Half(float, Enum):
    ALL = 1


class Hidden(TaskError):
    a: int
    _b: int = 3


@broker.task(name="drift.same_classes", raises=Hidden)
async def same_classes(a: Box[int], b: Box[Box[str]], c: Twice, d: Text, e: Planet, f: Half) -> None: ...


@broker.task(name="drift.same_kinds")
async def same_kinds(a: Level, b: Size, c: Point) -> tuple[Level, Size, Point]:
    return a, b, c


@broker.task(name="drift.inside")
async def inside(order: Order) -> Answer:
    raise NotImplementedError
