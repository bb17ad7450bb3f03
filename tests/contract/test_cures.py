"""An error that refuses a type says what to write in its place, and that is a type which can be sent."""

from __future__ import annotations

import re
from collections import ChainMap
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timezone, tzinfo
from enum import Enum
from typing import Annotated, Any, Generic, Literal, LiteralString, TypeVar
from zoneinfo import ZoneInfo

import pytest
from pydantic import BaseModel, JsonValue, SecretBytes, SecretStr

from typedtasks import Broker, DefinitionError, Secret, TaskError
from typedtasks.contract.cures import cure

T = TypeVar("T")


class Color(Enum):
    RED = "r"


class Page(BaseModel, Generic[T]):
    items: list[T]


@dataclass(frozen=True)
class Point:
    x: int


class Gone(TaskError): ...


CURED: list[tuple[Any, str]] = [
    (Any, "JsonValue"),
    (object, "JsonValue"),
    (Any | None, "JsonValue"),
    (int | Any, "JsonValue"),
    (list, "list[JsonValue]"),
    (tuple, "list[JsonValue]"),
    (dict, "dict[str, JsonValue]"),
    (set, "set[str]"),
    (dict[str, Any], "dict[str, JsonValue]"),
    (Mapping[str, dict[str, Any]], "Mapping[str, dict[str, JsonValue]]"),
    (dict[Any, int], "dict[str, int]"),
    (dict[tuple[int, int], str], "list[tuple[tuple[int, int], str]]"),
    (dict[Point, int] | None, "list[tuple[Point, int]] | None"),
    (ChainMap[str, int], "dict[str, int]"),
    (Annotated[list[Any], "a note"], "list[JsonValue]"),
    (Page[Any], "Page[JsonValue]"),
    (Sequence[Iterable[int]], "Sequence[list[int]]"),
    (Collection[Point], "list[Point]"),
    (AsyncIterator[Point], "list[Point]"),
    (Generator[int, None, None], "list[int]"),
    (Awaitable[int], "int"),
    (Coroutine[Any, Any, Point], "Point"),
    (Literal[Color.RED, "x"] | None, "Literal['r', 'x'] | None"),
    (LiteralString, "str"),
    (re.Pattern[str], "str"),
    (re.Pattern, "str"),
    (range, "list[int]"),
    (bytearray, "bytes"),
    (tzinfo, "ZoneInfo"),
    (timezone, "ZoneInfo"),
    (SecretStr, "Secret[str]"),
    (list[SecretBytes], "list[Secret[bytes]]"),
]
NAMES = {one.__name__: one for one in (Page, Point, ZoneInfo, Secret, Sequence, Mapping)} | {
    "JsonValue": JsonValue,
    "Literal": Literal,
}


@pytest.mark.parametrize(("hint", "better"), CURED)
def test_the_refusal_names_the_type_to_write_and_that_type_is_taken(hint: Any, better: str) -> None:
    """Whoever does what the error says gets no second one."""
    broker = Broker("memory://")

    async def given(value: Any) -> None: ...

    given.__annotations__["value"] = hint
    with pytest.raises(DefinitionError, match=re.escape(f"Write {better}") + r"( \([^)]*\))?\. \[definition-error\]$"):
        broker.task(name="refused")(given).boundary.check()
    given.__annotations__["value"] = eval(better, dict(NAMES))
    broker.task(name="taken")(given).boundary.check()


@pytest.mark.parametrize(
    "hint", [int, str | None, list[int], Callable[[], int], dict[str, Point], Literal["x", 1], Color, type[int]]
)
def test_nothing_is_advised_where_no_type_surely_fits(hint: Any) -> None:
    """Then the reason by itself says what to do."""
    assert cure(hint) == ""


def test_an_exception_as_a_value_is_pointed_to_raises() -> None:
    """A failure is raised; it is no argument."""
    with pytest.raises(DefinitionError, match="declare a subclass of TaskError in raises="):

        @Broker("memory://").task
        async def note(error: Gone) -> None: ...
