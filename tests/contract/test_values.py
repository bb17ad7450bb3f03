"""Values of every kind: what a call accepts arrives equal and of the same type; what could not is refused where it is sent."""

from __future__ import annotations

import collections
import dataclasses
import ipaddress
import math
from collections import ChainMap, Counter, OrderedDict, UserDict, UserList, defaultdict, deque
from collections.abc import Callable, Mapping, MutableMapping, Sequence, Set
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, Flag, IntEnum, IntFlag, StrEnum
from fractions import Fraction
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from pydantic import (
    AfterValidator,
    AnyUrl,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    HttpUrl,
    JsonValue,
    PlainSerializer,
    PlainValidator,
    PrivateAttr,
    RootModel,
    StringConstraints,
    WrapValidator,
    field_serializer,
    field_validator,
    model_serializer,
    model_validator,
)
from pydantic.dataclasses import dataclass as pydantic_dataclass
from pydantic_core import CoreSchema, core_schema
from typing_extensions import TypedDict

from tests.contract.test_boundary import echo
from typedtasks import DefinitionError
from typedtasks.contract import Misfit
from typedtasks.errors import PayloadInvalid, representation

REFUSED: Final = object()
"""In the place of what arrives: the caller is told so."""

BERLIN, AMSTERDAM = ZoneInfo("Europe/Berlin"), ZoneInfo("Europe/Amsterdam")
HALF_MINUTE = timezone(timedelta(hours=1, seconds=30))


class Colour(Enum):
    RED = "red"
    CRIMSON = "red"  # noqa: PIE796 - a second name of the same member
    BLUE = 2


class Word(StrEnum):
    A = "a"


class Number(IntEnum):
    ONE = 1


class Rights(Flag):
    READ = 1
    WRITE = 2


class Bits(IntFlag):
    LOW = 1
    HIGH = 2


class Text(str): ...


class Nanoseconds(datetime):
    """As pandas has it."""

    nanosecond = 5


class Place(NamedTuple):
    x: int
    y: float = 0.0


@dataclasses.dataclass
class Point:
    x: int
    y: float = 0.0


@dataclasses.dataclass(eq=False)
class Bare:
    x: int


class MorePoint(Point): ...


@dataclasses.dataclass
class Taxed:
    cents: int

    def __post_init__(self) -> None:
        self.cents = self.cents * 119 // 100


@dataclasses.dataclass
class Trimmed:
    text: str

    def __post_init__(self) -> None:
        self.text = self.text.strip()


@pydantic_dataclass
class Checked:
    x: int

    @field_validator("x")
    @classmethod
    def _add(cls, value: int) -> int:
        return value + 1


@dataclasses.dataclass
class Lower:
    text: Annotated[str, StringConstraints(to_lower=True)]


class Row(TypedDict):
    when: time


class Plain(BaseModel):
    x: int = 1


class Special(Plain): ...


class Noted(BaseModel):
    x: int
    _note: str = PrivateAttr("")


class Derived(BaseModel):
    x: int
    _double: int = PrivateAttr(0)

    def model_post_init(self, context: object) -> None:
        self._double = self.x * 2


class Dotted(BaseModel):
    text: str

    @model_validator(mode="after")
    def _end(self) -> Dotted:
        object.__setattr__(self, "text", self.text + ".")
        return self


class Stripped(BaseModel):
    model_config = ConfigDict(str_strip_whitespace=True)
    text: str


class Cents(BaseModel):
    """Writes what it does not read."""

    price: Decimal

    @field_serializer("price")
    def _write(self, price: Decimal) -> str:
        return f"{price} EUR"


class Normal(BaseModel):
    """Writes 1.10 as 1.1."""

    price: Decimal

    @field_serializer("price")
    def _write(self, price: Decimal) -> str:
        return str(price.normalize())


class Minutes(BaseModel):
    """Writes no seconds."""

    at: datetime

    @field_serializer("at")
    def _write(self, at: datetime) -> str:
        return at.isoformat(timespec="minutes")


