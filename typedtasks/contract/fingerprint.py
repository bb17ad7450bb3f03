"""A short hash of what a task's calls look like: two sides that have the same one read each other's messages alike."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from functools import partial
from typing import Any, Final, cast
from uuid import UUID

from pydantic import JsonValue

from typedtasks.contract.schemas import Node

__all__ = ["fingerprint"]

_ASIDE: Final = frozenset(
    {
        *("metadata", "ref", "cls", "cls_name", "serialization", "function", "default", "default_factory", "fields_set"),
        *("model_name", "dataclass_name", "root_model", "post_init", "custom_init", "generic_origin", "computed_fields", "config"),
        *("default_factory_takes_data", "copy_default", "validate_default", "on_error", "missing", "frozen", "slots", "title"),
        *("init", "init_only", "kw_only", "repr", "serialization_exclude", "include", "exclude", "cls_repr"),
        *("custom_error_type", "custom_error_message", "custom_error_context"),
    }
)
"""What a schema says that no message shows, or that another side, which has no code of this one, cannot have."""
_WRITTEN: Final = (float, Decimal, Fraction, date, time, timedelta, UUID)
"""What says the same in every process, so that a bound or a member of this type counts."""
_CHECKING: Final = ("ipaddress", "pydantic.networks", "pydantic._internal._validators")
"""Where the functions are that check what a type says."""
_DEEPEST: Final = 100
"""How many parts of schemas are followed into each other: some 20 models."""
_KEPT_CONFIG: Final = (
    "extra_fields_behavior",
    "strict",
    "str_max_length",
    "str_min_length",
    "str_strip_whitespace",
    "allow_inf_nan",
)


def fingerprint(length: int, schemas: Sequence[Node], names: Sequence[str] = ()) -> str:
    """Return a hash of core schemas, `length` characters of 6 bits: the same in every process, and in generated clients.

    It covers types, constraints, names of fields, what is required and what has a default; neither docs, nor validators, nor the
    names of classes.
    """
    return _hash([[_Shape().of(schema, 0) for schema in schemas], *names])[:length]


class _Shape:
    """Turns one core schema into a hash: what is written in place and what is referred to look the same.

    Each part is hashed for itself, and once for each depth: in how many ways one type leads to another makes no difference to
    what it costs. What refers to itself is followed as deep as everything else.
    """

    def __init__(self) -> None:
        self._definitions: dict[str, Node] = {}
        self._done: dict[tuple[int, int], str] = {}

    def of(self, schema: Node, depth: int) -> str:
        """Return what a schema says of messages."""
        while (inner := self._inside(schema)) is not None:
            schema = inner
        if depth > _DEEPEST:
            return ""
        place = (id(schema), depth)
        if place not in self._done:
            self._done[place] = _hash(self._shape(schema, depth + 1))
        return self._done[place]

    def _inside(self, schema: Node) -> Node | None:
        """Return the schema that one stands for, where it says nothing itself."""
        match schema["type"]:
            case "definitions":
                self._definitions.update({one["ref"]: one for one in schema["definitions"]})
                return cast("Node", schema["schema"])
            case "definition-ref":
                return self._definitions[schema["schema_ref"]]
            case "function-before" | "function-after" | "function-wrap" if _check(schema) is None:
                return cast("Node", schema["schema"])
            case _:
                return None

    def _shape(self, schema: Node, depth: int) -> JsonValue:
        match schema["type"]:
            case "function-before" | "function-after" | "function-wrap" | "function-plain":
                return ["function", _check(schema), self.of(schema["schema"], depth) if "schema" in schema else None]
            case "default":
                return {"optional": self.of(schema["schema"], depth)}
            case "nullable":
                return {"nullable": self.of(schema["schema"], depth)}
            case "enum":
                return _choice("enum", schema["members"])
            case "literal":
                return _choice("literal", schema["expected"])
            case _:
                found: dict[str, JsonValue] = {key: self._data(value, depth) for key, value in schema.items() if key not in _ASIDE}
                config = cast("Node", schema.get("config") or {})
                return {**found, **{f"config {key}": _value(config[key]) for key in _KEPT_CONFIG if config.get(key) is not None}}

    def _data(self, value: object, depth: int) -> JsonValue:
        if isinstance(value, dict):
            node = cast("Node", value)
            if isinstance(node.get("type"), str):
                return self.of(node, depth)
            return [[_value(key), self._data(inner, depth)] for key, inner in node.items()]
        if isinstance(value, list | tuple):
            return [self._data(inner, depth) for inner in cast("Sequence[object]", value)]
        return _value(value)


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
