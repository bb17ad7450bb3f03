"""Whether one constraint follows from others: bounds, lengths and multiples."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Final

from typedtasks_codegen.compatibility.types import Data, is_data, same

__all__ = ["AT_LEAST", "AT_MOST", "DIGITS", "digits_fit", "implied"]

AT_MOST: Final = frozenset({"lt", "le", "max_length", "str_max_length"})
AT_LEAST: Final = frozenset({"gt", "ge", "min_length", "str_min_length"})
DIGITS: Final = frozenset({"max_digits", "decimal_places"})
_LARGEST: Final = 10_000
"""Digits of a decimal that is compared."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_OPPOSITE: Final = {"gt": ("ge",), "ge": ("gt",), "lt": ("le",), "le": ("lt",)}


def implied(key: str, value: object, source: Data) -> bool:
    """Return whether the source's constraints say already what the target asks for."""
    known = source.get(key)
    if key in source and same(known, value):
        return True
    check = _COMPARISONS.get(key)
    wanted, bound = _measured(value), _measured(known)
    if check is None or wanted is None:
        return False
    if bound is not None:
        return bound[0] == wanted[0] and check(wanted[1], bound[1])
    for other in _OPPOSITE.get(key, ()):
        strict = key in ("gt", "lt")  # more than 3 says at least 3, but not the other way round
        bound = _measured(source.get(other))
        if bound is not None and bound[0] == wanted[0]:
            further = bound[1] > wanted[1] if key in AT_LEAST else bound[1] < wanted[1]
            if further or (not strict and bound[1] == wanted[1]):
                return True
    return False


def digits_fit(target: Data, source: Data) -> bool:
    """Return whether all digits that the source's limits allow are allowed by the target's.

    Both limits together are a third one: before the point there may be `max_digits - decimal_places`.
    """
    wanted, digits = target.get("max_digits"), source.get("max_digits")
    places, written = target.get("decimal_places"), source.get("decimal_places")
    for most, known in ((wanted, digits), (places, written)):
        if most is not None and not (isinstance(most, int) and isinstance(known, int) and known <= most):
            return False
    if wanted is None or places is None or digits is None or written is None:
        return True
    return bool(max(0, digits - written) <= max(0, wanted - places))


_COMPARISONS: Final[Mapping[str, Callable[[Fraction, Fraction], bool]]] = {
    **dict.fromkeys(AT_LEAST, lambda target, source: source >= target),
    **dict.fromkeys(AT_MOST, lambda target, source: source <= target),
    "multiple_of": lambda target, source: target != 0 and (source / target).denominator == 1,
}


def _measured(value: object) -> tuple[str, Fraction] | None:
    """Return a bound as a number, with what it counts: a date is only compared with dates. None for what is not compared."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return "number", Fraction(str(value))
    if not is_data(value) or value.get("$") != "call":
        return None
    name, arguments = value["name"], value["arguments"]
    try:
        if name == "decimal.Decimal":
            number = Decimal(arguments[0])
            return ("number", Fraction(number)) if number.is_finite() and abs(number.adjusted()) < _LARGEST else None
        if name == "datetime.timedelta":
            return name, _seconds(timedelta(*arguments))
        if name == "datetime.date.fromisoformat":
            return name, Fraction(date.fromisoformat(arguments[0]).toordinal())
        if name == "datetime.datetime.fromisoformat":
            moment = datetime.fromisoformat(arguments[0])
            zone = "without a zone" if moment.tzinfo is None else "with a zone"
            return f"{name} {zone}", _seconds(moment.replace(tzinfo=moment.tzinfo or UTC) - _EPOCH)
    except (ValueError, TypeError, LookupError, ArithmeticError):  # in a contract that was not written by `generate`
        return None
    return None


def _seconds(duration: timedelta) -> Fraction:
    return Fraction(duration // timedelta(microseconds=1), 1_000_000)