class Epoch(BaseModel):
    """A pair that fits."""

    at: datetime

    @field_serializer("at")
    def _write(self, at: datetime) -> float:
        return at.timestamp()

    @field_validator("at", mode="before")
    @classmethod
    def _read(cls, value: object) -> object:
        return datetime.fromtimestamp(value, UTC) if isinstance(value, int | float) else value


class Whole(BaseModel):
    """Is written as something else."""

    x: int

    @model_serializer
    def _write(self) -> dict[str, int]:
        return {"y": self.x}


class Pair(BaseModel):
    """Is written as a list, and read from one."""

    x: int
    y: int

    @model_serializer
    def _write(self) -> list[int]:
        return [self.x, self.y]

    @model_validator(mode="before")
    @classmethod
    def _read(cls, value: object) -> object:
        return {"x": value[0], "y": value[1]} if isinstance(value, list) else value


class Ratio:
    """A class of the user's without `__eq__`."""

    def __init__(self, text: str) -> None:
        self.text = text

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            lambda value: value if isinstance(value, cls) else cls(str(value)),
            serialization=core_schema.plain_serializer_function_ser_schema(lambda value: value.text),
        )


class Shouted(Ratio):
    """Comes out as another."""

    def __init__(self, text: str) -> None:
        super().__init__(text + "!")


class Tree(BaseModel):
    at: time | None = None
    inside: list[Tree] = []


class Words(RootModel[list[str]]): ...


class Holder(BaseModel):
    seen: Sequence[int] = ()
    names: Set[str] = frozenset()
    by: Mapping[str, int] = {}


@dataclasses.dataclass
class LooseHolder:
    seen: Sequence[int]
    names: Set[str]
    by: Mapping[str, int]


def noted() -> Noted:
    """Return a model whose private attribute is not what it is made with."""
    value = Noted(x=1)
    value._note = "mine"
    return value


def tripled(value: Any, validate: Callable[[Any], Any]) -> Any:  # Any: a validator's own signature
    """Return what a validator gives, three times."""
    return validate(value) * 3


