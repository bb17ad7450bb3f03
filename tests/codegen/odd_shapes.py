"""Shapes that a generator gets wrong easily: cycles, names that hide others, inherited generics, odd names of tasks."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import Flag, auto
from typing import Annotated, Generic, Literal, NamedTuple, NotRequired, Required, TypeVar

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, RootModel, StrictInt, conint, conlist, constr
from typing_extensions import Doc, TypeAliasType, TypedDict

from typedtasks import Broker, TaskError

broker = Broker("memory://")

T = TypeVar("T")


class Page(BaseModel, Generic[T]):
    items: list[T] = []


class User(BaseModel):
    name: str


class UserPage(Page[User]):
    total: conint(ge=0) = 0  # type: ignore[valid-type]  # pydantic makes it at run time


class A(BaseModel):
    b: B | None = None


class B(BaseModel):
    a: A | None = None
    many: list[C] = []


class C(BaseModel):
    a: A


class Hiding(BaseModel):
    list: int
    int: str = "x"
    other: dict[str, float] | None = Field(None, alias="x-id")


class Many(RootModel[list[T]], Generic[T]):
    pass


class Basis(TypedDict, total=False):
    x: Required[int]
    y: str


class Derived(Basis):
    z: NotRequired[float]


class Failed(TaskError):
    """Went wrong."""

    a: int


class FailedAgain(Failed):
    b: list[str] = []  # noqa: RUF012 - a field, which is copied


class Right(Flag):
    R = auto()
    W = auto()


class Strange(BaseModel):
    model_config = ConfigDict(str_strip_whitespace=True, title="Strange one", strict=True)

    a: constr(min_length=1, pattern="a+") = "aa"  # type: ignore[valid-type]  # pydantic makes it at run time
    b: conlist(int, min_length=1, max_length=3) = [1]  # type: ignore[valid-type]  # pydantic makes it at run time
    c: Annotated[int, Doc("a number"), "hello"] = Field(3, examples=[1, 2], gt=-5)
    d: Annotated[float, Field(le=float("inf"))] = float("inf")
    e: int | str | None = None
    f: Literal["x", 3] = 3
    g: Annotated[date, Field(ge=date(2020, 1, 1))] = date(2021, 1, 1)
    h: Right = Right.R | Right.W
    j: StrictInt = 1
    k: NonNegativeFloat = 0
    o: User = User(name="x")
    p: Page[int] | None = None


with warnings.catch_warnings(action="ignore"):

    class Shadowing(BaseModel):
        """Has fields in the places of methods that every model has."""

        json: str  # type: ignore[assignment]  # which pydantic allows
        copy: int = 3  # type: ignore[assignment]  # which pydantic allows
        validate: list[str] = []  # type: ignore[assignment]  # which pydantic allows
        T: float = 0.5


Maybe = TypeAliasType("Maybe", "User | None")


class Nothing(NamedTuple):
    """Holds nothing."""


@dataclass(slots=True)
class First:
    a: int
    _hidden: int = 0


@dataclass
class Second(First):
    b: list[User] = field(default_factory=list, kw_only=True)
    c: datetime = datetime(2020, 1, 1)


@broker.task(name="a/b-c.open", raises=FailedAgain)
def opened(
    user: UserPage,
    a: A,
    hiding: Hiding,
    many: Many[int],
    derived: Derived,
    maybe: Maybe,
    second: Second,
    *,
    strange: Strange | None = None,
    shadowing: Shadowing | None = None,
) -> Maybe:
    raise NotImplementedError


@broker.task(name="日本.class")
def japan(page: Page[Page[Maybe]]) -> list[tuple[User, Nothing]]:
    raise NotImplementedError


@broker.task(name="9lives")
def lives(from_: int, /, *args: Annotated[int, Field(ge=1)], cls: int = 1, **more: User) -> None:
    r"""Have a \d and a trailing quote\""""


@broker.task(name="x.handle", result_ttl=5)
def handle(a: int = 1_000_000, b: float = 1e300, c: str = "\x85\n\t'\"") -> list[Right] | None:
    """Have a name that every client has."""
