"""Random types and random values of them, hostile ones too: what a call accepts is read where it arrives, as what it was.

`python -m tests.fuzz.values --calls 1000000` makes that many calls, in one process; `--seed` repeats what a report names.
"""

from __future__ import annotations

import argparse
import collections
import copy
import dataclasses
import math
import random
import sys
import time as clock
from collections.abc import Callable, Mapping, Sequence, Set
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, Flag, IntEnum, StrEnum
from fractions import Fraction
from functools import partial
from ipaddress import IPv4Address, IPv6Interface
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal, NamedTuple, TypeAlias, cast
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    AnyUrl,
    BaseModel,
    BeforeValidator,
    Field,
    JsonValue,
    PlainSerializer,
    RootModel,
    StringConstraints,
    create_model,
    field_serializer,
)
from typing_extensions import TypedDict

from typedtasks import DefinitionError
from typedtasks.contract import Boundary, Misfit
from typedtasks.errors import PayloadInvalid, PayloadTooLarge, representation

__all__ = ["Report", "exchange_values"]

# Any: types and values of every kind there is.
Sample: TypeAlias = Callable[[], Any]
Kind: TypeAlias = tuple[Any, Sample]

_VALUES_OF_A_TYPE: Final = 200


@dataclasses.dataclass
class Report:
    """What came out."""

    calls: int = 0
    accepted: int = 0
    types: int = 0
    refused_types: int = 0
    failures: list[str] = dataclasses.field(default_factory=list)


class Colour(Enum):
    RED = "red"
    BLUE = 2
    HALF = 0.5


class Word(StrEnum):
    A = "a"
    B = "b"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Rights(Flag):
    READ = 1
    WRITE = 2


class Text(str): ...


class Pair(NamedTuple):
    first: int
    second: str = "x"


@dataclasses.dataclass
class Taxed:
    cents: int

    def __post_init__(self) -> None:
        self.cents = self.cents * 119 // 100


class Rounded(BaseModel):
    """Writes less than it has."""

    price: Decimal
    at: datetime | None = None

    @field_serializer("price")
    def _price(self, price: Decimal) -> str:
        return str(price.normalize())

    @field_serializer("at", when_used="json-unless-none")
    def _at(self, at: datetime) -> str:
        return at.isoformat(timespec="minutes")