# Each is a type, a value, and what arrives where that is not the value itself.
SCALARS: Final[Sequence[tuple[object, ...]]] = [
    (int, 0),
    (int, -(2**63)),
    (int, 2**64),
    (int, 10**4299),
    (int, 10**4300, REFUSED),
    (int, -(10**5000), REFUSED),
    (int, True, REFUSED),
    (int, 1.0, REFUSED),
    (int, Number.ONE, 1),
    (float, 0.1),
    (float, -0.0),
    (float, 5e-324),
    (float, 1.7976931348623157e308),
    (float, math.inf),
    (float, -math.inf),
    (float, math.nan),
    (float, 1, 1.0),
    (float, 2**53, float(2**53)),
    (float, 2**53 + 1, REFUSED),
    (float, 10**400, REFUSED),
    (list[float], [1.0, 2**53 + 1], REFUSED),
    (dict[float, int], {2**53 + 1: 1}, REFUSED),
    (dict[float, float], {math.nan: 2**53 + 1}, REFUSED),
    (dict[str, float] | None, {"a": math.nan}),
    (complex, 1 + 2j),
    (complex, complex(-0.0, 1), REFUSED),
    (bool, True),
    (bool, 1, REFUSED),
    (None, None),
    (str, ""),
    (str, "é\u2028\x00\U0001f600"),
    (str, "9" * 5000),
    (str, "\ud800", REFUSED),
    (str, Word.A, "a"),
    (str, Text("x"), "x"),
    (bytes, b""),
    (bytes, bytes(range(256))),
    (bytes, bytearray(b"x"), REFUSED),
    (Decimal, Decimal("1.10")),
    (Decimal, Decimal("-0")),
    (Decimal, Decimal("0E+3")),
    (Decimal, Decimal("1E+400")),
    (Decimal, Decimal("1E+999999999999999999")),
    (Decimal, Decimal("1." + "3" * 5000)),
    (Decimal, Decimal("NaN"), REFUSED),
    (Decimal, Decimal("sNaN"), REFUSED),
    (Annotated[Decimal, Field(allow_inf_nan=True)], Decimal("Infinity")),
    (Annotated[Decimal, Field(allow_inf_nan=True)], Decimal("NaN")),
    (Fraction, Fraction(1, 3)),
    (UUID, UUID(int=7)),
    (int | float, 1.0),
    (int | float, 1),
    (int | str, "1"),
    (bool | int, 1),
    (Literal[1, True], True),
    (Literal["1", 1], 1),
    (JsonValue, {"a": [1, None, -0.0, 2**70, "x", True]}),
    (JsonValue, math.nan),
    (JsonValue, [10**5000], REFUSED),
    (JsonValue, (1, 2), REFUSED),
    (JsonValue, {1: 2}, REFUSED),
]
TIMES: Final[Sequence[tuple[object, ...]]] = [
    (date, date.min),
    (date, date.max),
    (date, datetime(2026, 1, 1), REFUSED),
    (time, time(1, 2, 3, 4)),
    (time, time(1, 2, tzinfo=UTC)),
    (time, time(1, 2, tzinfo=timezone(timedelta(hours=-5, minutes=-30)))),
    (time, time(1, tzinfo=BERLIN), REFUSED),
    (time, time(1, fold=1), REFUSED),
    (time, time(1, tzinfo=HALF_MINUTE), REFUSED),
    (list[time | None], [None, time(1, tzinfo=BERLIN)], REFUSED),
    (dict[time, int], {time(1, tzinfo=BERLIN): 1}, REFUSED),
    (Row, {"when": time(1, tzinfo=BERLIN)}, REFUSED),
    (
        tuple[set[datetime], Annotated[int, AfterValidator(abs)]],
        ({datetime(2026, hour, 1, tzinfo=zone) for hour in (1, 2, 7) for zone in (BERLIN, UTC)}, 1),
    ),
    (Tree, Tree(inside=[Tree(at=time(1, fold=1))]), REFUSED),
    (datetime, datetime.min),
    (datetime, datetime.max),
    (datetime, datetime.max.replace(tzinfo=UTC)),
    (datetime, datetime(2026, 7, 1, tzinfo=BERLIN)),
    (datetime, datetime(2026, 7, 1, tzinfo=timezone(timedelta(hours=14), "Kiritimati"))),
    (datetime, datetime(2026, 7, 1, fold=1), REFUSED),
    (datetime, datetime(1930, 1, 1, tzinfo=AMSTERDAM), REFUSED),
    (datetime, datetime(2026, 7, 1, tzinfo=HALF_MINUTE), REFUSED),
    (datetime, datetime(2026, 7, 1, tzinfo=timezone(timedelta(microseconds=1))), REFUSED),
    (datetime, Nanoseconds(2026, 7, 1), REFUSED),
    (set[datetime], {datetime(2026, 1, 1), datetime(2026, 1, 1, tzinfo=UTC)}),
    (timedelta, timedelta.max),
    (timedelta, timedelta.min),
    (timedelta, timedelta(microseconds=-1)),
    (timedelta, timedelta(days=-400, seconds=3, microseconds=999_999)),
]
CONTAINERS: Final[Sequence[tuple[object, ...]]] = [
    (list[int], []),
    (list[int], (1,), REFUSED),
    (tuple[int, ...], (1, 2)),
    (tuple[()], ()),
    (tuple[int, str], [1, "a"], REFUSED),
    (set[int | float], {1, 2.5}),
    (set[tuple[int, str]], {(1, "a"), (2, "b")}),
    (set[frozenset[int]], {frozenset({1}), frozenset()}),
    (set[int | None], {1, None}),
    (frozenset[str], frozenset("ab")),
    (dict[str, int], {"b": 1, "a": 2}),
    (dict[str, int], OrderedDict(b=1), {"b": 1}),
    (dict[str, int], {"\ufffd": 1}),
    (dict[str, int], {"\ud800": 1}, REFUSED),
    (JsonValue, [{"\ud800": 1}], REFUSED),
    (dict[int, int], {-1: 1}),
    (dict[int, int], {10**4300: 1}, REFUSED),
    (dict[float, int], {1e22: 1, math.inf: 2}),
    (dict[bool, int], {True: 1}),
    (dict[bytes, int], {b"\xff": 1}),
    (dict[date, int], {date(2026, 1, 1): 1}),
    (dict[Decimal, int], {Decimal("1.10"): 1}),
    (dict[timedelta, int], {timedelta(1, 1): 1}),
    (dict[Path, int], {Path("a"): 1}),
    (dict[Word, int], {Word.A: 1}),
    (dict[tuple[int, int], int], {(1, 2): 3}, REFUSED),
    (dict[complex, int], {1j: 3}, REFUSED),
    (OrderedDict[str, int], OrderedDict(b=1, a=2)),
    (OrderedDict[tuple[int, int], int], OrderedDict({(1, 2): 3}), REFUSED),
    (defaultdict[str, list[int]], defaultdict(list, a=[1])),
    (defaultdict[str, int], defaultdict(None, a=1), REFUSED),
    (defaultdict[str, int], defaultdict(lambda: 7, a=1), REFUSED),
    (defaultdict[tuple[int, int], int], defaultdict(int, {(1, 2): 3}), REFUSED),
    (Counter[str], Counter(a=1, b=-2, c=0)),
    (deque[int], deque([1, 2])),
    (deque[int], deque([1], maxlen=3), REFUSED),
    (list[deque[int]], [deque([1], maxlen=3)], REFUSED),
    (Sequence[int], (1, 2), [1, 2]),
    (Sequence[int], range(3), [0, 1, 2]),
    (Sequence[int], deque([1], maxlen=3), [1]),
    (Sequence[int], UserList([1]), [1]),
    (Sequence[str], "ab", REFUSED),
    (Sequence[Sequence[int]], ((1,), range(1)), [[1], [0]]),
    (Set[int], {1}, frozenset({1})),
    (Set[int], {1: 2}.keys(), frozenset({1})),
    (Mapping[str, int], OrderedDict(a=1), {"a": 1}),
    (Mapping[str, int], MappingProxyType({"a": 1}), {"a": 1}),
    (Mapping[str, int], ChainMap({"a": 1}), {"a": 1}),
    (MutableMapping[str, int], UserDict(a=1), {"a": 1}),
    (Mapping[tuple[int, int], int], {(1, 2): 3}, REFUSED),
    (Place, Place(1)),
]
CLASSES: Final[Sequence[tuple[object, ...]]] = [
    (Colour, Colour.CRIMSON),
    (Colour, Colour.BLUE),
    (Rights, Rights.READ | Rights.WRITE),
    (Rights, Rights(0)),
    (Bits, Bits(8)),
    (Path, Path("a/../b")),
    (Path, Path("a\udcff"), REFUSED),
    (PurePath, Path("a"), PurePosixPath("a")),
    (PureWindowsPath, PureWindowsPath("c:\\x")),
    (ipaddress.IPv6Address, ipaddress.IPv6Address("fe80::1%eth0")),
    (ipaddress.IPv4Interface, ipaddress.IPv4Interface("1.2.3.4/24")),
    (AnyUrl, AnyUrl("redis://x/a b?é#f")),
    (HttpUrl, HttpUrl("http://münchen.de:80/x")),
    (Point, Point(1, 2.5)),
    (Point, Point(2**60, 2**60 + 1), REFUSED),
    (Point, MorePoint(1), REFUSED),
    (Bare, Bare(1), "Bare(x=1)"),
    (Plain, Plain(x=2)),
    (Plain, Special(), REFUSED),
    (list[Plain], [Special()], REFUSED),
    (Noted, Noted(x=1)),
    (Noted, noted(), REFUSED),
    (Derived, Derived(x=1)),
    (Words, Words(["a"])),
    (Holder, Holder(seen=(1, 2), names={"a"}, by=OrderedDict(a=1)), Holder(seen=[1, 2], names={"a"}, by={"a": 1})),
    (Holder, Holder(seen=[1, 2], names=frozenset({"a"}), by={"a": 1})),
    (LooseHolder, LooseHolder((1,), {"a"}, ChainMap({"a": 1})), LooseHolder([1], frozenset({"a"}), {"a": 1})),
]
OF_THE_USERS_OWN: Final[Sequence[tuple[object, ...]]] = [
    (Taxed, Taxed(100), REFUSED),
    (list[Taxed], [Taxed(0)]),
    (Trimmed, Trimmed(" a ")),
    (Checked, Checked(1), REFUSED),
    (Lower, Lower("a")),
    (Lower, Lower("A"), REFUSED),
    (Dotted, Dotted(text="a"), REFUSED),
    (Stripped, Stripped(text=" a ")),
    (Cents, Cents(price=Decimal("1.10")), REFUSED),
    (Normal, Normal(price=Decimal("1.10")), REFUSED),
    (Normal, Normal(price=Decimal("1.1"))),
    (Minutes, Minutes(at=datetime(2026, 1, 1, 2, 3, 4)), REFUSED),
    (Minutes, Minutes(at=datetime(2026, 1, 1, 2, 3))),
    (Epoch, Epoch(at=datetime(2026, 1, 1, tzinfo=UTC))),
    (dict[str, list[Epoch]], {"a": [Epoch(at=datetime(2026, 1, 1, tzinfo=UTC))]}),
    (Epoch, Epoch(at=datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=1)))), REFUSED),
    (Whole, Whole(x=1), REFUSED),
    (Pair, Pair(x=1, y=2)),
    (Ratio, Ratio("1/2"), "Ratio"),
    (Shouted, Shouted("a"), REFUSED),
    (Annotated[int, AfterValidator(lambda x: x + 1)], 1, REFUSED),
    (list[Annotated[int, AfterValidator(lambda x: x + 1)]], [1], REFUSED),
    (Annotated[int, AfterValidator(abs)], -1, 1),
    (Annotated[str, AfterValidator(str.strip)], " a ", "a"),
    (Annotated[str, StringConstraints(strip_whitespace=True)], " a ", "a"),
    (Annotated[int, WrapValidator(tripled)], 1, REFUSED),
    (Annotated[int, BeforeValidator(lambda x: int(x) * 2)], 1, REFUSED),
    (Annotated[int, BeforeValidator(int)], 1),
    (Annotated[int, PlainSerializer(lambda x: x + 1)], 1, REFUSED),
    (Annotated[float, PlainSerializer(lambda x: round(x, 1))], 1.25, REFUSED),
    (Annotated[float, PlainSerializer(lambda x: round(x, 1))], 1.5),
    (Annotated[Any, PlainValidator(lambda x: x), PlainSerializer(list)], (1,), REFUSED),
    (Annotated[Any, PlainValidator(tuple), PlainSerializer(list)], (1, "a")),
    (Annotated[set[int], PlainSerializer(lambda x: sorted(x)[:1])], {1, 2}, REFUSED),
]
ALL: Final = [*SCALARS, *TIMES, *CONTAINERS, *CLASSES, *OF_THE_USERS_OWN]


