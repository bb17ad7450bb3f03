"""A short hash of what a task's calls look like: two sides that have the same one read each other's messages alike."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import sys
from collections.abc import Sequence
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
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
        *("init", "init_only", "kw_only", "repr", "serialization_exclude", "include", "exclude"),
    }
)
"""What a schema says that no message shows, or that another side, which has no code of this one, cannot have."""
_WRITTEN: Final = (Decimal, Fraction, date, time, timedelta, UUID)
"""What says the same in every process, so that a bound or a member of this type counts."""
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
    names of classes. Empty where the types are nested too deep.
    """
    try:
        shape: list[JsonValue] = [_Shape().of(schema, 0) for schema in schemas]
    except RecursionError:
        return ""
    text = json.dumps([shape, *names], sort_keys=True, separators=(",", ":"))
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest())[:length].decode()


class _Shape:
    """Turns one core schema into plain data: what is written in place and what is referred to look the same."""

    def __init__(self) -> None:
        self._definitions: dict[str, Node] = {}
        self._open: dict[str, int] = {}
        """The definitions around the place that is looked at, each with its depth."""
        self._done: dict[str, JsonValue] = {}
        self._outermost = sys.maxsize
        """The depth of the outermost definition that was referred to from inside itself."""

    def of(self, schema: Node, depth: int) -> JsonValue:
        """Return what a schema says of messages."""
        kind = str(schema["type"])
        if kind == "definitions":
            self._definitions.update({one["ref"]: one for one in schema["definitions"]})
            return self.of(schema["schema"], depth)
        if kind == "definition-ref":
            return self._referred(str(schema["schema_ref"]), depth)
        if kind.startswith("function-") and "schema" in schema:
            return self.of(schema["schema"], depth)
        if kind == "default":
            return {"optional": self.of(schema["schema"], depth)}
        if kind == "nullable":
            return {"nullable": self.of(schema["schema"], depth)}
        if kind in ("enum", "literal"):
            return _choice(kind, schema["members"] if kind == "enum" else schema["expected"])
        found: dict[str, JsonValue] = {key: self._data(value, depth + 1) for key, value in schema.items() if key not in _ASIDE}
        config = cast("Node", schema.get("config") or {})
        return {**found, **{f"config {key}": _value(config[key]) for key in _KEPT_CONFIG if config.get(key) is not None}}

    def _referred(self, name: str, depth: int) -> JsonValue:
        if name in self._open:
            self._outermost = min(self._outermost, self._open[name])
            return {"levels up": depth - self._open[name]}
        if name not in self._done:
            before, self._outermost = self._outermost, depth
            self._open[name] = depth
            shape = self.of(self._definitions[name], depth)
            del self._open[name]
            if self._outermost < depth:  # it says how far up something around it is, so it holds for this place only
                self._outermost = min(self._outermost, before)
                return shape
            self._outermost, self._done[name] = before, shape
        return self._done[name]

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
    return {"nullable": written} if None in values else written


# Any: bounds and members are values of any type.
def _value(value: Any) -> JsonValue:
    if isinstance(value, Enum):
        return _value(value.value)
    if value is None or isinstance(value, str | int | float | bool):
        return value if not isinstance(value, float) else repr(value)
    if isinstance(value, set | frozenset):
        return [*sorted(str(_value(one)) for one in cast("set[object]", value))]
    kind = type(value).__name__
    if isinstance(value, re.Pattern):
        return f"{kind} {cast('re.Pattern[str]', value).pattern}"
    return f"{kind} {value!s}" if isinstance(value, _WRITTEN) else kind
