"""Types as they stand in programs, each with values at its ends: the material of which pairs of versions are made.

Each entry is a module's text that names the type `x`, and values of it, which are expressions of that module.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

__all__ = ["HEAD", "KINDS"]

HEAD: Final = """
import collections, datetime as dt, decimal, enum, ipaddress, math, pathlib, uuid
import collections.abc as abc
from dataclasses import dataclass, field
from datetime import UTC, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Generic, Literal, NamedTuple, NewType, Optional, TypeVar
from pydantic import (AliasChoices, AnyUrl, AwareDatetime, BaseModel, ConfigDict, Field, HttpUrl, JsonValue, RootModel, StrictInt,
                      StringConstraints, UUID4)
from typing_extensions import TypedDict
from typedtasks import Broker, Secret
T = TypeVar("T")
broker = Broker("memory://")
"""

_TEXT: Final = (
    "''",
    "'a'",
    "'é😀'",
    "'1'",
    "'2020-01-01'",
    "'x' * 200",
    "'null'",
    "'1.50'",
    "'12345678-1234-4234-8234-123456789abc'",
)
_INTS: Final = ("0", "1", "-1", "5", "10", "11", "100", "2**31", "2**63", "-2**64", "10**30")
_FLOATS: Final = ("0.0", "1.0", "-1.5", "0.5", "1e300", "5.0", "math.inf", "math.nan", "11.0")
_ALL_OF: Final = ("x.A", "x.B")

KINDS: Final[Mapping[str, tuple[str, Sequence[str]]]] = {
    "str": ("x = str", _TEXT),
    "int": ("x = int", _INTS),
    "float": ("x = float", _FLOATS),
    "bool": ("x = bool", ("True", "False")),
    "None": ("x = None", ("None",)),
    "bytes": ("x = bytes", ("b''", "b'a'", "bytes(range(256))")),
    "Decimal": (
        "x = Decimal",
        (
            "Decimal('0')",
            "Decimal('1.50')",
            "Decimal('1.505')",
            "Decimal('-3')",
            "Decimal('-1E+20')",
            "Decimal('7')",
            "Decimal('0.1')",
        ),
    ),
    "date": ("x = dt.date", ("dt.date(2020, 1, 2)", "dt.date.min", "dt.date.max")),
    "time": ("x = dt.time", ("dt.time(1, 2, 3)", "dt.time(0)", "dt.time(1, 2, 3, 4)")),
    "datetime": (
        "x = dt.datetime",
        ("dt.datetime(2020, 1, 2, 3, 4, 5)", "dt.datetime(2020, 1, 2, tzinfo=UTC)", "dt.datetime(2020, 1, 2, 3, 4, 5, 678)"),
    ),
    "AwareDatetime": (
        "x = AwareDatetime",
        ("dt.datetime(2020, 1, 2, tzinfo=UTC)", "dt.datetime(2020, 1, 2, 3, tzinfo=timezone(timedelta(hours=2)))"),
    ),
    "timedelta": ("x = dt.timedelta", ("timedelta(0)", "timedelta(days=400, microseconds=1)", "timedelta(seconds=-5)")),
    "UUID": ("x = uuid.UUID", ("uuid.UUID(int=1)", "uuid.UUID('12345678-1234-4234-8234-123456789abc')")),
    "UUID4": ("x = UUID4", ("uuid.UUID('12345678-1234-4234-8234-123456789abc')",)),
    "Path": (
        "x = pathlib.Path",
        ("pathlib.Path('/a/b')", "pathlib.Path('.')", "pathlib.Path('é')", "pathlib.Path('/a/long/path')"),
    ),
    "PurePath": ("x = pathlib.PurePath", ("pathlib.PurePath('/a/b')", "pathlib.PurePath('.')", "pathlib.PurePath('/a/long/path')")),
    "IPv4Address": ("x = ipaddress.IPv4Address", ("ipaddress.IPv4Address('127.0.0.1')",)),
    "IPv6Address": (
        "x = ipaddress.IPv6Address",
        ("ipaddress.IPv6Address('::1')", "ipaddress.IPv6Address('2001:db8::8:800:200c:417a')"),
    ),
    "AnyUrl": ("x = AnyUrl", ("AnyUrl('https://example.com/a')", "AnyUrl('ftp://a.b/c')", "AnyUrl('mailto:a@b.c')")),
    "HttpUrl": ("x = HttpUrl", ("HttpUrl('https://example.com/a?b=c')", "HttpUrl('http://localhost:8000/')")),
    "JsonValue": ("x = JsonValue", ("None", "1", "'a'", "[1, 'a', None]", "{'a': [1.5]}", "True", "2.5")),
    "Secret": ("x = Secret[str]", ("Secret('a')", "Secret('')", "Secret('a long secret')")),
    "NewType int": ("x = NewType('x', int)", _INTS),
    "NewType str": ("x = NewType('x', str)", _TEXT),
    "StrictInt": ("x = StrictInt", _INTS),
    "int >= 0": ("x = Annotated[int, Field(ge=0)]", ("0", "1", "10", "2**70")),
    "int >= 1": ("x = Annotated[int, Field(ge=1)]", ("1", "2", "10", "2**70")),
    "int > 0": ("x = Annotated[int, Field(gt=0)]", ("1", "2", "10", "2**70")),
    "int > -1": ("x = Annotated[int, Field(gt=-1)]", ("0", "1", "2", "2**70")),
    "int <= 10": ("x = Annotated[int, Field(le=10)]", ("10", "0", "-5", "7", "-10**20")),
    "int < 11": ("x = Annotated[int, Field(lt=11)]", ("10", "0", "-5", "7", "-10**20")),
    "int in 1..10": ("x = Annotated[int, Field(ge=1, le=10)]", ("1", "10", "5")),
    "int in 0..10": ("x = Annotated[int, Field(gt=-1, lt=11)]", ("0", "10", "5", "7")),
    "int multiple of 5": ("x = Annotated[int, Field(multiple_of=5)]", ("0", "5", "-10", "5 * 10**18")),
    "int multiple of 10": ("x = Annotated[int, Field(multiple_of=10)]", ("0", "10", "-10", "10**19")),
    "float >= 0": ("x = Annotated[float, Field(ge=0)]", ("0.0", "1.5", "1e300", "math.inf")),
    "float > 0": ("x = Annotated[float, Field(gt=0)]", ("5e-324", "1.5", "1e300", "math.inf")),
    "finite float": ("x = Annotated[float, Field(allow_inf_nan=False)]", ("0.0", "-1.5", "1e300")),
    "Decimal with 2 places": (
        "x = Annotated[Decimal, Field(decimal_places=2)]",
        ("Decimal('1.50')", "Decimal('7')", "Decimal('-0.01')", "Decimal('123456.78')"),
    ),
    "str of 3 at most": ("x = Annotated[str, Field(max_length=3)]", ("''", "'abc'", "'é'")),
    "str of 5 at most": ("x = Annotated[str, StringConstraints(max_length=5)]", ("''", "'abcde'", "'é'")),
    "str of 1 at least": ("x = Annotated[str, Field(min_length=1)]", ("'a'", "'x' * 500", "' '")),
    "str of a pattern": ("x = Annotated[str, Field(pattern='^[a-c]+$')]", ("'a'", "'abc'", "'c' * 300")),
    "Literal['a', 'b']": ("x = Literal['a', 'b']", ("'a'", "'b'")),
    "Literal['b', 'a']": ("x = Literal['b', 'a']", ("'a'", "'b'")),
    "Literal['a']": ("x = Literal['a']", ("'a'",)),
    "Literal['a', 'b', 'c']": ("x = Literal['a', 'b', 'c']", ("'a'", "'b'", "'c'")),
    "Literal[1, 2]": ("x = Literal[1, 2]", ("1", "2")),
    "Literal[1]": ("x = Literal[1]", ("1",)),
    "Literal[True]": ("x = Literal[True]", ("True",)),
    "Literal['a', 1, None]": ("x = Literal['a', 1, None]", ("'a'", "1", "None")),
    "Enum a b": ("class x(enum.Enum):\n    A = 'a'\n    B = 'b'", _ALL_OF),
    "Enum a b, other names": ("class x(enum.Enum):\n    C = 'a'\n    D = 'b'", ("x.C", "x.D")),
    "Enum a b c": ("class x(enum.Enum):\n    A = 'a'\n    B = 'b'\n    C = 'c'", ("x.A", "x.B", "x.C")),
    "StrEnum a b": ("class x(enum.StrEnum):\n    A = 'a'\n    B = 'b'", _ALL_OF),
    "Enum 1 2": ("class x(enum.Enum):\n    A = 1\n    B = 2", _ALL_OF),
    "IntEnum 1 2": ("class x(enum.IntEnum):\n    A = 1\n    B = 2", _ALL_OF),
    "list[int]": ("x = list[int]", ("[]", "[1]", "[1, 1, 2]", "[2**70]", "list(range(20))")),
    "list[str]": ("x = list[str]", ("[]", "['a']", "['a', 'a']")),
    "list[float]": ("x = list[float]", ("[]", "[1.0]", "[0.5, 0.5]")),
    "list of 1 at least": ("x = Annotated[list[int], Field(min_length=1)]", ("[1]", "[1, 1]", "list(range(30))")),
    "list of 2 at most": ("x = Annotated[list[int], Field(max_length=2)]", ("[]", "[1]", "[1, 1]")),
    "set[int]": ("x = set[int]", ("set()", "{1}", "{1, 2, 3, 2**70}")),
    "frozenset[int]": ("x = frozenset[int]", ("frozenset()", "frozenset({1})", "frozenset({1, 2, 3})")),
    "set[str]": ("x = set[str]", ("set()", "{'a'}", "{'a', 'b', 'c'}")),
    "tuple[int, ...]": ("x = tuple[int, ...]", ("()", "(1,)", "(1, 1, 2)")),
    "tuple[int, int]": ("x = tuple[int, int]", ("(1, 2)", "(1, 1)", "(0, -1)")),
    "tuple[int, str]": ("x = tuple[int, str]", ("(1, 'a')",)),
    "tuple[int]": ("x = tuple[int]", ("(1,)", "(0,)")),
    "deque[int]": ("x = collections.deque[int]", ("collections.deque()", "collections.deque([1])", "collections.deque([1, 1, 2])")),
    "Sequence[int]": ("x = abc.Sequence[int]", ("[]", "(1,)", "(1, 1, 2)", "[2**70]")),
    "AbstractSet[int]": ("x = abc.Set[int]", ("set()", "{1}", "frozenset({1, 2, 3})")),
    "dict[str, int]": ("x = dict[str, int]", ("{}", "{'a': 1}", "{'1': 2, '': 3, 'é': 4}")),
    "dict[str, str]": ("x = dict[str, str]", ("{}", "{'a': 'b'}")),
    "dict[int, int]": ("x = dict[int, int]", ("{}", "{1: 1}", "{-5: 2, 10**20: 3}")),
    "dict[UUID, int]": ("x = dict[uuid.UUID, int]", ("{}", "{uuid.UUID(int=1): 1}")),
    "dict[date, int]": ("x = dict[dt.date, int]", ("{}", "{dt.date(2020, 1, 2): 1}")),
    "dict[Literal, int]": ("x = dict[Literal['a', 'b'], int]", ("{}", "{'a': 1}", "{'a': 1, 'b': 2}")),
    "Mapping[str, int]": ("x = abc.Mapping[str, int]", ("{}", "{'a': 1, '1': 2}")),
    "OrderedDict[str, int]": (
        "x = collections.OrderedDict[str, int]",
        ("collections.OrderedDict()", "collections.OrderedDict(a=1)", "collections.OrderedDict(c=1)"),
    ),
    "Counter[str]": (
        "x = collections.Counter[str]",
        ("collections.Counter()", "collections.Counter('aab')", "collections.Counter('c')"),
    ),
    "int | None": ("x = int | None", ("None", *_INTS)),
    "str | None": ("x = str | None", ("None", *_TEXT)),
    "int | str": ("x = int | str", ("1", "'a'", "'1'", "2**70")),
    "str | int": ("x = str | int", ("1", "'a'", "'1'", "2**70")),
    "int | str | None": ("x = int | str | None", ("1", "'a'", "7", "'z'", "None")),
    "int | float": ("x = int | float", ("1", "1.5", "-1.5", "2**70", "math.inf", "math.nan")),
    "list[int] | int": ("x = list[int] | int", ("1", "[1]", "[]")),
    "model": ("class x(BaseModel):\n    a: int", ("x(a=1)", "x(a=0)", "x(a=-1)", "x(a=2**70)")),
    "model, other name": ("class Other(BaseModel):\n    a: int\nx = Other", ("x(a=1)", "x(a=0)", "x(a=2**70)")),
    "model that forbids": (
        "class x(BaseModel):\n    model_config = ConfigDict(extra='forbid')\n    a: int",
        ("x(a=1)", "x(a=0)", "x(a=2**70)"),
    ),
    "model with more": ("class x(BaseModel):\n    a: int\n    b: str", ("x(a=1, b='c')", "x(a=0, b='')")),
    "model with a default": (
        "class x(BaseModel):\n    a: int\n    b: str = 'd'",
        ("x(a=1)", "x(a=0)", "x(a=1, b='c')", "x(a=1, b='d')"),
    ),
    "model with None": ("class x(BaseModel):\n    a: int | None = None", ("x()", "x(a=1)", "x(a=0)", "x(a=None)")),
    "model with a default a": ("class x(BaseModel):\n    a: int = 5", ("x()", "x(a=1)", "x(a=0)", "x(a=5)")),
    "model of text": ("class x(BaseModel):\n    a: str", ("x(a='b')", "x(a='1')", "x(a='')")),
    "model of float": ("class x(BaseModel):\n    a: float", ("x(a=1.5)", "x(a=1.0)", "x(a=math.inf)")),
    "model of a bound": ("class x(BaseModel):\n    a: int = Field(ge=1)", ("x(a=1)", "x(a=2**70)")),
    "model with an alias": ("class x(BaseModel):\n    b: int = Field(alias='a')", ("x(a=1)", "x(a=0)")),
    "model with an alias, by name, too": (
        "class x(BaseModel):\n    model_config = ConfigDict(populate_by_name=True)\n    b: int = Field(alias='a')",
        ("x(a=1)", "x(b=0)"),
    ),
    "model renamed, reads both": (
        "class x(BaseModel):\n    model_config = ConfigDict(populate_by_name=True)\n    a: int = Field(alias='b')",
        ("x(b=1)", "x(a=0)"),
    ),
    "dataclass": ("@dataclass\nclass x:\n    a: int", ("x(1)", "x(0)", "x(2**70)")),
    "dataclass with a default": ("@dataclass\nclass x:\n    a: int\n    b: str = 'd'", ("x(1)", "x(0)", "x(1, 'c')")),
    "TypedDict": ("class x(TypedDict):\n    a: int", ("{'a': 1}", "{'a': 0}")),
    "TypedDict, total=False": ("class x(TypedDict, total=False):\n    a: int", ("{'a': 1}", "{}")),
    "TypedDict with more": ("class x(TypedDict):\n    a: int\n    b: str", ("{'a': 1, 'b': 'c'}", "{'a': 0, 'b': ''}")),
    "NamedTuple": ("class x(NamedTuple):\n    a: int", ("x(1)", "x(0)")),
    "NamedTuple of two": ("class x(NamedTuple):\n    a: int\n    b: int", ("x(1, 2)", "x(0, 0)")),
    "RootModel[int]": ("x = RootModel[int]", ("x(1)", "x(0)", "x(-7)", "x(12)", "x(2**70)")),
    "RootModel[list[int]]": ("x = RootModel[list[int]]", ("x([])", "x([1])", "x([1, 1, 2])")),
    "generic of int": ("class G(BaseModel, Generic[T]):\n    a: T\nx = G[int]", ("x(a=1)", "x(a=0)")),
    "generic of str": ("class G(BaseModel, Generic[T]):\n    a: T\nx = G[str]", ("x(a='b')", "x(a='')")),
    "recursive": ("class x(BaseModel):\n    a: int\n    next: 'x | None' = None", ("x(a=1)", "x(a=0)", "x(a=1, next=x(a=2))")),
    "tagged union": (
        "class A(BaseModel):\n    type: Literal['a']\n    n: int\nclass B(BaseModel):\n    type: Literal['b']\n    s: str\n"
        "x = Annotated[A | B, Field(discriminator='type')]",
        ("A(type='a', n=1)", "B(type='b', s='c')"),
    ),
    "union with tags": (
        "class A(BaseModel):\n    type: Literal['a']\n    n: int\nclass B(BaseModel):\n    type: Literal['b']\n    s: str\n"
        "x = A | B",
        ("A(type='a', n=1)", "B(type='b', s='c')"),
    ),
    "one of the tagged": ("class A(BaseModel):\n    type: Literal['a']\n    n: int\nx = A", ("A(type='a', n=1)",)),
    "three tagged": (
        "class A(BaseModel):\n    type: Literal['a']\n    n: int\nclass B(BaseModel):\n    type: Literal['b']\n    s: str\n"
        "class C(BaseModel):\n    type: Literal['c']\nx = Annotated[A | B | C, Field(discriminator='type')]",
        ("A(type='a', n=1)", "B(type='b', s='c')", "C(type='c')"),
    ),
}
