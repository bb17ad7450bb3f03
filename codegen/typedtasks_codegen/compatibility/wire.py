"""What types are on the wire: which JSON is written of one, and what another one reads of it, whatever they are in Python.

What a type writes is decided by the boundary (docs/wire-format.md), which reads strictly: text is never read as a number. Held by
`tests/breaking/test_pairs.py`, which runs both versions.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Final, cast

from typedtasks_codegen.compatibility.types import Data, is_data

__all__ = [
    "ANYTHING",
    "ARRAYS",
    "MAPPINGS",
    "SETS",
    "atom_reads",
    "is_fixed_tuple",
    "key_and_value",
    "lengths_of",
    "numbers_of",
    "reads_any_text",
    "satisfies",
    "value_of_atom",
    "written_constraints",
]

ANYTHING: Final = "pydantic.JsonValue"
_PATHS: Final = frozenset(f"pathlib.{name}" for name in ("Path", "PurePath", "PosixPath", "PurePosixPath"))
_URLS: Final = frozenset(
    f"pydantic.{name}"
    for name in (
        *("AnyUrl", "AnyHttpUrl", "HttpUrl", "FileUrl", "FtpUrl", "WebsocketUrl", "AnyWebsocketUrl"),
        *("PostgresDsn", "RedisDsn", "MongoDsn", "AmqpDsn", "KafkaDsn", "NatsDsn", "MySQLDsn", "MariaDBDsn"),
    )
)
_LENGTHS: Final[Mapping[str, tuple[int, int | None]]] = {
    "str": (0, None),
    "bytes": (0, None),
    "decimal.Decimal": (1, None),
    "datetime.date": (10, 10),
    "datetime.time": (8, None),
    "datetime.datetime": (19, None),
    "datetime.timedelta": (4, None),
    "uuid.UUID": (36, 36),
    **dict.fromkeys(_PATHS, (1, None)),
    **{f"ipaddress.IPv4{kind}": (7, 18) for kind in ("Address", "Network", "Interface")},
    **{f"ipaddress.IPv6{kind}": (2, None) for kind in ("Address", "Network", "Interface")},
    **dict.fromkeys(_URLS, (3, None)),
    **{f"pydantic.UUID{version}": (36, 36) for version in (1, 3, 4, 5, 6, 7, 8)},
    **{f"pydantic.{sort}Datetime": (19, None) for sort in ("Aware", "Naive", "Past", "Future")},
    **{f"pydantic.{sort}Date": (10, 10) for sort in ("Past", "Future")},
    "pydantic.EmailStr": (3, None),
}
"""The types that are text, and how long that is at least and at most. bytes are base64."""
_WIDER: Final[Mapping[str, frozenset[str]]] = {
    "float": frozenset({"int"}),
    "decimal.Decimal": frozenset({"int"}),
    "bytes": frozenset({"uuid.UUID", *(f"pydantic.UUID{version}" for version in (1, 3, 4, 5, 6, 7, 8))}),
    "datetime.date": frozenset({"pydantic.PastDate", "pydantic.FutureDate"}),
    "datetime.datetime": frozenset(f"pydantic.{sort}Datetime" for sort in ("Aware", "Naive", "Past", "Future")),
    "datetime.timedelta": frozenset({"datetime.time"}),
    "uuid.UUID": frozenset(f"pydantic.UUID{version}" for version in (1, 3, 4, 5, 6, 7, 8)),
    "pydantic.AnyUrl": _URLS,
    "pydantic.AnyHttpUrl": frozenset({"pydantic.HttpUrl"}),
    "pydantic.AnyWebsocketUrl": frozenset({"pydantic.WebsocketUrl"}),
}
"""What else a type reads, whatever its values: 36 characters with hyphens are base64 for URLs, and a time of day a duration."""
SETS: Final = frozenset({"set", "frozenset", "collections.abc.Set", "collections.abc.MutableSet"})
ARRAYS: Final = SETS | {"list", "tuple", "collections.deque", "collections.abc.Sequence", "collections.abc.MutableSequence"}
MAPPINGS: Final = frozenset(
    {
        *("dict", "collections.OrderedDict", "collections.Counter"),
        *("collections.abc.Mapping", "collections.abc.MutableMapping"),
    }
)
_SIZES: Final[Mapping[str, Callable[[int, int], bool]]] = {
    "min_length": lambda size, least: size >= least,
    "max_length": lambda size, most: size <= most,
}
_OF_INTS: Final = frozenset({"allow_inf_nan", "decimal_places", "max_digits"})
"""What every integer satisfies, but for the number of its digits."""
_BOUNDS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "gt": lambda value, bound: value > bound,
    "ge": lambda value, bound: value >= bound,
    "lt": lambda value, bound: value < bound,
    "le": lambda value, bound: value <= bound,
    "multiple_of": lambda value, step: value % step == 0,
}


def reads_any_text(form: object) -> bool:
    """Return whether a type, without its constraints, reads whatever text there is."""
    if is_data(form):
        return form.get("generic") == "typedtasks.Secret" and form["arguments"] == ["str"]
    return form == "str" or form in _PATHS


def lengths_of(form: object) -> tuple[int, int | None] | None:
    """Return how long what a type writes is at least and at most; None where that is no text."""
    if is_data(form):
        return (0, None) if reads_any_text(form) else None
    return _LENGTHS.get(str(form))


def atom_reads(target: object, source: object) -> bool:
    """Return whether all that one type writes is read by another one; both are without constraints."""
    if reads_any_text(target):
        return lengths_of(source) is not None
    return isinstance(target, str) and isinstance(source, str) and source in _WIDER.get(target, ())


def numbers_of(constraints: Data) -> Data:
    """Return the constraints of an integer with those that follow from its being one: more than 0 is at least 1."""
    found: dict[str, object] = dict(constraints)
    for strict, other, pick, shift in (("gt", "ge", max, 1), ("lt", "le", min, -1)):
        bounds = [_whole(found[key], strict=key == strict, shift=shift) for key in (strict, other) if _is_number(found.get(key))]
        if bounds:
            found.pop(strict, None)
            found[other] = pick(bounds)
    return {**found, "allow_inf_nan": False, "decimal_places": 0}


def _whole(bound: object, *, strict: bool, shift: int) -> int:
    number = cast("float", bound)
    if shift > 0:
        return math.floor(number) + 1 if strict else math.ceil(number)
    return math.ceil(number) - 1 if strict else math.floor(number)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def value_of_atom(target: str, value: object) -> bool | None:
    """Return whether a type without parts reads a JSON value that has none; None where that is not known."""
    if target == ANYTHING:
        return True
    if target in ("None", "bool"):
        return value is None if target == "None" else isinstance(value, bool)
    if isinstance(value, bool) or value is None:
        return False
    if target == "int":
        return isinstance(value, int)
    if target == "float":
        return isinstance(value, int | float)
    if target == "decimal.Decimal" and isinstance(value, int):
        return True
    if not isinstance(value, str):
        return False if target in _LENGTHS else None
    return True if reads_any_text(target) else None


def satisfies(value: object, constraints: Data) -> bool | None:
    """Return whether a JSON value satisfies constraints; None where that is not known."""
    for key, wanted in constraints.items():
        try:
            if key in _SIZES:
                holds = _SIZES[key](len(cast("str", value)), cast("int", wanted))
            elif key in _BOUNDS:
                holds = _BOUNDS[key](cast("float", value), cast("float", wanted))
            elif key in _OF_INTS and isinstance(value, int):
                holds = key != "max_digits" or len(str(abs(value))) <= wanted
            elif key == "pattern":
                holds = re.search(wanted, cast("str", value)) is not None
            else:
                return None
        except (TypeError, ZeroDivisionError, re.error):
            return None
        if not holds:
            return False
    return True


def key_and_value(mapping: Data) -> tuple[object, object]:
    """Return the types of a mapping's keys and values; what a Counter counts with is no argument of it."""
    arguments = mapping["arguments"]
    return arguments[0], arguments[1] if len(arguments) > 1 else "int"


def is_fixed_tuple(form: Data) -> bool:
    """Return whether an array has a type for each of its items."""
    return form["generic"] == "tuple" and not form.get("variadic", False)


def written_constraints(target: object, source: object, constraints: Data) -> Data:
    """Return what is certain of all that the source writes, as constraints of the target's kind."""
    if source == "int":
        return numbers_of(constraints)
    if reads_any_text(target) and not is_data(source) and source != "str":
        least, most = lengths_of(source) or (0, None)
        return {"min_length": least} if most is None else {"min_length": least, "max_length": most}
    if is_data(source) and source.get("generic") in ARRAYS:
        return _sizes(target, source, constraints)
    return constraints


def _sizes(target: object, source: Data, constraints: Data) -> Data:
    """Return the constraints of an array with its size, as a set has it whose equal items are one."""
    found = dict(constraints)
    if is_fixed_tuple(source):
        found |= {"min_length": len(source["arguments"]), "max_length": len(source["arguments"])}
    if is_data(target) and target.get("generic") in SETS and source["generic"] not in SETS and "min_length" in found:
        found["min_length"] = min(1, cast("int", found["min_length"]))
    return found