def shown(row: Sequence[object]) -> str:
    """Return a short name of a row."""
    text = f"{row[0]}<-{representation(row[1])}"[:70]
    return text.replace("tests.contract.test_values.", "").encode("ascii", "replace").decode()


def alike(one: object, other: object) -> bool:
    """Return whether two values are equal and of one type; NaN, which equals nothing, has to look the same."""
    if isinstance(one, datetime | time) and isinstance(other, datetime | time):
        return one == other and one.utcoffset() == other.utcoffset()
    return type(one) is type(other) and (one == other or repr(one) == repr(other))


@pytest.mark.parametrize("row", ALL, ids=shown)
def test_a_value_arrives_as_it_was_or_is_refused_where_it_is_sent(row: Sequence[object]) -> None:
    """As an argument and as a result."""
    hint, value, expected = row if len(row) == 3 else (*row, row[1])
    if expected is REFUSED:
        with pytest.raises((PayloadInvalid, DefinitionError)):
            echo(hint).encode_arguments((value,), {})
        with pytest.raises((Misfit, DefinitionError)):
            echo(hint).encode_result(value)
        return
    boundary = echo(hint)
    (argument,) = boundary.decode_arguments(boundary.encode_arguments((value,), {}))[1].values()
    result = boundary.decode_result(boundary.encode_result(value))
    for arrived in (argument, result):
        if isinstance(expected, str) and not isinstance(value, str):
            assert vars(arrived) == vars(value), expected
        else:
            assert alike(arrived, expected)


