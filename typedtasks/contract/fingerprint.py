"""A short hash of what a task's calls look like: two sides that have the same one read each other's messages alike."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from functools import partial
from typing import Any, Final, cast
from uuid import UUID

from pydantic import JsonValue

from typedtasks.contract.classes import Built, Outline, circles
from typedtasks.contract.nodes import KEYS, NAMED, Node

__all__ = ["fingerprint"]

_ASIDE: Final = frozenset(
    {
        *("metadata", "ref", "cls", "cls_name", "serialization", "function", "default", "default_factory", "fields_set"),
        *("model_name", "dataclass_name", "root_model", "post_init", "custom_init", "generic_origin", "computed_fields", "config"),
        *("default_factory_takes_data", "copy_default", "validate_default", "on_error", "missing", "frozen", "slots", "title"),
        *("init", "init_only", "kw_only", "repr", "serialization_exclude", "include", "exclude", "cls_repr"),
        *("custom_error_type", "custom_error_message", "custom_error_context", "json_schema_input_schema"),
    }
)
"""What a schema says that no message shows, or that another side, which has no code of this one, cannot have."""
_WRITTEN: Final = (float, Decimal, Fraction, date, time, timedelta, UUID)
"""What says the same in every process, so that a bound or a member of this type counts."""
_CHECKING: Final = ("ipaddress", "pydantic.networks", "pydantic._internal._validators")
"""Where the functions are that check what a type says."""
_ROUNDS: Final = 64
"""How many classes deep classes are followed that refer to each other in a circle."""
_KEPT_CONFIG: Final = (
    "extra_fields_behavior",
    "strict",
    "str_max_length",
    "str_min_length",
    "str_strip_whitespace",
    "allow_inf_nan",
)


def fingerprint(length: int, types: Sequence[Built], names: Sequence[str] = ()) -> str:
    """Return a hash of types, `length` characters of 6 bits: the same in every process, and in generated clients.

    It covers types, constraints, names of fields, what is required and what has a default; neither docs, nor validators, nor the
    names of classes.
    """
    return _hash([[_shape_of(one) for one in types], *names])[:length]


def _shape_of(built: Built) -> str:
    """Return the hash of a type. That of each class inside it is made once, however many types lead to it."""
    new: dict[int, Built] = {}
    waiting = [built]
    while waiting:
        one = waiting.pop()
        if not one.shape and id(one) not in new:
            new[id(one)] = one
            waiting += one.inside.values()
    for circle in circles([*new.values()]):
        for one in circle:
            one.outline = _Writing(one).outline()
        _find_shapes(circle)
    return built.shape


def _find_shapes(circle: Sequence[Built]) -> None:
    """Find the hashes of classes that lead to each other, mostly of one that does not lead to itself.

    pydantic may have made several schemas of a class, so that a circle can begin with other copies of the same classes, and which
    copies there are is another thing in each process. So what looks like something that it leads to has the same hash.
    """
    inside = {id(found) for one in circle for found in _led_to(one)}
    if any(id(one) in inside for one in circle):
        # The name of a type that leads to others of the circle, and to which nothing does, is no part of it.
        named = [one for one in circle if one.is_class or id(one) in inside]
        shapes = _alike_inside(named[0])
        if not shapes:
            # What refers to itself has no hash to begin with: each round follows it one class deeper.
            for _ in range(_ROUNDS):
                shapes = {id(one): _whole(one, shapes) for one in named}
        for one in named:
            one.shape = shapes[id(one)]
    for one in circle:
        if not one.shape:
            one.shape = _alike_inside(one).get(id(one)) or _whole(one, {})


def _whole(built: Built, shapes: Mapping[int, str]) -> str:
    """Return the hash of a class by its outline; that of one that has an end is the outline's own."""
    inside = [shapes.get(id(found), found.shape) for found in _led_to(built)]
    text = "" if built.outline is None else built.outline.text
    return _hash([text, *inside]) if inside else text


def _led_to(built: Built) -> Sequence[Built]:
    return () if built.outline is None else built.outline.led_to


def _alike_inside(first: Built) -> Mapping[int, str]:
    """Return the hashes of endless classes, from `first` on, by what looks the same further inside; nothing where nothing does."""
    seen: set[int] = set()
    waiting = [first]
    while waiting:
        one = waiting.pop()
        if id(one) not in seen:
            seen.add(id(one))
            waiting += _led_to(one)
            if one.shape and (shapes := _alike(first, one)):
                return shapes
    return {}


def _alike(first: Built, other: Built) -> Mapping[int, str]:
    """Return the hashes of classes without one by those of others, if they say the same and lead to the same."""
    shapes: dict[int, str] = {}
    waiting = [(first, other)]
    seen: set[tuple[int, int]] = set()
    while waiting:
        one, known = waiting.pop()
        if one.shape:
            if one.shape != known.shape:
                return {}
        elif (id(one), id(known)) not in seen:
            seen.add((id(one), id(known)))
            if one.outline is None or known.outline is None or one.outline.text != known.outline.text:
                return {}
            shapes[id(one)] = known.shape
            waiting += zip(one.outline.led_to, known.outline.led_to, strict=True)
    return shapes


