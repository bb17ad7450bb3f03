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

from typedtasks.contract.classes import Built, circles
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
_ROUNDS: Final = 16
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
        if len(circle) == 1 and all(found is not circle[0] for found in circle[0].inside.values()):
            circle[0].shape = _Shape(circle[0], {}).whole()
            continue
        # What refers to itself has no hash to begin with: each round follows it one class deeper.
        shapes = {id(one): "" for one in circle}
        for _ in range(_ROUNDS):
            shapes = {id(one): _Shape(one, shapes).whole() for one in circle}
        for one in circle:
            one.shape = shapes[id(one)]
    return built.shape


class _Shape:
    """Turns the schema of one class into a hash: what is written in place and what is referred to look the same."""

    def __init__(self, built: Built, shapes: Mapping[int, str]) -> None:
        self._built = built
        self._shapes = shapes
        """The hashes of the classes that refer back to this one, so far."""
        self._inside = [built]
        """The classes that are being written, from the outside to the inside."""

    def whole(self) -> str:
        """Return the hash of the class."""
        return self._of(self._built.node, is_start=True)

    def _of(self, schema: Node, *, is_start: bool = False) -> str:
        while is_start or id(schema) not in self._inside[-1].inside:
            is_start = False
            inner = _stands_for(schema)
            if inner is None:
                return _hash(self._parts(schema))
            schema = inner
        found = self._inside[-1].inside[id(schema)]
        if id(found) not in self._shapes:
            return found.shape
        if found.is_class or found in self._inside:
            return self._shapes[id(found)]
        # The name of a type: where it is used once, pydantic writes it in place.
        self._inside.append(found)
        shape = self._of(found.node, is_start=True)
        self._inside.pop()
        return shape

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
                found: dict[str, JsonValue] = {key: self._part(key, value) for key, value in schema.items() if key not in _ASIDE}
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
