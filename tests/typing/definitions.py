"""Definitions of tasks made at random: what is written, and what the library says of each when it is imported."""

from __future__ import annotations

import random
import re
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Final

__all__ = ["definitions", "module_of", "refused"]

_CLASSES: Final = """
import collections, enum, fractions, ipaddress, pathlib, re, uuid, zoneinfo
import collections.abc as abc
import datetime as dt
import decimal
from dataclasses import dataclass
from typing import Annotated, Any, Generic, Literal, LiteralString, NamedTuple, Never, NewType, NoReturn, Optional, TypeVar

import pydantic
from pydantic import BaseModel, HttpUrl, Json, JsonValue, PositiveInt, RootModel, SecretStr, StrictInt, UUID4
from typing_extensions import TypedDict

from typedtasks import Broker, Secret, TaskError

broker = Broker("memory://")
T = TypeVar("T")


class Color(enum.Enum):
    RED = "r"
    BLUE = "b"


class Level(enum.Enum):
    LOW = 1
    HIGH = 2


class Both(enum.Enum):
    PAIR = (1, 2)


class Text(enum.StrEnum):
    RED = "r"


class Number(enum.IntEnum):
    ONE = 1


class Model(BaseModel):
    x: int


class Page(BaseModel, Generic[T]):
    item: T


@dataclass
class Point:
    y: int


class Movie(TypedDict):
    title: str


class Named(NamedTuple):
    a: int


class Plain: ...


class Missing(TaskError):
    why: str


Whole = RootModel[int]
UserId = NewType("UserId", int)
Login = NewType("Login", str)
"""
_NAMES: Final = """
    int str bool float bytes None dt.date dt.datetime dt.time dt.timedelta uuid.UUID decimal.Decimal pathlib.Path
    fractions.Fraction ipaddress.IPv4Address re.Pattern[str] zoneinfo.ZoneInfo complex range bytearray
    Color Level Both Text Number Model Page[int] Page[Any] Page[Plain] Point Movie Named Plain Missing TaskError Whole UserId Login
    Any object type Never NoReturn LiteralString Literal['r'] Literal['x'] Literal[1,2] Literal[True] Literal[b'x']
    Literal[Color.RED] Literal[Text.RED] Json[int] JsonValue SecretStr Secret[str] HttpUrl UUID4 PositiveInt StrictInt
    BaseModel type[int] abc.Hashable abc.Callable[[],int] abc.Awaitable[int] abc.Coroutine[Any,Any,int]
    abc.Iterator[int] abc.Iterable[int] abc.Generator[int,None,None]
"""
_FORMS: Final = (
    *("list[{0}]", "set[{0}]", "frozenset[{0}]", "tuple[{0}, ...]", "tuple[{0}, {1}]", "collections.deque[{0}]", "Optional[{0}]"),
    *("dict[str, {0}]", "dict[{0}, int]", "{0} | {1}", "{0} | None", "{0} | str | int", "Page[{0}]", "Annotated[{0}, 'a note']"),
    *("abc.Sequence[{0}]", "abc.Mapping[{0}, {1}]", "abc.Set[{0}]", "abc.Collection[{0}]", "collections.OrderedDict[{0}, {1}]"),
    *("list[{0}] | tuple[{1}, ...]", "list[{0}] | list[{1}]", "list[{0}] | dict[str, {1}]", "dict[str, {0}] | dict[str, {1}]"),
)
_ONLY_IN_SOURCE: Final = re.compile("LiteralString|Json")
"""What mypy takes for another type: the plugin reads it again in the annotations of tasks, and not in those of fields."""
_FIELDS: Final = (
    "class Field{n}(BaseModel):\n    field: {type}\n",
    "@dataclass\nclass Field{n}:\n    field: {type}\n",
    "class Field{n}(TypedDict):\n    field: {type}\n",
    "class Field{n}(NamedTuple):\n    field: {type}\n",
)


def definitions(seed: int, count: int) -> list[str]:
    """Return the source of tasks, each to be read behind the classes of `module_of`: of all simple types, then of random ones."""
    chance = random.Random(seed)
    types = [*_NAMES.split(), *_random_types(chance, count)]
    return [_task(number, type, chance) for number, type in enumerate(dict.fromkeys(types))]


def module_of(tasks: list[str]) -> str:
    """Return the whole module."""
    return "\n".join([_CLASSES, *tasks])


def refused(tasks: list[str]) -> list[str]:
    """Return for each task what the library, or pydantic before it, says against it; nothing where it is a task."""
    module = ModuleType("definitions_at_random")
    sys.modules[module.__name__] = module
    try:
        _execute(_CLASSES, module)
        return [_refusal(task, f"task{number}", module) for number, task in enumerate(tasks)]
    finally:
        del sys.modules[module.__name__]


def _execute(text: str, module: ModuleType) -> None:
    # Without dont_inherit the annotations would be strings, as they are in this file.
    exec(compile(text, module.__name__, "exec", dont_inherit=True), module.__dict__)  # noqa: S102 - it was made here


def _refusal(task: str, name: str, module: ModuleType) -> str:
    try:
        _execute(task, module)
        module.__dict__[name].boundary.check()
    except Exception as error:  # noqa: BLE001 - pydantic, too, refuses classes, in its own ways
        return f"{type(error).__name__}: {error}"
    return ""


def _task(number: int, type: str, chance: random.Random) -> str:
    before = ""
    if chance.random() < 0.3 and not _ONLY_IN_SOURCE.search(type):
        before, type = chance.choice(_FIELDS).format(n=number, type=type), f"Field{number}"
    if chance.random() < 0.3:
        return f'{before}@broker.task(name="{number}")\nasync def task{number}() -> {type}: raise NotImplementedError\n'
    return f'{before}@broker.task(name="{number}")\nasync def task{number}(a: {type}) -> None: ...\n'


def _random_types(chance: random.Random, count: int) -> Iterator[str]:
    def made(depth: int) -> str:
        if depth == 0 or chance.random() < 0.3:
            return chance.choice(_NAMES.split())
        return chance.choice(_FORMS).format(made(depth - 1), made(depth - 1))

    for _ in range(count):
        yield made(2)
