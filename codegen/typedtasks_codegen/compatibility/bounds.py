"""Whether one constraint follows from others: bounds, lengths and multiples."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Final

from typedtasks_codegen.compatibility.types import Data, same

__all__ = ["AT_LEAST", "AT_MOST", "implied"]

AT_MOST: Final = frozenset({"lt", "le", "max_length", "str_max_length"})
AT_LEAST: Final = frozenset({"gt", "ge", "min_length", "str_min_length"})
_OPPOSITE: Final = {"gt": ("ge",), "ge": ("gt",), "lt": ("le",), "le": ("lt",)}


def implied(key: str, value: object, source: Data) -> bool:
    """Return whether the source's constraints say already what the target asks for."""
    known = source.get(key)
    if key in source and same(known, value):
        return True
    check = _COMPARISONS.get(key)
    if check is None:
        return False
    if key in source and _is_number(value) and _is_number(known):
        return check(_exact(value), _exact(known))
    for other in _OPPOSITE.get(key, ()):
        strict = key in ("gt", "lt")  # more than 3 says at least 3, but not the other way round
        if other in source and _is_number(value) and _is_number(source[other]):
            bound, wanted = _exact(source[other]), _exact(value)
            if (bound > wanted if key in AT_LEAST else bound < wanted) or (not strict and bound == wanted):
                return True
    return False


_COMPARISONS: Final[Mapping[str, Callable[[Fraction, Fraction], bool]]] = {
    **dict.fromkeys(AT_LEAST, lambda target, source: source >= target),
    **dict.fromkeys(AT_MOST, lambda target, source: source <= target),
    "multiple_of": lambda target, source: target != 0 and (source / target).denominator == 1,
}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _exact(value: object) -> Fraction:
    return Fraction(str(value))
