"""The typed boundary: what goes in comes out, and what does not fit is refused."""

import dataclasses
import math
import subprocess
import sys
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, RootModel
from typing_extensions import TypedDict

from typedtasks.contract import Boundary, Misfit
from typedtasks.errors import PayloadInvalid


class Colour(Enum):
    RED = "red"
    BLUE = 2


class Inner(BaseModel):
    raw: bytes
    number: float


class Outer(BaseModel):
    inner: Inner
    tags: set[str] = set()


class MoreInner(Inner):
    extra: int = 1


@dataclasses.dataclass
class Point:
    x: int
    y: float
    raw: bytes = b""


class Row(TypedDict):
    id: int
    when: datetime


class Timed(BaseModel):
    model_config = ConfigDict(ser_json_temporal="milliseconds", ser_json_bytes="hex", ser_json_inf_nan="null")
    at: datetime
    day: date
    takes: timedelta
    raw: bytes
    number: float | None


class Pair(TypedDict):
    id: int


class Holder(BaseModel):
    pair: Pair


class Chain(BaseModel):
    next: "Chain | None" = None


class Kind(StrEnum):
    CAT = "cat"
    DOG = "dog"


class Size(IntEnum):
    SMALL = 1


class Unit(str, Enum):  # noqa: UP042 - the older way to write a StrEnum is still written
    METRE = "m"


class Words(RootModel[str]): ...


class Numbers(RootModel[list[int]]): ...


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]
    barks: bool


def boundary_of(function: Callable[..., object], max_payload: int = 262_144, max_result: int = 16_777_216) -> Boundary[Any]:
    """Return a function's boundary. (Any: its result type is what each test checks.)"""
    return Boundary(function, task="t", max_payload=max_payload, max_result=max_result)


def echo(hint: object) -> Boundary[Any]:
    """Return the boundary of a function that takes and returns one value of a type."""

    def function(value: object) -> object:
        return value

    function.__annotations__ = {"value": hint, "return": hint}
    return boundary_of(function)


ZONE = timezone(timedelta(hours=5, minutes=30))


@pytest.mark.parametrize(
    ("hint", "value"),
    [
        (int, 2**80),
        (float, 0.1),
        (float, math.inf),
        (Annotated[Pair, "a note"], {"id": 1}),
        (list[int | list[str]] | list[str], [1, ["a"]]),
        (OrderedDict[str, int] | int | None, OrderedDict(a=1)),
        (str, "é\n\x00"),
        (bytes, bytes(range(256))),
        (bool, True),
        (None, None),
        (datetime, datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=ZONE)),
        (datetime, datetime(2026, 1, 2)),
        (date, date(2026, 1, 2)),
        (timedelta, timedelta(days=-3, microseconds=5)),
        (UUID, UUID(int=7)),
        (Decimal, Decimal("1.10")),
        (Path, Path("a/b")),
        (Colour, Colour.BLUE),
        (Literal["a", "b"], "b"),
        (Literal[Kind.CAT], Kind.CAT),
        (Literal[Kind.CAT, Kind.DOG], Kind.DOG),
        (Literal[Size.SMALL], Size.SMALL),
        (Literal[Unit.METRE], Unit.METRE),
        (list[int], [1, 2]),
        (tuple[int, str], (1, "a")),
        (tuple[int, ...], (1, 2, 3)),
        (set[str], {"b", "a"}),
        (frozenset[int], frozenset({3, 1})),
        (dict[str, list[bytes]], {"a": [b"\xff"]}),
        (dict[int, float], {1: math.inf}),
        (dict[UUID, int], {UUID(int=7): 1}),
        (int | None, None),
        (int | str, "1"),
        (int | float, 1.0),
        (bool | int, 1),
        (Literal[1, "a"] | None, "a"),
        (Literal[1] | int, 1),
        (Literal["a"] | str, "a"),
        (Literal[True] | bool, False),
        (Words, Words("a")),
        (Words | int, Words("1")),
        (list[Words] | list[int], [Words("1")]),
        (list[int | None] | list[str | None], [None, "a"]),
        (list[int | None] | list[str | None], [None]),
        (Numbers | str | None, Numbers([1])),
        (Inner, Inner(raw=b"\xff\xfe", number=math.inf)),
        (Outer, Outer(inner=Inner(raw=b"\x80", number=1.5), tags={"x", "y"})),
        (Timed, Timed(at=datetime(2026, 1, 2, 3, 4, 5, 6), day=date(2026, 1, 2), takes=timedelta(1), raw=b"\xff", number=math.inf)),
        (Holder, Holder(pair={"id": 1})),
        (Point, Point(1, 2.0, b"\xff")),
        (Row, {"id": 1, "when": datetime(2026, 1, 2, tzinfo=UTC)}),
        (Annotated[Cat | Dog, Field(discriminator="kind")], Dog(kind="dog", barks=True)),
        (Cat | Dog, Cat(kind="cat", lives=9)),
        (JsonValue, {"a": [1, None, "x"]}),
        (list[Inner], [Inner(raw=b"\xff", number=1.0)]),
    ],
    ids=repr,
)
def test_a_value_makes_the_round_trip_as_argument_and_as_result(hint: object, value: object) -> None:
    """Equal, and of the same type, after JSON."""
    boundary = echo(hint)

    _, arguments = boundary.decode_arguments(boundary.encode_arguments((value,), {}))
    result = boundary.decode_result(boundary.encode_result(value))

    assert arguments == {"value": value}
    assert result == value
    assert type(result) is type(value)