class Values:
    """Makes types, each with what makes its values, by chance."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._number = 0
        self._makers: Sequence[Callable[[int], Kind]] = [
            *(self._list, self._tuple, self._dict, self._set, self._optional, self._union, self._model, self._model),
            *(self._dataclass, self._typed_dict, self._tagged, self._root, self._abstract, self._with_code),
        ]

    def kind(self, depth: int = 3) -> Kind:
        """Return a type and what makes its values."""
        if depth <= 0 or self._chance.random() < 0.3:
            return self._chance.choice(self._scalars())
        return self._chance.choice(self._makers)(depth - 1)

    def _scalars(self) -> list[Kind]:
        pick, chance = self._pick, self._chance
        return [
            (int, lambda: pick(0, -1, 2**63, 10**4299, 10**4300, -(10**4400), True, Level.LOW, 1.0, chance.getrandbits(90))),
            (float, lambda: pick(0.0, -0.0, math.nan, math.inf, 5e-324, 1.8e308, 1, 2**53 + 1, 10**400, chance.gauss(0, 1e9))),
            (str, lambda: pick("", "é\x00", "\ud800", "9" * 4500, Word.A, Text("t"), 1, self._text())),
            (bytes, lambda: pick(b"", b"\xff" * 7, bytearray(b"x"), chance.randbytes(9))),
            (bool, lambda: pick(True, False, 1)),
            (None, lambda: None),
            (
                Decimal,
                lambda: pick(Decimal("1.10"), Decimal("-0"), Decimal("1E+400"), Decimal("NaN"), Decimal("sNaN"), Decimal(1) / 3),
            ),
            (
                Annotated[Decimal, Field(allow_inf_nan=True)],
                lambda: pick(*map(Decimal, ("NaN", "sNaN", "Infinity", "NaN12", "1.0"))),
            ),
            (Fraction, lambda: Fraction(chance.randint(-9, 9), chance.randint(1, 9))),
            (complex, lambda: pick(1j, complex(-0.0, 1), complex(math.nan, 1), complex(1, -0.0), complex(chance.gauss(0, 1), 2))),
            (datetime, self._moment),
            (time, lambda: self._moment().timetz()),
            (date, lambda: pick(date.min, date.max, self._moment(), self._moment().date())),
            (timedelta, lambda: pick(timedelta.max, timedelta.min, timedelta(microseconds=chance.randint(-(10**15), 10**15)))),
            (UUID, lambda: UUID(int=chance.getrandbits(128))),
            (Path, lambda: pick(Path("a/../b"), Path(""), Path("a\udcff"), Path(self._text() or "x"))),
            (IPv4Address, lambda: IPv4Address(chance.getrandbits(32))),
            (IPv6Interface, lambda: IPv6Interface((chance.getrandbits(128), chance.randint(0, 128)))),
            (AnyUrl, lambda: AnyUrl(pick("redis://x/a b", "http://münchen.de:80/ä?é#f", "mailto:a@b", "http://x"))),
            (Colour, lambda: pick(*Colour)),
            (Word, lambda: pick(*Word)),
            (Level, lambda: pick(*Level, 1)),
            (Rights, lambda: pick(*Rights, Rights(0), Rights(3))),
            (Literal[1, True, "1", "a"], lambda: pick(1, True, "1", "a", 2)),
            (JsonValue, self._json),
            (Pair, lambda: pick(Pair(1), Pair(10**4300), Pair(2, "\ud800"), Pair(3, self._text()))),
            (Taxed, lambda: Taxed(pick(0, 1, 100))),
            (
                Rounded,
                lambda: Rounded(
                    price=pick(Decimal("1.10"), Decimal("1.1")), at=pick(None, datetime(2026, 1, 1, 2, 3), self._moment())
                ),
            ),
        ]

    def _pick(self, *values: Any) -> Any:
        return self._chance.choice(values)

    def _text(self) -> str:
        return "".join(self._chance.choice("ab é\n\u2028\U0001f600\x00 ") for _ in range(self._chance.randint(0, 8)))

    def _moment(self) -> Any:
        zones = (None, UTC, ZoneInfo("Europe/Berlin"), ZoneInfo("Europe/Amsterdam"), timezone(timedelta(seconds=5430)))
        offset = timezone(timedelta(minutes=self._chance.randint(-1439, 1439)))
        day = datetime(self._pick(1930, 2025, 2026), 10, self._chance.randint(1, 31), 2, 30, 1, self._pick(0, 7))
        moment = day.replace(tzinfo=self._pick(*zones, offset), fold=self._pick(0, 0, 0, 1))
        return self._pick(moment, moment, moment, moment, datetime.min, datetime.max, datetime.max.replace(tzinfo=UTC))

    def _json(self, depth: int = 3) -> Any:
        if depth and self._chance.random() < 0.4:
            return [self._json(depth - 1) for _ in range(self._chance.randint(0, 3))]
        if depth and self._chance.random() < 0.3:
            return {self._pick("", "a", "é", "\ud800", 1, Word.A): self._json(depth - 1) for _ in range(self._chance.randint(0, 3))}
        return self._pick(
            None, True, 0, -0.0, 2**70, 10**4400, math.nan, 1e300, "", "\ud800", self._text(), (1,), Decimal(1), Word.B
        )

    def _items(self, sample: Sample) -> list[Any]:
        return [sample() for _ in range(self._chance.choice((0, 1, 1, 2, 3)))]

    def _list(self, depth: int) -> Kind:
        hint, sample = self.kind(depth)
        if self._chance.random() < 0.2:
            limit = self._pick(None, 9)
            return _of(collections.deque, hint), lambda: collections.deque(self._items(sample), limit)
        return _of(list, hint), lambda: self._pick(list, list, list, tuple)(self._items(sample))

    def _tuple(self, depth: int) -> Kind:
        kinds = [self.kind(depth) for _ in range(self._chance.randint(1, 3))]
        if len(kinds) == 1:
            return _of(tuple, kinds[0][0], ...), lambda: tuple(self._items(kinds[0][1]))
        return _of(tuple, *(hint for hint, _ in kinds)), lambda: tuple(sample() for _, sample in kinds)

    def _key(self) -> Kind:
        keys = [*self._scalars()[:4], *self._scalars()[10:16], (Word, lambda: self._pick(*Word)), (bool, lambda: True)]
        return self._chance.choice(keys)

    def _dict(self, depth: int) -> Kind:
        key, key_sample = self._key()
        hint, sample = self.kind(depth)

        def made() -> dict[Any, Any]:
            return {_hashable(key_sample()): sample() for _ in range(self._chance.randint(0, 3))}

        match self._chance.randrange(6):
            case 0:
                return _of(collections.OrderedDict, key, hint), lambda: collections.OrderedDict(made())
            case 1:
                return _of(collections.defaultdict, key, _of(list, hint)), lambda: collections.defaultdict(
                    self._pick(list, list, None, dict), {one: [two] for one, two in made().items()}
                )
            case 2:
                return _of(collections.Counter, key), lambda: collections.Counter({one: self._pick(0, -1, 5) for one in made()})
            case _:
                return _of(dict, key, hint), made

    def _set(self, depth: int) -> Kind:
        hint, sample = self._key()
        make = self._pick(set, frozenset)
        if self._chance.random() < 0.3:
            hint, inner = _of(tuple, hint, int), sample
            return _of(make, hint), lambda: make((_hashable(inner()), number) for number in range(2))
        return _of(make, hint), lambda: make(map(_hashable, self._items(sample)))

    def _optional(self, depth: int) -> Kind:
        hint, sample = self.kind(depth)
        return hint | None if hint is not None else None, lambda: self._pick(None, sample())

    def _union(self, depth: int) -> Kind:
        (one, first), (two, second) = self.kind(depth), self.kind(depth)
        try:
            return one | two, lambda: self._pick(first, second)()
        except TypeError:
            return one, first

    def _fields(self, depth: int) -> dict[str, Kind]:
        return {
            name: self.kind(depth)
            for name in self._chance.sample(["a", "type", "schema", "ref", "items", "x"], self._chance.randint(1, 3))
        }

    def _name(self) -> str:
        self._number += 1
        return f"Type{self._number}"

    def _model(self, depth: int) -> Kind:
        kinds = self._fields(depth)
        definitions: dict[str, Any] = {}
        for name, (hint, sample) in kinds.items():
            default = self._pick(..., ..., None, "sample", "factory")
            if default is None:
                definitions[f"{name}_"] = (hint | None if hint is not None else None, None)
            elif default == "sample":
                definitions[f"{name}_"] = (hint, sample())
            elif default == "factory":
                made = sample()
                definitions[f"{name}_"] = (hint, Field(default_factory=lambda made=made: copy.deepcopy(made)))
            else:
                definitions[f"{name}_"] = (hint, ...)
        cls = create_model(self._name(), **definitions)

        def make() -> Any:
            given = {f"{name}_": sample() for name, (_, sample) in kinds.items()}
            required = {name for name, field in cls.model_fields.items() if field.is_required()}
            kept = {name: value for name, value in given.items() if name in required or self._chance.random() < 0.5}
            return cls.model_construct(**kept) if self._chance.random() < 0.3 else cls(**kept)

        return cls, make

    def _dataclass(self, depth: int) -> Kind:
        kinds = self._fields(depth)
        cls = dataclasses.make_dataclass(self._name(), [(f"{name}_", hint) for name, (hint, _) in kinds.items()])
        return cls, lambda: cls(*(sample() for _, sample in kinds.values()))

    def _typed_dict(self, depth: int) -> Kind:
        kinds = self._fields(depth)
        cls = cast("Any", TypedDict)(self._name(), {name: hint for name, (hint, _) in kinds.items()})
        return cls, lambda: {name: sample() for name, (_, sample) in kinds.items()}

    def _tagged(self, depth: int) -> Kind:
        members: list[Kind] = []
        for tag in ("a", "b"):
            hint, sample = self.kind(depth)
            fields: dict[str, Any] = {"kind": (_of(Literal, tag), tag), "value": (hint, ...), "note": (str, "")}
            cls = create_model(self._name(), **fields)
            members.append((cls, partial(_tagged, cls, sample)))
        (one, first), (two, second) = members
        union = one | two
        return self._pick(union, _of(Annotated, union, Field(discriminator="kind"))), lambda: self._pick(first, second)()

    def _root(self, depth: int) -> Kind:
        hint, sample = self.kind(depth)
        cls = type(self._name(), (_of(RootModel, hint),), {})
        return cls, lambda: cls(sample())

    def _abstract(self, depth: int) -> Kind:
        hint, sample = self.kind(depth)
        key, key_sample = self._key()
        match self._chance.randrange(3):
            case 0:
                return _of(Sequence, hint), lambda: self._pick(list, tuple, collections.deque)(self._items(sample))
            case 1:
                return _of(Set, key), lambda: self._pick(set, frozenset, lambda one: dict.fromkeys(one).keys())(
                    [_hashable(one) for one in self._items(key_sample)]
                )
            case _:
                return _of(Mapping, key, hint), lambda: self._pick(dict, MappingProxyType, collections.OrderedDict)(
                    {_hashable(key_sample()): sample() for _ in range(2)}
                )

    def _with_code(self, depth: int) -> Kind:
        del depth
        chance = self._chance
        kinds: list[Kind] = [
            (Annotated[int, AfterValidator(lambda x: x + 1)], lambda: chance.randint(-9, 9)),
            (Annotated[int, AfterValidator(int)], lambda: chance.randint(-9, 9)),
            (Annotated[str, StringConstraints(to_lower=True)], lambda: "abc"),
            (Annotated[int, BeforeValidator(int)], lambda: chance.randint(-9, 9)),
            (Annotated[float, PlainSerializer(lambda x: round(x, 1))], lambda: self._pick(1.5, 1.25, math.nan)),
            (Annotated[list[int], PlainSerializer(lambda x: x[:1])], lambda: self._pick([], [1], [1, 2])),
            (Annotated[datetime, PlainSerializer(lambda x: x.timestamp())], self._moment),
        ]
        return chance.choice(kinds)


def _tagged(cls: Any, sample: Sample) -> Any:
    return cls(value=sample())


def _of(generic: Any, *arguments: Any) -> Any:
    """Return a generic type with its arguments, which only run time knows."""
    return generic[arguments if len(arguments) > 1 else arguments[0]]


def _hashable(value: Any) -> Any:
    try:
        hash(value)
    except TypeError:
        return str(value)
    return value


def alike(given: Any, arrived: Any) -> bool:
    """Return whether a value is what was given; not by the code that is tested."""
    if isinstance(given, BaseModel) or dataclasses.is_dataclass(given):
        names = type(given).model_fields if isinstance(given, BaseModel) else [one.name for one in dataclasses.fields(given)]
        return type(given) is type(arrived) and all(alike(getattr(given, name), getattr(arrived, name)) for name in names)
    if isinstance(given, Mapping):
        pairs = zip(given.items(), arrived.items(), strict=False)
        return len(given) == len(arrived) and all(alike(one, two) and alike(this, that) for (one, this), (two, that) in pairs)
    if isinstance(given, Set):
        return len(given) == len(arrived) and all(any(alike(one, other) for other in arrived) for one in given)
    if isinstance(given, list | tuple | collections.deque):
        limits = getattr(given, "maxlen", None) == getattr(arrived, "maxlen", None) or not isinstance(arrived, collections.deque)
        return limits and len(given) == len(arrived) and all(map(alike, given, arrived))
    if isinstance(given, datetime | time):
        same = given.replace(tzinfo=None) == arrived.replace(tzinfo=None) and given.utcoffset() == arrived.utcoffset()
        return same and (given.tzinfo is None) == (arrived.tzinfo is None) and (given.utcoffset() is not None or given.fold == 0)
    if isinstance(given, float | complex | Decimal):
        return type(given) is type(arrived) and repr(given) == repr(arrived)
    return bool(isinstance(given, (type(arrived), int))) and bool(given == arrived)


def exchange_values(calls: int, seed: int) -> Report:
    """Make calls by chance, and look at what arrives."""
    report = Report()
    while report.calls < calls:
        place = f"{seed} {report.types}"
        values = Values(random.Random(place))
        hint: Any = None
        try:
            hint, sample = values.kind(4)
            boundary = _boundary(hint)
        except (DefinitionError, TypeError, ValueError):  # also of pydantic, for a default that nobody could make
            report.refused_types += 1
            report.types += 1
            continue
        report.types += 1
        for _ in range(min(_VALUES_OF_A_TYPE, calls - report.calls)):
            report.calls += 1
            try:
                given = sample()
            except (TypeError, ValueError, ArithmeticError):
                continue  # a model that refuses its own values, or a default that cannot be copied
            found = _exchange(boundary, given, report)
            if found is not None:
                report.failures.append(f"{place}: {hint}: {representation(given)}: {found}")
                break
    return report


def _boundary(hint: Any) -> Boundary[Any]:
    def function(value: object) -> object:
        return value

    function.__annotations__ = {"value": hint, "return": hint}
    return Boundary(function, task="t", max_payload=100_000)


def _exchange(boundary: Boundary[Any], given: Any, report: Report) -> str | None:
    """Return what is wrong with one call and one result; None where all is right."""
    try:
        payload = boundary.encode_arguments((given,), {})
    except (PayloadInvalid, PayloadTooLarge):
        return None
    report.accepted += 1
    try:
        arrived = boundary.decode_arguments(payload)[1]["value"]
        result = boundary.decode_result(boundary.encode_result(given))
    except Misfit as misfit:
        return f"a dead letter: {misfit}"
    if not alike(given, arrived):
        return f"arrived as {representation(arrived)}"
    return None if alike(given, result) else f"came back as {representation(result)}"


def main() -> int:
    """Make the calls, and return 1 where one was accepted and did not arrive as it was."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.values", description=__doc__)
    parser.add_argument("--calls", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=random.randrange(10**9))
    options = parser.parse_args()
    begun = clock.monotonic()
    report = exchange_values(options.calls, options.seed)
    print(
        f"{report.calls:,} calls of {report.types - report.refused_types:,} types ({report.refused_types:,} more were refused), "
        f"{report.accepted:,} accepted, {len(report.failures)} failures, --seed {options.seed}, {clock.monotonic() - begun:.0f} s"
    )
    for failure in report.failures[:20]:
        print(f"  {failure}")
    return int(bool(report.failures))


if __name__ == "__main__":
    sys.exit(main())