class _Writing:
    """Turns the schema of one class into a hash: what is written in place and what is referred to look the same.

    Classes inside it that have no end all look alike in it; they are said beside it, in their order.
    """

    def __init__(self, built: Built) -> None:
        self._built = built
        self._led_to: list[Built] = []
        self._inside = [built]
        """The classes that are being written, from the outside to the inside."""
        self._written: dict[int, str] = {}
        """The names of types that were written already."""

    def outline(self) -> Outline:
        """Return what the class says itself."""
        return Outline(self._of(self._built.node, is_start=True), tuple(self._led_to))

    def _of(self, schema: Node, *, is_start: bool = False) -> str:
        while is_start or id(schema) not in self._inside[-1].inside:
            is_start = False
            inner = _stands_for(schema)
            if inner is None:
                return _hash(self._parts(schema))
            schema = inner
        found = self._inside[-1].inside[id(schema)]
        if found.shape and not _led_to(found):
            return found.shape
        if found.is_class or found in self._inside:
            self._led_to.append(found)
            return ""
        # The name of a type: where it is used once, pydantic writes it in place.
        if id(found) not in self._written:
            self._inside.append(found)
            self._written[id(found)] = self._of(found.node, is_start=True)
            self._inside.pop()
        return self._written[id(found)]

    def _parts(self, schema: Node) -> JsonValue:
        match schema.get("type"):
            case "function-before" | "function-after" | "function-wrap" | "function-plain":
                return ["function", _check(schema), self._of(schema["schema"]) if "schema" in schema else None]
            case "default":
                return {"optional": self._of(schema["schema"])}
            case "nullable":
                return {"nullable": self._of(schema["schema"])}
            case "enum":
                return _choice("enum", schema["members"])
            case "literal":
                return _choice("literal", schema["expected"])
            case _:
                said = sorted((key, value) for key, value in schema.items() if key not in _ASIDE)
                found: dict[str, JsonValue] = {key: self._part(key, value) for key, value in said}
                config = cast("Node", schema.get("config") or {})
                return {**found, **{f"config {key}": _value(config[key]) for key in _KEPT_CONFIG if config.get(key) is not None}}

    def _part(self, key: str, value: object) -> JsonValue:
        if key in NAMED and isinstance(value, dict):
            return [[_value(name), self._parts_of(inner)] for name, inner in cast("Node", value).items()]
        return self._parts_of(value) if key in KEYS else _plain(value)

    def _parts_of(self, value: object) -> JsonValue:
        if isinstance(value, list | tuple):
            return [self._parts_of(inner) for inner in cast("Sequence[object]", value)]
        return self._of(cast("Node", value)) if isinstance(value, dict) else _value(value)


def _stands_for(schema: Node) -> Node | None:
    """Return the schema that one stands for, where it says nothing itself."""
    match schema.get("type"):
        case "definitions":
            return cast("Node", schema["schema"])
        case "function-before" | "function-after" | "function-wrap" if _check(schema) is None:
            return cast("Node", schema["schema"])
        case _:
            return None


def _plain(value: object) -> JsonValue:
    """Return what a schema says that is no schema, such as the names that a field is read by."""
    if isinstance(value, dict):
        return [[_value(key), _plain(inner)] for key, inner in cast("Node", value).items()]
    return [_plain(inner) for inner in cast("Sequence[object]", value)] if isinstance(value, list | tuple) else _value(value)


def _choice(kind: str, values: Sequence[object]) -> JsonValue:
    """Return an enum or Literal; None among the values of a Literal makes it nullable, as it is written elsewhere."""
    written: JsonValue = {kind: [_value(value) for value in values if value is not None]}
    return {"nullable": _hash(written)} if None in values else written


def _check(schema: Node) -> JsonValue:
    """Return which function of pydantic's checks a value, and its bounds; None for the user's, which no other side has."""
    function, bounds = cast("Node", schema["function"])["function"], {}
    if isinstance(function, partial):
        function, bounds = cast("partial[object]", function).func, cast("partial[object]", function).keywords
    name = str(getattr(function, "__qualname__", ""))
    if getattr(function, "__module__", "") not in _CHECKING or "<locals>" in name:
        return None
    return [name, {bound: _value(value) for bound, value in bounds.items()}]


def _hash(shape: JsonValue) -> str:
    text = json.dumps(shape, sort_keys=True, separators=(",", ":"))
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode()


# Any: bounds and members are values of any type.
def _value(value: Any) -> JsonValue:
    if isinstance(value, Enum):
        return _value(value.value)
    if value is None or isinstance(value, str | int | bool):
        return value
    if isinstance(value, set | frozenset):
        return [*sorted(str(_value(one)) for one in cast("set[object]", value))]
    kind = type(value).__name__
    if isinstance(value, re.Pattern):
        pattern = cast("re.Pattern[str]", value)
        return [kind, pattern.pattern, int(pattern.flags)]
    return [kind, str(value)] if isinstance(value, _WRITTEN) else [kind]