def test_nan_survives() -> None:
    """JSON has no NaN; the wire has."""
    boundary = echo(float)
    assert math.isnan(boundary.decode_result(boundary.encode_result(math.nan)))


def test_a_time_zone_is_kept_not_converted_away() -> None:
    """The same instant with the same offset."""
    boundary = echo(datetime)
    value = datetime(2026, 1, 2, tzinfo=ZONE)
    assert boundary.decode_result(boundary.encode_result(value)).utcoffset() == ZONE.utcoffset(None)


JSON_LIKE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=15,
)


@settings(max_examples=150, deadline=None)
@given(
    st.integers(),
    st.text(),
    st.binary(max_size=100),
    st.sets(st.text(), max_size=5),
    st.dictionaries(st.integers(), st.floats(allow_nan=False), max_size=5),
    st.datetimes(timezones=st.just(ZONE)),
    JSON_LIKE,
)
def test_whatever_fits_comes_back_as_it_was(
    a: int, b: str, c: bytes, d: set[str], e: dict[int, float], f: datetime, g: JsonValue
) -> None:
    """A property of all values of many types, in one signature."""
    arguments = {"a": a, "b": b, "c": c, "d": d, "e": e, "f": f, "g": g}

    assert MANY.decode_arguments(MANY.encode_arguments((), arguments)) == ((), arguments)


def many(a: int, b: str, c: bytes, d: set[str], e: dict[int, float], f: datetime, g: JsonValue) -> None: ...


MANY = boundary_of(many)


def test_every_kind_of_parameter_finds_its_way() -> None:
    """Positional-only, keyword-only, *args and **kwargs."""

    def f(a: int, /, b: int = 2, *rest: int, c: int, **more: str) -> None: ...

    boundary = boundary_of(f)

    payload = boundary.encode_arguments((1, 5, 6, 7), {"c": 3, "x": "y"})
    args, kwargs = boundary.decode_arguments(payload)

    assert payload == b'{"a":1,"b":5,"rest":[6,7],"c":3,"more":{"x":"y"}}'
    assert (args, kwargs) == ((1, 5, 6, 7), {"x": "y", "c": 3})


def test_further_arguments_do_not_become_those_of_a_parameter() -> None:
    """Else a message would give a parameter a value that is not of its type. A positional-only one may share its name."""

    def f(a: int, /, b: int = 2, *, c: int = 3, **more: str) -> None: ...

    boundary = boundary_of(f)

    for name in ("b", "c"):
        with pytest.raises(Misfit, match=f"{name}: This is a parameter of its own"):
            boundary.decode_arguments(b'{"a":1,"more":{"%s":"x"}}' % name.encode())
    assert boundary.decode_arguments(b'{"a":1,"more":{"a":"x"}}') == ((1,), {"a": "x"})


def test_defaults_that_are_left_out_are_not_sent() -> None:
    """So the worker's own default holds."""

    def f(a: int, b: int = 2) -> None: ...

    assert boundary_of(f).encode_arguments((1,), {}) == b'{"a":1}'


@pytest.mark.parametrize(
    ("args", "kwargs", "kind", "where"),
    [
        (("1",), {}, "int_type", ("a",)),
        ((True,), {}, "int_type", ("a",)),
        ((1.0,), {}, "int_type", ("a",)),
        ((), {}, "missing_argument", ("a",)),
        ((1, 2, 3), {}, "unexpected_positional_argument", (2,)),
        ((1,), {"z": 1}, "unexpected_keyword_argument", ("z",)),
        ((1,), {"a": 1}, "multiple_argument_values", ("a",)),
        ((1,), {"b": -1}, "greater_than_equal", ("b",)),
    ],
)
def test_wrong_arguments_are_refused_with_pydantics_error_list(
    args: tuple[object, ...], kwargs: dict[str, object], kind: str, where: tuple[object, ...]
) -> None:
    """Each error says its type and its place."""

    def f(a: int, b: Annotated[int, Field(ge=0)] = 1) -> None: ...

    with pytest.raises(PayloadInvalid, match="t: the arguments do not fit .*; nothing was sent") as raised:
        boundary_of(f).encode_arguments(args, kwargs)
    assert (raised.value.errors[0]["type"], raised.value.errors[0]["loc"]) == (kind, where)


