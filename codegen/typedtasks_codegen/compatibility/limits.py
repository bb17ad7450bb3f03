"""Whether what a type asks of its values besides their type is asked of another one's already: constraints, configuration, code."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from typedtasks_codegen.compatibility.bounds import AT_LEAST, AT_MOST, DIGITS, digits_fit, implied
from typedtasks_codegen.compatibility.gaps import Gap, Kind
from typedtasks_codegen.compatibility.sides import Side
from typedtasks_codegen.compatibility.types import (
    CODE,
    CONFIG,
    CONFIG_WITHOUT_EFFECT,
    TWICE,
    WITHOUT_EFFECT,
    Data,
    by_wire_name,
    is_data,
    is_union,
    members,
    opened,
    refusing,
    split,
    value_shown,
)

__all__ = ["BY_NAME", "Limits"]

BY_NAME: Final = ("populate_by_name", "validate_by_name")
_CHANGING: Final = frozenset({"strip_whitespace", "to_lower", "to_upper", "coerce_numbers_to_str"})
"""Constraints that change a value before the others look at it."""


class Limits:
    """Compares what the types of one contract (the target) ask for with what those of another (the source) do."""

    def __init__(self, target: Side, source: Side) -> None:
        self._target: Data = target.types
        self._source: Data = source.types

    def gaps(self, target: Data, source: Data, path: str, written: object) -> Iterator[Gap]:
        """Yield what constraints ask for that need not be so. `written` is the type that the source's are of."""
        for key, value in sorted(target.items()):
            if key in WITHOUT_EFFECT or implied(key, value, source) or (key in DIGITS and digits_fit(target, source)):
                continue
            if key == CODE:
                known = source.get(CODE, [])
                yield from (_refusing(name, path) for name in value if name not in known)
            elif key == CONFIG:
                yield Gap(
                    Kind.UNPROVED, path, f"{value_shown(value)} where the other version has {value_shown(source.get(CONFIG, {}))}"
                )
            elif key == "discriminator" and key not in source and self._has_tag(written, str(value)):
                continue
            elif key == TWICE or (key == "discriminator" and key not in source):
                yield Gap(Kind.UNPROVED, path, "a further constraint or discriminator cannot be compared")
            else:
                known = f"have {key}={value_shown(source[key])}" if key in source else "need not be so"
                yield Gap(Kind.CONSTRAINT, path, f"{key}={value_shown(value)} is asked for, and values {known}")
        for key in sorted(_CHANGING & (set(source) - set(target))):
            if not set(target) <= WITHOUT_EFFECT:
                yield Gap(Kind.UNPROVED, path, f"{key} changed values before they were looked at, and does not any more")

    def _has_tag(self, written: object, tag: str) -> bool:
        """Return whether each type that may be written has a field that is always there."""
        for member in members(written) if is_union(written) else [written]:
            inner = split(opened(member, self._source))[0]
            fields = by_wire_name(self._source[inner["ref"]]) if is_data(inner) and "ref" in inner else {}
            if tag not in fields or not fields[tag]["required"]:
                return False
        return True

    def config_gaps(self, target: Data, source: Data, path: str) -> Iterator[Gap]:
        """Yield what the configuration of a class says otherwise."""
        for key in sorted(set(target) | set(source)):
            if key in CONFIG_WITHOUT_EFFECT or key in BY_NAME or target.get(key) == source.get(key):
                continue
            if key in target and implied(key, target[key], source):
                continue
            if key not in target and (key in AT_LEAST or key in AT_MOST):
                continue
            yield Gap(Kind.UNPROVED, path, f"{_setting(key, target)} where the other version has {_setting(key, source)}")

    def validator_gaps(self, target: Data, source: Data, path: str) -> Iterator[Gap]:
        """Yield the validators of a class that the other one has not."""
        known = refusing(source)
        yield from (_refusing(name, path) for name in refusing(target) if name not in known)


def _refusing(name: str, path: str) -> Gap:
    """Return that code may refuse values."""
    return Gap(Kind.VALIDATOR, path, f"the {name} may refuse what it has not seen")


def _setting(key: str, config: Data) -> str:
    return f"{key}={value_shown(config[key])}" if key in config else f"no {key}"