def test_the_table_has_every_kind() -> None:
    assert len(ALL) >= 130


def test_the_error_says_what_went_in_what_would_come_out_and_the_cure() -> None:
    """And where, by the names of parameters and fields."""
    with pytest.raises(PayloadInvalid) as raised:
        echo(list[Normal]).encode_arguments(([Normal(price=Decimal("1.10"))],), {})
    assert (
        "value.0.price: Value would arrive as another one: Decimal('1.10') went in, and Decimal('1.1') would come out. "
        "Make the validator (or __post_init__) give the same for its own result, and write the serializer and the validator as"
    ) in str(raised.value)
    with pytest.raises(PayloadInvalid, match=r"value\.price: Value would be written and could not be read again where it arrives"):
        echo(Cents).encode_arguments((Cents(price=Decimal(1)),), {})
    with pytest.raises(PayloadInvalid, match=r"value\.maxlen|maxlen=2, which would be lost; send deque\(value\)"):
        echo(deque[int]).encode_arguments((collections.deque([1], maxlen=2),), {})


def test_a_validator_runs_once_on_each_side_and_once_for_the_proof() -> None:
    """Twice where it is sent, once where it arrives; plain types are not read back at all."""
    runs: list[object] = []

    def count(value: int) -> int:
        runs.append(value)
        return value

    boundary = echo(Annotated[int, AfterValidator(count)])
    payload = boundary.encode_arguments((1,), {})
    assert len(runs) == 2
    boundary.decode_arguments(payload)
    assert len(runs) == 3


