"""What can travel, and what cannot."""

import enum
import threading
import uuid
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from ipaddress import IPv4Address
from pathlib import Path
from typing import Annotated, Any, Final, Generic, Literal, NamedTuple, NewType, Optional, Protocol, TypeVar

from pydantic import AnyUrl, BaseModel, EmailStr, Field, GetCoreSchemaHandler, JsonValue, PlainSerializer, PlainValidator, SecretStr
from pydantic_core import core_schema
from typing_extensions import TypedDict

from typedtasks import Broker, Secret, TaskError

broker = Broker("memory://")
T = TypeVar("T")
UserId = NewType("UserId", int)


class Growing(BaseModel, Generic[T]):
    item: T
    more: "Growing[list[T]] | None" = None


class Change(BaseModel, Generic[T]):
    before: T
    after: T


class Update(BaseModel, arbitrary_types_allowed=True):
    secret: "Change[Plain]"
    name: Change[str]
    age: Change[int]
    score: Change[float]
    active: Change[bool]
    day: Change[date]
    tags: Change[list[str]]


Sign = Literal[-1, 1]
Signs = tuple[int, *tuple[Optional[Literal[-1]], ...]]


class Signed(BaseModel, arbitrary_types_allowed=True):
    sign: Annotated[Literal[-1], Field()]
    signs: list[Literal[-1]] | list[Plain]


class Data(TypedDict, Generic[T]):
    value: T


@dataclass
class GrowingData(Generic[T]):
    one: "GrowingData[Data[T]] | None"
    two: "GrowingData[Callable[[T], int]] | None"
    three: "GrowingData[type[T]] | None"


class Level(enum.Enum):
    LOW = "low"
    HIGH = "high"


class Tone(enum.StrEnum):
    LOW = "low"


class Pair(enum.Enum):
    BOTH = (1, 2)


class Plain: ...


PlainId = NewType("PlainId", Plain)


class Speaks(Protocol):
    def speak(self) -> str: ...


class WithSchema:
    @classmethod
    def __get_pydantic_core_schema__(cls, source: type, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.str_schema()


Converted = Annotated[Plain, PlainValidator(lambda text: Plain()), PlainSerializer(lambda plain: "x")]


class Page(BaseModel, Generic[T]):
    items: list[T]
    next: "Page[T] | None" = None


class Order(BaseModel):
    id: uuid.UUID
    lines: list[tuple[str, int]]
    converted: Annotated[Plain, PlainValidator(lambda text: Plain()), PlainSerializer(lambda plain: "x")]

    model_config = {"arbitrary_types_allowed": True}


class Hook(BaseModel):
    then: Callable[[], None]


@dataclass
class Point:
    x: int
    y: int = field(default=0)


@dataclass
class Deep:
    hooks: dict[str, Hook]


class Movie(TypedDict):
    title: str
    year: int


class Locked(TypedDict):
    lock: Plain


class Named(NamedTuple):
    a: int
    b: str


@broker.task
async def right(
    a: int | float | None,
    b: list[dict[str, set[date]]],
    c: Page[Order],
    d: Point,
    e: Movie,
    f: Named,
    g: Level,
    h: Literal["a", 1, None, Tone.LOW],
    i: UserId,
    j: JsonValue,
    k: Secret[str],
    l: WithSchema,
    m: Converted,
    n: Annotated[Plain, PlainValidator(lambda text: Plain()), PlainSerializer(lambda plain: "x")],
    o: dict[date, Decimal],
    p: dict[Level, timedelta],
    q: tuple[int, ...],
    r: Sequence[Path] | Mapping[str, IPv4Address],
    s: deque[int] | None,
    t: Counter[str],
    u: OrderedDict[str, bytes],
    v: AnyUrl,
    w: EmailStr,
    x: dict[Literal["a", "b"], uuid.UUID],
    y: Optional[datetime],
    *args: bytes,
    **kwargs: bool,
) -> Page[int] | None: ...


@broker.task
async def wrong(  # E: typedtasks-portable
    a: object,  # E: typedtasks-portable
    b: list[Any],  # E: typedtasks-portable
    c: Plain,  # E: typedtasks-portable
    d: Callable[[int], str],  # E: typedtasks-portable
    e: type[int],  # E: typedtasks-portable
    f: Iterable[int],  # E: typedtasks-portable
    g: threading.Lock,  # E: typedtasks-portable
    h: SecretStr,  # E: typedtasks-portable
    i: PlainId,  # E: typedtasks-portable
    j: Speaks,  # E: typedtasks-portable
    k: Page[Plain],  # E: typedtasks-portable
    l: Deep,  # E: typedtasks-portable
    m: dict[tuple[int, int], str],  # E: typedtasks-portable
    n: dict[Point, str],  # E: typedtasks-portable
    o: str | date,  # E: typedtasks-portable
    p: list[int] | set[int],  # E: typedtasks-portable
    q: Literal[b"x"],  # E: typedtasks-portable
    r: Pair,  # E: typedtasks-portable
    s: Locked,  # E: typedtasks-portable
    t: tuple[int, Plain],  # E: typedtasks-portable
    *args: Plain,  # E: typedtasks-portable
    **kwargs: object,  # E: typedtasks-portable
) -> Plain:
    raise NotImplementedError


@broker.task
async def twice(  # E: typedtasks-portable
    a: Plain,  # E: typedtasks-portable
    b: Deep,  # E: typedtasks-portable
    c: Deep,  # E: typedtasks-portable
) -> Plain:
    raise NotImplementedError


@broker.task
async def growing(a: Growing[int], b: Growing[Plain]) -> None: ...  # E: typedtasks-portable


@broker.task
async def update(
    a: Update,  # E: typedtasks-portable
    b: Change[Change[Change[Change[Change[Change[Change[Plain]]]]]]],  # E: typedtasks-portable
) -> None: ...


@broker.task
async def signs(a: Sign, b: Signs, c: Annotated[Sign | None, Field()], *d: Annotated[tuple[int, *tuple[int, ...]], 3]) -> None: ...


@broker.task
async def bad_signs(
    a: dict[Literal[-1], Plain],  # E: typedtasks-portable
    b: Signed,  # E: typedtasks-portable
    c: GrowingData[int],
    d: Annotated[Literal["Converted", "DbDep"], Field()],
) -> None: ...


class Number(enum.IntEnum):
    ONE = 1


class Name(str, enum.Enum):
    ONE = "one"


class Text(str, enum.Enum):
    ONE = 1


class Key(str):
    MAX: Final = 64

    @classmethod
    def __get_pydantic_core_schema__(cls, source: type, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(cls, core_schema.str_schema())


class Mixin:
    call: Callable[[], int]


class Sent(Mixin, TaskError):
    a: int
    _cache: dict[str, object]


@dataclass
class ByPlace:
    a: int
    _: KW_ONLY
    b: int


@broker.task(raises=Sent)
async def fine(a: dict[Text, int], b: dict[Key, int], c: OrderedDict[Name, int], d: ByPlace) -> None: ...


class Unsendable(TaskError):
    why: Plain


class Sendable(TaskError):
    why: Page[int]


@broker.task(raises=(Sendable, Unsendable))
async def more(  # E: typedtasks-portable
    b: BaseModel,  # E: typedtasks-portable
    c: dict[Number, int],  # E: typedtasks-portable
    o: OrderedDict[Number, int],  # E: typedtasks-portable
    d: dict[Name, int],
) -> None: ...


@broker.task
async def generic(a: T) -> T:  # E: typedtasks-portable typedtasks-portable
    return a