def test_a_model_that_was_changed_into_nonsense_is_refused() -> None:
    """Instances are validated again, nested ones too."""
    value = Outer(inner=Inner(raw=b"", number=1.0))
    value.inner.number = "x"  # type: ignore[assignment]  # the wrong value is the point
    with pytest.raises(PayloadInvalid, match=r"value\.inner\.number: Input should be a valid number"):
        echo(Outer).encode_arguments((value,), {})


def test_an_instance_of_a_subclass_whose_fields_would_vanish_is_refused() -> None:
    """The worker could not know of them."""
    with pytest.raises(PayloadInvalid, match="MoreInner, whose field extra is not part of Inner"):
        echo(Inner).encode_arguments((MoreInner(raw=b"", number=1.0),), {})
    with pytest.raises(Misfit, match="would be lost"):
        echo(Inner).encode_result(MoreInner(raw=b"", number=1.0))


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"value":"1"}',
        b'{"value":1,"more":2}',
        b'{"value":1.5}',
        b"[" * 10_000,
        b'{"value":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
        b'{"value":' + b"9" * 5_000 + b"}",
        b'{"value":"\xff"}',
        b'{"value":1}{"value":2}',
        b"\x00",
    ],
)
def test_a_failed_parse_gives_a_misfit_and_never_a_value(payload: bytes) -> None:
    """Hostile bytes are refused, and nothing else happens."""
    with pytest.raises(Misfit):
        echo(Literal[1]).decode_arguments(payload)


def test_a_wrong_return_type_does_not_pass() -> None:
    """The worker checks before it stores, the client before it hands over."""
    boundary = echo(int)
    with pytest.raises(Misfit):
        boundary.encode_result("abc")
    with pytest.raises(Misfit):
        boundary.decode_result(b'"abc"')


def test_a_dictionary_beside_a_set_is_written_with_its_values() -> None:
    """And not as the set of its keys, which would fit just as well where it is read."""
    boundary = echo(set[int] | dict[int, str])
    assert boundary.encode_result({1: "a"}) == b'{"1":"a"}'
    assert boundary.encode_result({2, 1}) == b"[1,2]"
    frozen = echo(dict[str, frozenset[str] | dict[str, int]])
    assert frozen.encode_result({"a": {"x": 1}, "b": frozenset("yx")}) == b'{"a":{"x":1},"b":["x","y"]}'


def test_sets_have_the_same_bytes_in_every_process() -> None:
    """Whatever PYTHONHASHSEED says."""
    code = (
        "from typedtasks.contract import Boundary\n"
        "def f(x: set[str]) -> None: ...\n"
        "print(Boundary(f, task='t').encode_arguments(({'b', 'a', 'c', 'd'},), {}))"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True, text=True
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert outputs == {'b\'{"x":["a","b","c","d"]}\'\n'}


class Later(BaseModel):
    """Is defined after the boundary that names it."""

    x: int


def test_a_type_that_is_defined_later_is_found_on_first_use() -> None:
    """Forward references are fine."""

    def f(value: "Afterwards") -> None: ...  # type: ignore[name-defined]  # noqa: F821 - it comes later: the point

    boundary = boundary_of(f)
    globals()["Afterwards"] = Later
    try:
        assert boundary.encode_arguments((Later(x=1),), {}) == b'{"value":{"x":1}}'
    finally:
        del globals()["Afterwards"]


def test_a_parameter_may_have_the_name_of_a_builtin() -> None:
    def merge(*args: int, list: str) -> None: ...

    boundary: Boundary[None] = Boundary(merge, task="t")
    assert boundary.encode_arguments((1, 2), {"list": "a"}) in (b'{"list":"a","args":[1,2]}', b'{"args":[1,2],"list":"a"}')


def test_messages_show_the_signature_as_it_is_written_and_nothing_that_was_not_given() -> None:
    def f(n: "int", price: Decimal = Decimal("1.00")) -> "str":
        return ""

    with pytest.raises(PayloadInvalid) as raised:
        boundary_of(f).encode_arguments((), {})
    text = str(raised.value)
    assert "(n: int, price: decimal.Decimal = Decimal('1.00')) -> str" in text
    assert text.endswith("n: Missing required argument [payload-invalid]")


class Unshowable:
    def __repr__(self) -> str:
        raise RuntimeError("no text")


def test_an_argument_that_cannot_be_shown_is_refused_for_what_it_is() -> None:
    with pytest.raises(PayloadInvalid, match="its __repr__ raised RuntimeError"):
        boundary_of(many).encode_arguments((), {"z": Unshowable()})


def test_messages_show_types_without_their_metadata() -> None:
    """A validator's address helps nobody; the error says what is wrong."""

    def charge(order: Any, cents: Any) -> None: ...

    charge.__annotations__ = {
        "order": Annotated[int, AfterValidator(str)],
        "cents": list[Annotated[int, Field(ge=1)]] | None,
        "return": None,
    }
    assert Boundary[None](charge, task="charge").signature_text == "(order: int, cents: list[int] | None) -> None"