@dataclasses.dataclass
class Narrow:
    x: int = 1


@dataclasses.dataclass
class AroundNarrow:
    narrow: Narrow


class NarrowModel(BaseModel):
    narrow: Narrow


class NarrowRow(TypedDict):
    narrow: Narrow


@pytest.mark.parametrize(
    ("hint", "written"),
    [
        (Narrow, b'{"x":1,"y":2}'),
        (list[Narrow], b'[{"x":1,"y":2}]'),
        (Narrow | None, b'{"x":1,"y":2}'),
        (AroundNarrow, b'{"narrow":{"x":1,"y":2}}'),
        (NarrowModel, b'{"narrow":{"x":1,"y":2}}'),
        (NarrowRow, b'{"narrow":{"x":1,"y":2}}'),
    ],
    ids=str,
)
def test_unknown_fields_of_a_dataclass_are_refused_whatever_is_around_it(hint: object, written: bytes) -> None:
    """As its `__init__` refuses them; in arguments and in results."""
    with pytest.raises(Misfit, match="Unexpected keyword argument"):
        echo(hint).decode_arguments(b'{"value":%s}' % written)
    with pytest.raises(Misfit, match="Unexpected keyword argument"):
        echo(hint).decode_result(written)


class WritesText(BaseModel):
    number: int

    @field_serializer("number")
    def _write(self, number: int) -> str:
        return str(number)


def test_a_serializer_whose_type_never_reads_what_it_writes_is_refused_at_the_definition() -> None:
    """Where its annotation says so, and no validator stands before the type."""
    with pytest.raises(
        DefinitionError, match="its serializer writes str, and its type reads int; write the serializer and a validator"
    ):
        echo(WritesText)
