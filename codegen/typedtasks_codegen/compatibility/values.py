"""Types that write a few values only: each of them is looked at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from typedtasks_codegen.compatibility.sides import Side
from typedtasks_codegen.compatibility.types import (
    STANDS_FOR,
    WITHOUT_EFFECT,
    Data,
    among,
    besides,
    is_data,
    is_union,
    joined,
    meant_by,
    members,
    split,
)
from typedtasks_codegen.compatibility.wire import reads_any_text, satisfies, value_of_atom

__all__ = ["Values"]

_DEEPEST = 50


class Values:
    """What the types of one contract (the source) write where that is a few values, and whether those of another one read them."""

    def __init__(self, target: Side, source: Side) -> None:
        self._target: Data = target.types
        self._source: Data = source.types

    def of(self, source: object) -> Sequence[object] | None:
        """Return all that a type of the source writes; None where that is more than a few values."""
        if source == "bool":
            return [True, False]
        if source == "None":
            return [None]
        if not is_data(source):
            return None
        if "literal" in source:
            return cast("Sequence[object]", source["literal"])
        definition: Data = self._source[source["ref"]] if "ref" in source else {"kind": ""}
        if definition["kind"] != "enum" or _may_have_more(definition):
            return None
        return [member["value"] for member in definition.get("members", [])]

    def are_alike(self, target: object, source: object) -> bool:
        """Return whether two types are of one kind, which has a comparison of its own: atoms, literals, enums."""
        if not is_data(target) or not is_data(source):
            return target == source
        if is_union(target):
            return "literal" in source and any(is_data(one) and "literal" in one for one in members(target))
        if "literal" in target:
            return "literal" in source
        return "ref" in target and "ref" in source and self._target[target["ref"]]["kind"] == "enum"

    def are_read(self, target: object, value: object, depth: int = 0) -> bool | None:
        """Return whether a type of the target reads a JSON value without parts; None where that is not known."""
        inner, constraints = split(target)
        held = {key: wanted for key, wanted in constraints.items() if key not in WITHOUT_EFFECT}
        return _both(self._is_read(inner, value, depth), satisfies(value, held) if held else True)

    def _is_read(self, inner: object, value: object, depth: int) -> bool | None:
        if not is_data(inner):
            return value_of_atom(str(inner), value)
        if depth > _DEEPEST:
            return None
        if is_union(inner):
            answers = [self.are_read(member, value, depth + 1) for member in members(inner)]
            return True if True in answers else None if None in answers else False
        if "literal" in inner:
            return among(value, inner["literal"])
        if "ref" in inner:
            return self._is_read_by(self._target[inner["ref"]], inner, value, depth)
        return isinstance(value, str) if reads_any_text(inner) else False if "generic" in inner else None

    def _is_read_by(self, definition: Data, form: Data, value: object, depth: int) -> bool | None:
        kind = definition["kind"]
        if kind == "enum":
            is_member = among(value, [member["value"] for member in definition.get("members", [])])
            return True if is_member else None if _may_have_more(definition) else False
        if kind in STANDS_FOR:
            inner, constraints = split(meant_by(definition, form))
            further = joined(constraints, besides(definition))
            return self.are_read({"type": inner, "constraints": further} if further else inner, value, depth + 1)
        return False


def _may_have_more(definition: Data) -> bool:
    """Return whether an enum may have members that it does not name."""
    bases: Sequence[str] = definition.get("bases", [])
    return "_missing_" in definition.get("does_not_travel", []) or any(base in ("enum.Flag", "enum.IntFlag") for base in bases)


def _both(one: bool | None, other: bool | None) -> bool | None:
    if one is False or other is False:
        return False
    return None if one is None or other is None else True
